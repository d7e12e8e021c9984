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
    from console.services.opened import OpenStore
    from console.services.pipelines.schedules import ScheduleLine, WantedSchedule
    from console.services.signing import Acting

_OF_A_MANIFEST = {"parameters": "-P", "settings": "--set", "pipeline": "--pipeline"}
_OF_A_CLUSTER = {"context": "--context", "namespace": "--namespace"}
_KEPT = {"time_zone": "--time-zone", "overlap": "--overlap", "deadline": "--deadline"}


def add_schedule(
    whats: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Declare `pipeline schedule`."""
    parser = whats.add_parser(
        "schedule", help="launch again and again: a cluster does, or cron by a line"
    )
    parser.add_argument(
        "target", metavar="LAUNCH|MANIFEST", help="what was launched; a Job's manifest"
    )
    parser.add_argument("--cron", required=True, metavar="TIMES")
    parser.add_argument("--name", required=True, metavar="NAME", help="its id")
    parser.add_argument(
        "--backend",
        default="local",
        metavar="local|kubernetes",
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
    backend = context.arguments.backend
    if backend == "local":
        return _crontab(context)
    if backend != "kubernetes":
        raise Misuse(
            f"nothing is scheduled on {backend[:40]!r} here",
            hint="Known: local, kubernetes",
        )
    return _on_cluster(context)


def _crontab(context: Context) -> int:
    """Print the line, and schedule nothing."""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.repeating import Schedule, crontab_line
    from console.services.pipelines.viewing import launch_line

    given, store = context.arguments, context.store
    options = {**_OF_A_MANIFEST, **_OF_A_CLUSTER, **_KEPT, "env": "--env"}
    _refuse(context, options, "goes with --backend kubernetes")
    if given.dry_run:
        raise Misuse("a line for crontab is printed, and nothing else is done")
    line = launch_line(store, launcher_of_all(store), given.target)
    times = Schedule(given.cron, given.name, given.ref, given.key)
    show(one_line(crontab_line(store, line.launch, times)))
    say("Nothing was scheduled: add this line to the crontab of whoever launches.")
    return 0


def _on_cluster(context: Context) -> int:
    from console.cli.pipelines import launch_asked, show_dry_run
    from console.services.pipelines.launching import Asked
    from console.services.pipelines.schedules import schedules_on_cluster

    given, store = context.arguments, context.store
    _refuse(context, {"ref": "--ref"}, "is for a line for crontab")
    wanted = _wanted(context, _times(context))
    launcher = schedules_on_cluster(store, wanted.context, wanted.namespace)
    asked = Asked(wanted.request, wanted.environment, given.name)
    if given.dry_run:
        return show_dry_run(context, asked, launcher)
    return launch_asked(context, asked, launcher)


def _wanted(context: Context, times: Times) -> WantedSchedule:
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
        return WantedSchedule(request, environment, given.context, given.namespace)
    options = {**_OF_A_MANIFEST, **_OF_A_CLUSTER, "env": "--env"}
    _refuse(context, options, "goes with a manifest; what was launched has its own")
    everywhere = launcher_of_all(store)
    line = launch_line(store, everywhere, given.target)
    return as_schedule(store, everywhere, line.launch, times)


def _times(context: Context) -> Times:
    from connectors.pipelines.protocols import Times

    given = context.arguments
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


def record_all(store: OpenStore, acting: Acting, schedule: str) -> int:
    """Record what a schedule started: 1 when something had to be left out."""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.recording import record_fired
    from store.identifiers import split_key

    done, left = record_fired(store, acting, launcher_of_all(store), schedule)
    new = sum(sum(r.new.values()) for one in done for r in one.reports)
    say(f"{new} new facts of {len(done)} runs.")
    for problem in [*left, *(one.problem for one in done if one.problem)]:
        say(one_line(problem))
    for one in done:
        show(one_line(f"run:{split_key(one.key)[1][-1]}"))
    return 1 if left or any(one.problem for one in done) else 0


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
