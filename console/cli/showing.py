"""Commands that end on the screen: the console itself, and the demonstration."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from console.cli.context import Context
from console.cli.output import say, show
from console.services.problems import Misuse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the showing commands."""
    parser = commands.add_parser("demo", help="the sample history, signed off, shown")
    parser.add_argument(
        "--dir", default="", metavar="DIR", help="where (default: .demo in this folder)"
    )
    parser.add_argument("--no-console", action="store_true", help="do not open it")
    parser.set_defaults(handler=demo)
    parser = commands.add_parser("console", help="the console, at an object")
    parser.add_argument("reference", nargs="?", default="", metavar="REF")
    parser.add_argument("--read-only", action="store_true", help="refuse every change")
    parser.set_defaults(handler=open_console)


def demo(context: Context) -> int:
    """`demo`"""
    from console.services.demonstration import run_demonstration

    folder = Path(context.arguments.dir or ".demo").absolute()
    done = run_demonstration(folder, tell=say)
    show(f"store:  {done.store}")
    show(f"file:   {done.audit}")
    show(f"anchor: {done.anchor}")
    if context.arguments.no_console or not _has_screen():
        say(f"Look around with: countersign --store {done.store}")
        return 0
    os.environ["COUNTERSIGN_HOME"] = str(done.home)
    arguments = argparse.Namespace(
        store=str(done.store), anchor=done.anchor, config=None, reference=""
    )
    return open_console(Context(arguments))


def open_console(context: Context) -> int:
    """`console`"""
    if not _has_screen():
        raise Misuse(
            "the console needs a terminal",
            hint="Every view has a command: countersign --help",
        )
    store = context.store
    from console.app import run_app

    arguments = context.arguments
    is_read_only = bool(getattr(arguments, "read_only", False))
    return run_app(store, arguments.reference, is_read_only=is_read_only)


def _has_screen() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
