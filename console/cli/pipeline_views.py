"""Commands that look at pipelines: list, and what the others are declared by."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from console.cli.context import Context
from console.cli.output import (
    moment,
    say,
    show_json,
    show_table,
)
from console.cli.pipeline_following import logs, watch
from console.cli.pipeline_schedules import list_schedules, tell_objections
from console.cli.pipeline_showing import show_one
from console.rendering import one_line, span

if TYPE_CHECKING:
    pass

MOST_LISTED = 100
STATES = (
    "pending",
    "suspended",
    "running",
    "succeeded",
    "failed",
    "cancelled",
    "unknown",
)


def add_views(whats: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare them."""
    formats = ("table", "json")
    parser = whats.add_parser("list", help="every launch, newest first")
    parser.add_argument(
        "--pipeline", default="", metavar="NAME", help="only that pipeline's"
    )
    parser.add_argument(
        "--state",
        action="append",
        default=[],
        choices=STATES,
        help="only those in that state; repeatable",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=MOST_LISTED,
        metavar="N",
        help=f"the newest N, by default {MOST_LISTED}; 0: all",
    )
    parser.add_argument(
        "--schedules", action="store_true", help="only those, with next and last times"
    )
    parser.add_argument("--format", choices=formats, default="table")
    parser.set_defaults(handler=list_all)
    parser = whats.add_parser("show", help="one launch: state, steps, plan, verdict")
    parser.add_argument("launch", metavar="LAUNCH")
    parser.add_argument("--plan", action="store_true", help="only the plan, as sent")
    parser.add_argument("--format", choices=formats, default="table")
    parser.set_defaults(handler=show_one)
    parser = whats.add_parser("watch", help="say what changes until it has ended")
    parser.add_argument("launch", metavar="LAUNCH")
    parser.add_argument(
        "--every", default="1s", metavar="TIME", help="between two looks: 1s"
    )
    parser.add_argument(
        "--timeout", default="", metavar="TIME", help="wait no longer; the run goes on"
    )
    parser.add_argument("--format", choices=formats, default="table")
    parser.set_defaults(handler=watch)
    parser = whats.add_parser("logs", help="what a run prints")
    parser.add_argument("launch", metavar="LAUNCH")
    parser.add_argument("--follow", action="store_true", help="until it has ended")
    parser.add_argument("--grep", default="", metavar="TEXT", help="lines with TEXT")
    parser.add_argument("--tail", type=int, metavar="N", help="the last N")
    parser.add_argument("--step", default="", metavar="STEP", help="only that step's")
    parser.add_argument("--times", action="store_true", help="when, and which stream")
    parser.add_argument("--format", choices=formats, default="table")
    parser.set_defaults(handler=logs)


def list_all(context: Context) -> int:
    """`pipeline list`"""
    from console.services.pipelines.launch_log import launch_names
    from console.services.pipelines.launch_words import to_do_lines
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.schedules import schedules_objected_to
    from console.services.pipelines.viewing import list_launches
    from console.services.problems import Misuse

    given, store = context.arguments, context.store
    if given.schedules:
        return list_schedules(context)
    if given.limit < 0:
        raise Misuse("--limit takes a number of launches, or 0 for all")
    launcher = launcher_of_all(store)
    newest = 0 if given.state else given.limit
    lines = list_launches(store, launcher, newest=newest, pipeline=given.pipeline)
    if given.state:
        lines = [line for line in lines if line.run.state.value in given.state]
        is_cut = 0 < given.limit < len(lines)
        lines = lines[: given.limit] if is_cut else lines
    else:
        is_cut = 0 < given.limit == sum(not line.run.schedule for line in lines)
    if given.format == "json":
        show_json("pipeline-list", launches=lines)
        return 0
    show_table(
        (
            "LAUNCH",
            "PIPELINE",
            "ENVIRONMENT",
            "STATE",
            "SEEN",
            "STEPS",
            "CLAIMED",
            "TOOK",
            "BY",
        ),
        [
            (
                f"  {line.launch}" if line.run.schedule else line.launch,
                line.pipeline,
                line.environment,
                line.run.state.value,
                line.seen.value,
                line.steps_done,
                moment(line.run.claimed),
                span(line.elapsed_seconds),
                line.requester_name,
            )
            for line in lines
        ],
    )
    total = len(launch_names(store))
    if is_cut and total > given.limit:
        say(f"The newest {given.limit} of those asked for. All: --limit 0")
    for text in to_do_lines(lines):
        say(one_line(text))
    tell_objections(schedules_objected_to(store, launcher))
    return 0
