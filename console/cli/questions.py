"""Commands that ask beyond one thing: what came of it, and anything in SQL."""

from __future__ import annotations

import argparse
import csv
import sys

from console.cli.context import Context
from console.cli.output import plain, say, show, show_json, show_table
from console.rendering import one_line
from console.services.problems import Misuse

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the asking commands."""
    parser = commands.add_parser(
        "impact", help="which versions came of it, where they serve, who approved"
    )
    parser.add_argument(
        "reference", metavar="REF", help="such as dataset:loans@sha256:ab12"
    )
    parser.add_argument(
        "--depth", type=int, default=1_000_000, metavar="N", help="links to follow"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=impact)
    parser = commands.add_parser("sql", help="ask the lineage store in SQL")
    parser.add_argument("query", metavar="QUERY", help="one SELECT; docs/sql.md")
    parser.add_argument("--limit", type=int, default=1000, metavar="N")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="N")
    parser.add_argument("--known-at", type=int, metavar="INDEX")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    parser.set_defaults(handler=sql)


def impact(context: Context) -> int:
    """`impact`"""
    from console.services.impact import impact as asked
    from console.services.impact import place_of

    arguments = context.arguments
    found = asked(context.store, arguments.reference, depth=max(arguments.depth, 1))
    if arguments.format == "json":
        show_json("impact", **plain(found))
        return 0
    serving = sum(touched.serves for touched in found.touched)
    say(
        f"{one_line(found.label)}: {len(found.touched)} model versions came of it by "
        f"{found.runs} runs; {serving} of them serve."
    )
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


def sql(context: Context) -> int:
    """`sql`"""
    from console.services.querying import query

    arguments = context.arguments
    if arguments.limit < 1 or arguments.seconds <= 0:
        raise Misuse("--limit and --seconds are more than nothing")
    found = query(
        context.store,
        arguments.query,
        most_rows=arguments.limit,
        known_at=arguments.known_at,
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
            writer = csv.writer(sys.stdout)
            writer.writerow(found.columns)
            writer.writerows([[_cell(value) for value in row] for row in found.rows])
        case _:
            show_table(found.columns, [[_text(v) for v in row] for row in found.rows])
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


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = _text(value)
    is_number = isinstance(value, (int, float))
    return f"'{text}" if text.startswith(_FORMULA) and not is_number else text
