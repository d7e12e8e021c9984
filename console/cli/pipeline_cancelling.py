"""The command that ends a launch, and has the log say so."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from console.cli.context import Context, span_of
from console.cli.output import say, show, show_json
from console.rendering import one_line

if TYPE_CHECKING:
    from console.services.pipelines.cancelling import Cancelled

_GRACE = "10s"


def add_cancel(whats: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `pipeline cancel`."""
    parser = whats.add_parser("cancel", help="end a run; done when nothing is left")
    parser.add_argument("launch", metavar="LAUNCH")
    parser.add_argument(
        "--grace", default=_GRACE, metavar="TIME", help="before it is killed"
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="for the log")
    parser.add_argument("--key", metavar="KEY")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=cancel)


def cancel(context: Context) -> int:
    """`pipeline cancel`: 0 when nothing of it is left and the log says so; 1 when the
    log does not; 3 when its place does not tell what came of it."""
    from console.services.pipelines.cancelling import cancel_launch
    from console.services.pipelines.launchers import launcher_of_all

    given, store = context.arguments, context.store
    done = cancel_launch(
        store,
        launcher_of_all(store),
        given.launch,
        context.person,
        reason=given.reason,
        grace_seconds=span_of(given.grace, "time").total_seconds(),
    )
    _tell(done)
    if given.format == "json":
        show_json(
            "pipeline-cancel",
            launch=done.launch,
            result=done.result,
            read_back=done.read_back,
            run=done.run,
            entry=done.entry,
            unlogged=done.unlogged,
        )
    elif done.run is not None:
        show(done.run.state.value)
    else:
        show(done.result.value)
    if done.result.value == "unknown":
        return 3
    return 1 if done.unlogged else 0


def _tell(done: Cancelled) -> None:
    say(one_line(done.read_back))
    if done.entry is not None:
        how = "Logged" if done.is_new else "It was logged before"
        say(f"{how}: entry {done.entry}.")
    if done.unlogged:
        say(one_line(f"It is not in the log: {done.unlogged}"))
    if done.hint:
        say(one_line(f"  {done.hint}"))
