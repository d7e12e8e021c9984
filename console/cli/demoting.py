"""`demote`: take a version out of a stage, or put back the one before."""

from __future__ import annotations

import argparse

from console.cli.context import Context
from console.cli.output import say, show
from console.services.configuration import DEFAULT_ENVIRONMENT
from store.identifiers import split_key


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `demote`."""
    parser = commands.add_parser("demote", help="take a version out of a stage")
    parser.add_argument("reference", metavar="MODEL[@VERSION]")
    parser.add_argument("--from", required=True, metavar="STAGE", dest="stage")
    parser.add_argument("--env", default=DEFAULT_ENVIRONMENT, metavar="ENVIRONMENT")
    parser.add_argument(
        "--restore",
        action="store_true",
        help="the version that held it before takes it again",
    )
    parser.add_argument("--reason", required=True, metavar="TEXT")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=demote, decides=True)


def demote(context: Context) -> int:
    """`demote`"""
    from console.services.demoting import demote as take_out

    arguments = context.arguments
    done = take_out(
        context.store,
        context.person(),
        arguments.reference,
        arguments.stage,
        arguments.env,
        arguments.reason,
        restores=arguments.restore,
    )
    entry = done.appended.index
    say(f"{_name(done.version)} is out of {arguments.stage}; entry {entry}.")
    if done.restored:
        say(f"{_name(done.restored)} has it again, under its own promotion.")
    if done.registry:
        say(f"The registry {done.registry} says: {done.read_back}")
    else:
        say("No registry is configured for this environment: the log alone says so.")
    show(f"statement:{done.appended.statement_id[:12]}")
    return 0


def _name(version_key: str) -> str:
    return "@".join(split_key(version_key)[1][-2:])
