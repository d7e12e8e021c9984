"""A comparison as lines of 80 columns: a summary, and a table for every section."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from connectors.protocols import CodeComparison
from console.rendering import one_line, table
from console.services.differences import Comparison, Difference

_LONGEST_NAME, _LONGEST_VALUE, _WIDTH = 30, 19, 80
_MOST_LINES = 15
"""Commits and files of the code that a table lists."""
_DIGESTS = frozenset({"data", "feature", "code", "code file", "file"})
TITLES = {
    "data": "DATA",
    "feature": "FEATURES",
    "code": "CODE",
    "code file": "FILES OF THE CODE",
    "parameter": "PARAMETERS",
    "runtime": "RUNTIME ENVIRONMENT",
    "metric": "METRICS",
    "slice": "METRICS BY SLICE",
    "file": "FILES OF THE MODEL",
    "tag": "TAGS",
    "state": "WHERE IT IS",
}


def change_of(one: Difference) -> str:
    """By how much something differs, and whether that is better."""
    return f"{one.change} {one.verdict}".strip()


def comparison_lines(found: Comparison) -> Iterator[str]:
    """A summary, and a table for every section, in 80 columns."""
    yield f"{one_line(found.before)} -> {one_line(found.after)}"
    yield from textwrap.wrap(one_line(found.summary), _WIDTH)
    for section, title in TITLES.items():
        rows = [one for one in found.differences if one.section == section]
        if section == "code" and found.code is not None:
            yield from _commit_lines(found.code)
        if rows:
            yield ""
            yield from _section(section, title, rows)


def _section(section: str, title: str, rows: list[Difference]) -> Iterator[str]:
    most = _MOST_LINES if section == "code file" else len(rows)
    shown = [_short(one) for one in rows[:most]]
    headings: tuple[str, ...] = (title, "BEFORE", "AFTER", "CHANGE")
    if not any(cells[-1] for cells in shown):
        headings, shown = headings[:-1], [cells[:-1] for cells in shown]
    yield table(headings, shown, longest_cell=_LONGEST_NAME)
    if len(rows) > most:
        yield f"... and {len(rows) - most} more: --format json"


def _short(one: Difference) -> tuple[str, ...]:
    """A row in which long digests are cut and long numbers rounded."""
    values = [_value(one, text) for text in (one.before, one.after)]
    return one.name, *values, change_of(one)


def _value(one: Difference, text: str) -> str:
    if not text:
        return "-"
    if one.section in ("metric", "slice"):
        return _rounded(text)
    return text[:_LONGEST_VALUE] if one.section in _DIGESTS else text


def _rounded(text: str) -> str:
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text[:_LONGEST_VALUE]


def _commit_lines(code: CodeComparison) -> Iterator[str]:
    if code.listed:
        yield ""
        yield f"COMMITS ({code.commits} new, {code.missing} left out)"
    for commit in code.listed[:_MOST_LINES]:
        yield f"{commit.sha[:12]}  {one_line(commit.subject)}"
    if code.commits > min(len(code.listed), _MOST_LINES):
        yield f"... and {code.commits - min(len(code.listed), _MOST_LINES)} more"
