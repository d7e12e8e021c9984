"""The command that has something launched again and again, and what shows schedules."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.context import Context, span_of
from console.cli.output import moment, say, show, show_json, show_table
from console.rendering import one_line
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.pipelines.named_values import pairs
from console.services.problems import Misuse

if TYPE_CHECKING:
    from connectors.pipelines.protocols import Times
    from console.services.pipelines.schedules import ScheduleLine, WantedSchedule

_OF_A_MANIFEST = {"parameters": "-P", "settings": "--set", "pipeline": "--pipeline"}
_OF_A_CLUSTER = {"context": "--context", "namespace": "--namespace"}
_KEPT = {"time_zone": "--time-zone", "overlap": "--overlap", "deadline": "--deadline"}


def add_schedule(
    whats: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Declare `pipeline schedule`."""
    parser = whats.add_parser(
        "schedule", help="launch again and again: its place does, or cron by a line"
    )
    parser.add_argument(
        "target", metavar="LAUNCH|MANIFEST", help="what was launched; a manifest"
    )
    parser.add_argument(
        "--cron", default="", metavar="TIMES", help="a CronWorkflow has its own"
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="its id")
    parser.add_argument(
        "--backend",
        default="local",
        metavar="local|kubernetes|kfp",
        help="local prints a line for crontab",
    )
    parser.add_argument("--time-zone", default="", metavar="ZONE", help="Etc/UTC")
    parser.add_argument(
        "--overlap",
        default="",
        metavar="Forbid|Allow|Replace",
        help="while the last run still runs; default: Forbid",
    )
    parser.add_argument(
        "--deadline", default="", metavar="TIME", help="how late a run may start"
    )
    parser.add_argument("--context", default="", metavar="NAME")
    parser.add_argument("--namespace", default="", metavar="NAME")
    parser.add_argument(
        "-P", dest="parameters", action="append", default=[], metavar="NAME=VALUE"
    )
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE"
    )
    parser.add_argument("--pipeline", default="", metavar="NAME", help="what it is of")
    parser.add_argument("--env", default="", metavar="ENVIRONMENT")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be sent, exactly"
    )
    parser.add_argument(
        "--ref", default="", metavar="REF", help="for crontab: run this each time"
    )
    parser.add_argument("--key", default="", metavar="KEY")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=schedule, decides=True, wait=False, timeout="")


def schedule(context: Context) -> int:
    """`pipeline schedule`"""
    from console.services.pipelines.schedules import KEEPING

    backend = context.arguments.backend
    if backend == "local":
        return _crontab(context)
    if backend not in KEEPING:
        raise Misuse(
            f"nothing is scheduled on {backend[:40]!r} here",
            hint=f"Known: {', '.join(('local', *KEEPING))}",
        )
    return _kept_there(context)


def _crontab(context: Context) -> int:
    """Print the line, and schedule nothing."""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.repeating import Schedule, crontab_line
    from console.services.pipelines.viewing import launch_line

    given, store = context.arguments, context.store
    options = {**_OF_A_MANIFEST, **_OF_A_CLUSTER, **_KEPT, "env": "--env"}
    _refuse(context, options, "goes with --backend kubernetes or kfp")
    if not given.cron:
        raise Misuse("a line for crontab has times", hint='--cron "0 3 * * *"')
    if given.dry_run:
        raise Misuse("a line for crontab is printed, and nothing else is done")
    line = launch_line(store, launcher_of_all(store), given.target)
    times = Schedule(given.cron, given.name, given.ref, given.key)
    show(one_line(crontab_line(store, line.launch, times)))
    say("Nothing was scheduled: add this line to the crontab of whoever launches.")
    return 0


def _kept_there(context: Context) -> int:
    from console.cli.pipelines import launch_asked, show_dry_run
    from console.services.pipelines.asked import Asked
    from console.services.pipelines.schedules import open_keeper

    given, store = context.arguments, context.store
    _refuse(context, {"ref": "--ref"}, "is for a line for crontab")
    wanted = _wanted(context, _times(context))
    launcher = open_keeper(store, wanted)
    asked = Asked(wanted.request, wanted.environment, given.name)
    if given.dry_run:
        return show_dry_run(context, asked, launcher)
    return launch_asked(context, asked, launcher)


def _wanted(context: Context, times: Times | None) -> WantedSchedule:
    """What a manifest says, or what was launched."""
    from connectors.pipelines.protocols import LaunchRequest
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.schedules import WantedSchedule, as_schedule
    from console.services.pipelines.viewing import launch_line

    given, store = context.arguments, context.store
    if Path(given.target).is_file():
        request = LaunchRequest(
            project=given.target,
            pipeline=given.pipeline,
            parameters=pairs(given.parameters, "-P"),
            settings=pairs(given.settings, "--set"),
            times=times,
        )
        environment = given.env or DEFAULT_ENVIRONMENT
        return WantedSchedule(
            request, environment, given.backend, given.context, given.namespace
        )
    options = {**_OF_A_MANIFEST, **_OF_A_CLUSTER, "env": "--env"}
    _refuse(context, options, "goes with a manifest; what was launched has its own")
    if times is None:
        raise Misuse("what is started again and again has times", hint="--cron TIMES")
    everywhere = launcher_of_all(store)
    line = launch_line(store, everywhere, given.target)
    return as_schedule(store, everywhere, line.launch, times)


def _times(context: Context) -> Times | None:
    """The times that were given; None: a manifest is to say them itself."""
    from connectors.pipelines.protocols import Times

    given = context.arguments
    if not given.cron:
        _refuse(context, _KEPT, "goes with --cron")
        return None
    late = given.deadline
    seconds = int(span_of(late, "time").total_seconds()) if late else 0
    default = Times(given.cron)
    return Times(
        given.cron,
        given.time_zone or default.time_zone,
        given.overlap or default.overlap,
        seconds,
    )


def _refuse(context: Context, options: dict[str, str], why: str) -> None:
    for name, option in options.items():
        if getattr(context.arguments, name):
            raise Misuse(f"{option} {why}")


def list_schedules(context: Context) -> int:
    """`pipeline list --schedules`"""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.schedules import list_schedules as found

    store, wanted = context.store, context.arguments.pipeline
    lines = [
        line
        for line in found(store, launcher_of_all(store))
        if wanted in ("", line.pipeline)
    ]
    if context.arguments.format == "json":
        show_json("pipeline-schedules", schedules=lines)
        return 0
    show_table(
        ("SCHEDULE", "PIPELINE", "STATE", "TIMES", "ZONE", "NEXT", "LAST", "RUNS"),
        [
            (
                line.launch,
                line.pipeline,
                line.state.value,
                line.times.cron,
                line.times.time_zone,
                moment(line.standing.next) if line.standing else "",
                moment(line.standing.last) if line.standing else "",
                str(len(line.fired)),
            )
            for line in lines
        ],
    )
    tell_objections(lines)
    return 0


def tell_objections(lines: Sequence[ScheduleLine]) -> None:
    """Say of each schedule that should not run as it does why, and what to do."""
    from console.services.pipelines.schedule_words import objection_lines

    for line in lines:
        for text in objection_lines(line):
            say(one_line(text))
