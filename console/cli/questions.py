"""Commands that ask beyond one thing: what came of it, and anything in SQL."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from console.cli.arguments import count
from console.cli.context import Context
from console.cli.forms import TABULAR, show_csv, show_rows
from console.cli.output import plain, say, show, show_json
from console.cli.times import (
    add_known_at,
    add_times,
    asked_times,
    known_at_argument,
    times_of,
)
from console.rendering import markdown_cell, one_line
from console.services.problems import Misuse

if TYPE_CHECKING:
    from console.services.impact import Impact


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the asking commands."""
    parser = commands.add_parser(
        "impact", help="which versions came of it, where they serve, who approved"
    )
    parser.add_argument(
        "reference", metavar="REF", help="such as dataset:loans@sha256:ab12"
    )
    parser.add_argument("--depth", type=count, default=50, metavar="N")
    add_times(parser)
    parser.add_argument("--format", choices=TABULAR, default="table")
    parser.set_defaults(handler=impact)
    parser = commands.add_parser("sql", help="ask the lineage store in SQL")
    parser.add_argument("query", metavar="QUERY", help="one SELECT; docs/sql.md")
    parser.add_argument("--limit", type=count, default=1000, metavar="N")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="N")
    add_known_at(parser)
    parser.add_argument("--format", choices=TABULAR, default="table")
    parser.set_defaults(handler=sql)


def impact(context: Context) -> int:
    """`impact`"""
    from console.services.impact import impact as asked
    from console.services.impact import place_of

    arguments, times = context.arguments, asked_times(context)
    found = asked(
        context.store, arguments.reference, depth=arguments.depth, asked=times
    )
    if arguments.format == "json":
        show_json("impact", **times_of(times), **plain(found))
        return 0
    serving = sum(touched.serves for touched in found.touched)
    told = (
        f"{one_line(found.label)}: {_counted(len(found.touched), 'model version')} "
        f"came of it by {_counted(found.runs, 'run')}; {serving} of them "
        f"serve{'s' if serving == 1 else ''}."
    )
    if arguments.format != "table":
        _show_touched(found, arguments.format, told)
        return 0
    say(told)
    for touched in found.touched:
        how = ", by inference only" if touched.is_inferred else ""
        show(f"{one_line(touched.version)}  ({touched.steps} steps{how})")
        if touched.aliases:
            show(f"  registry: {one_line(', '.join(touched.aliases))}")
        for held in touched.held:
            show(f"  log:      {one_line(place_of(held))}, entry {held.entry}")
            show(f"            promoted by {one_line(held.promoted_by)}")
            approved = ", ".join(held.approved_by) or "nobody"
            show(f"            approved by {one_line(approved)}")
    if found.is_cut:
        say("There is more beyond this; raise --depth to see it.")
    return 0


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _show_touched(found: Impact, form: str, told: str) -> None:
    """What was touched as CSV or Markdown, a row for each version."""
    from console.services.impact import place_of

    if form == "markdown":
        show(markdown_cell(told))
        show("")
    else:
        say(told)
    show_rows(
        form,
        ("VERSION", "STEPS", "REGISTRY", "LOG", "PROMOTED BY", "APPROVED BY"),
        [
            (
                touched.version,
                f"{touched.steps}{' inferred' if touched.is_inferred else ''}",
                ", ".join(touched.aliases),
                "; ".join(place_of(held) for held in touched.held),
                "; ".join(held.promoted_by for held in touched.held),
                "; ".join(", ".join(held.approved_by) for held in touched.held),
            )
            for touched in found.touched
        ],
    )
    if found.is_cut:
        say("There is more beyond this; raise --depth to see it.")


def sql(context: Context) -> int:
    """`sql`"""
    from console.services.querying import query

    arguments = context.arguments
    if arguments.seconds <= 0:
        raise Misuse("--seconds is more than nothing")
    found = query(
        context.store,
        arguments.query,
        most_rows=arguments.limit,
        known_at=known_at_argument(context),
        longest_seconds=arguments.seconds,
    )
    match arguments.format:
        case "json":
            show_json(
                "sql",
                columns=found.columns,
                rows=[[_json(value) for value in row] for row in found.rows],
                is_cut=found.is_cut,
            )
        case "csv":
            show_csv(found.columns, found.rows)
        case _:
            rows = [[_text(value) for value in row] for row in found.rows]
            show_rows(arguments.format, found.columns, rows)
    if found.is_cut:
        say(f"There are more than {arguments.limit} rows; raise --limit to see them.")
    return 0


def _json(value: object) -> object:
    """What JSON has a form for as it is, and the rest as text."""
    found = plain(value)
    return (
        found
        if isinstance(found, (str, int, float, bool, type(None)))
        else _text(value)
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)
