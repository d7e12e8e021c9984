"""The command that takes an ended run out of the lists of the place that ran it."""

from __future__ import annotations

import argparse

from console.cli.context import Context
from console.cli.output import say, show


def add_archive(whats: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `pipeline archive`."""
    parser = whats.add_parser(
        "archive", help="take a recorded run out of the lists of the place it ran at"
    )
    parser.add_argument("launch", metavar="LAUNCH")
    parser.set_defaults(handler=archive)


def archive(context: Context) -> int:
    """`pipeline archive`"""
    from console.services.pipelines.archiving import archive_launch

    run = archive_launch(context.store, context.arguments.launch)
    say("The log keeps it.")
    show(run.launch)
    return 0
