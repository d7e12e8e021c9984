"""The command that makes room on this machine."""

from __future__ import annotations

import argparse

from console.cli.context import Context, span_of
from console.cli.output import moment, say, show_json, show_table

OLDER_THAN = "30d"
_NAMED = 10


def add_prune(whats: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `pipeline prune`."""
    parser = whats.add_parser(
        "prune", help="remove files of runs here that ended long ago and are recorded"
    )
    parser.add_argument(
        "--older-than",
        default=OLDER_THAN,
        metavar="TIME",
        help=f"ended, or not used, for so long; by default {OLDER_THAN}",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would go, and remove nothing"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=prune)


def prune(context: Context) -> int:
    """`pipeline prune`: 1 when something could not be removed."""
    from console.services.pipelines.pruning import prune as prune_launches

    given = context.arguments
    older_than = span_of(given.older_than, "time")
    done = prune_launches(context.store, older_than, is_dry=given.dry_run)
    if given.format == "json":
        show_json("pipeline-prune", is_dry=given.dry_run, size=done.size, pruned=done)
        return 1 if done.problems else 0
    named = [("launch", one) for one in done.launches]
    named += [("environment", one) for one in done.environments]
    show_table(
        ("WHAT", "NAME", "LAST", "FREES"),
        [(what, one.name, moment(one.since), _size(one.size)) for what, one in named],
    )
    say(f"{'Would free' if given.dry_run else 'Freed'} {_size(done.size)}.")
    if done.not_ended:
        say(f"Kept, not ended: {_names(done.not_ended)}")
    if done.not_recorded:
        say(f"Kept, not recorded: {_names(done.not_recorded)}")
        say("countersign pipeline record LAUNCH")
    for problem in done.problems:
        say(problem)
    return 1 if done.problems else 0


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _size(amount: int) -> str:
    """A number of bytes as people read it."""
    size = float(amount)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
