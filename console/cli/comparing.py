"""`diff`: how two model versions or two commits differ."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from console.cli.context import Context
from console.cli.forms import TABULAR, markdown_table, show_csv
from console.cli.output import plain, say, show, show_json
from console.cli.times import add_times, asked_times, times_of
from console.rendering import markdown_cell, one_line
from console.reports.comparison_text import change_of, comparison_lines
from console.services.differences import Comparison, Difference

_HEADINGS = ("WHAT", "NAME", "BEFORE", "AFTER", "CHANGE")


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
            show("\n".join(comparison_lines(found)))
    for text in found.unread:
        say(f"Not compared: {one_line(text)}")
    return 0


def _cells(one: Difference) -> tuple[str, str, str, str, str]:
    return one.section, one.name, one.before, one.after, change_of(one)


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
