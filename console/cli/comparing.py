"""`diff`: how two model versions or two commits differ."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator

from connectors.protocols import CodeComparison
from console.cli.context import Context
from console.cli.forms import TABULAR, markdown_table, show_csv
from console.cli.output import plain, say, show, show_json
from console.cli.times import add_times, asked_times, times_of
from console.rendering import markdown_cell, one_line, table
from console.services.differences import Comparison, Difference

_HEADINGS = ("WHAT", "NAME", "BEFORE", "AFTER", "CHANGE")
_LONGEST_NAME, _LONGEST_VALUE, _WIDTH = 30, 19, 80
_MOST_LINES = 15
"""Commits and files of the code that a table lists."""
_DIGESTS = frozenset({"data", "feature", "code", "code file", "file"})
_TITLES = {
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


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "diff", help="how two model versions or two commits differ"
    )
    parser.add_argument("before", metavar="A", help="such as model:fraud@7")
    parser.add_argument("after", metavar="B", help="or commit:9fceb02, both of a kind")
    parser.add_argument("--format", choices=TABULAR, default="table")
    add_times(parser)
    parser.set_defaults(handler=diff)


def diff(context: Context) -> int:
    """`diff`"""
    from console.services.comparing import compare

    arguments, asked = context.arguments, asked_times(context)
    found = compare(context.store, arguments.before, arguments.after, asked)
    match arguments.format:
        case "json":
            show_json("diff", **times_of(asked), **plain(found))
        case "csv":
            rows = [_cells(one) for one in found.differences]
            show_csv([heading.lower() for heading in _HEADINGS], rows)
        case "markdown":
            show("\n".join(_markdown(found)))
        case _:
            show("\n".join(_lines(found)))
    for text in found.unread:
        say(f"Not compared: {one_line(text)}")
    return 0


def _cells(one: Difference) -> tuple[str, str, str, str, str]:
    change = f"{one.change} {one.verdict}".strip()
    return one.section, one.name, one.before, one.after, change


def _lines(found: Comparison) -> Iterator[str]:
    """A summary, and a table for every section, in 80 columns."""
    yield f"{one_line(found.before)} -> {one_line(found.after)}"
    yield from textwrap.wrap(one_line(found.summary), _WIDTH)
    for section, title in _TITLES.items():
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
    change = f"{one.change} {one.verdict}".strip()
    values = [_value(one, text) for text in (one.before, one.after)]
    return one.name, *values, change


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


def _markdown(found: Comparison) -> Iterator[str]:
    """For a ticket: everything escaped, digests whole."""
    yield f"**{markdown_cell(found.before)} to {markdown_cell(found.after)}**"
    yield ""
    yield markdown_cell(found.summary)
    if found.code is not None and found.code.listed:
        yield ""
        for commit in found.code.listed:
            yield f"- {markdown_cell(commit.sha[:12])} {markdown_cell(commit.subject)}"
    if found.differences:
        yield ""
        yield from markdown_table(_HEADINGS, map(_cells, found.differences))
