"""Launching again what was launched before: once more, or at times that cron keeps."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from connectors.pipelines.kubernetes_jobs import namespace_of
from connectors.pipelines.kubernetes_planning import context_of
from connectors.pipelines.planned_schedules import is_schedule, times_of
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import CanLaunch, LaunchPlan, LaunchRequest
from console.services.opened import OpenStore
from console.services.own_command import own_command
from console.services.pipelines.asked import Asked
from console.services.pipelines.every_place import FAR
from console.services.pipelines.launch_log import known_launch
from console.services.problems import Misuse, Refusal
from store.opening import whole_address

_CRON_FIELD = re.compile(r"[0-9A-Za-z*,/-]{1,40}")
_SCHEDULE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
_CRON_FIELDS = 5


def request_of(plan: LaunchPlan) -> LaunchRequest:
    """What was asked for, so that it came to a plan."""
    steps = tuple(step.name for step in plan.steps)
    return LaunchRequest(
        project=plan.project,
        pipeline=plan.pipeline,
        entry_points=("main",) if plan.backend in FAR else steps,
        parameters={n: v for step in plan.steps for n, v in step.parameters},
        ref=plan.code.commit if plan.code.is_dirty is False else "",
        runtime=plan.runtime,
        settings=dict(plan.settings),
        passed=plan.passed,
        limits=plan.limits,
        times=times_of(plan) if is_schedule(plan) else None,
    )


def once_more(store: OpenStore, launcher: CanLaunch, launch: str) -> Asked:
    """What to launch in order to repeat a launch exactly, under an id of its own.

    Raises:
        Refusal: it has not ended, or what would run is no longer the same.
    """
    record = known_launch(store, launch, store.state())
    run = launcher.find(launch)
    if run is not None and not run.state.is_final:
        raise Refusal(
            f"{launch} is {run.state.value}; only what has ended is launched again",
            hint=f"End it first: countersign pipeline cancel {launch}",
        )
    plan = read_plan(store.objects.get(record.intent.definition))
    request = request_of(plan)
    again = launcher.plan(request)
    if again.digest != plan.digest:
        raise Refusal(
            f"what would run is no longer what ran: {_difference(plan, again)}",
            hint="Launch it as something new: countersign pipeline launch",
        )
    return Asked(request, record.intent.environment, cause=f"retry of {launch}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is launched again and again, and how that is called."""

    times: str
    """As cron writes them."""
    name: str
    ref: str = ""
    """What is run each time; empty: what was run, or the files as they are then."""
    key: str = ""


def crontab_line(store: OpenStore, launch: str, schedule: Schedule) -> str:
    """The line with which this machine's cron launches the same again and again.

    Each time has an id of its own, so that a line that runs twice launches once.

    Raises:
        Misuse: the times or the name are none.
    """
    _check(schedule)
    record = known_launch(store, launch, store.state())
    plan = read_plan(store.objects.get(record.intent.definition))
    if is_schedule(plan):
        raise Misuse(
            f"{launch} is started again and again by its cluster already",
            hint=f"When: countersign pipeline show {launch}",
        )
    request = request_of(plan)
    is_far = plan.backend in FAR
    named = (context_of(plan), namespace_of(plan)) if is_far else ("", "")
    where = where_words(plan.backend, *named, request)
    return line_for_cron(store, request, record.intent.environment, where, schedule)


def line_for_cron(
    store: OpenStore,
    request: LaunchRequest,
    environment: str,
    where: list[str],
    schedule: Schedule,
) -> str:
    """The line with which this machine's cron launches something again and again.

    Raises:
        Misuse: the times or the name are none.
    """
    _check(schedule)
    times, name, key = schedule.times, schedule.name, schedule.key
    words = [*own_command(), "--store", whole_address(store.address)]
    words += ["pipeline", "launch", request.project]
    words += ["--name", request.pipeline] if request.pipeline else []
    words += ["--env", environment, *where]
    for option, pairs in (("-P", request.parameters), ("--set", request.settings)):
        words += [w for n, v in pairs.items() for w in (option, f"{n}={v}")]
    words += [word for passed in request.passed for word in ("--pass", passed)]
    ref = schedule.ref or request.ref
    words += ["--ref", ref] if ref else []
    for option, amount, unit in (
        ("--time-limit", request.limits.wall_seconds, "s"),
        ("--cpu-limit", request.limits.cpu_seconds, "s"),
        ("--memory-limit", request.limits.memory_bytes, ""),
        ("--file-limit", request.limits.file_bytes, ""),
        ("--log-limit", request.limits.log_bytes, ""),
    ):
        words += [option, f"{amount}{unit}"] if amount else []
    words += ["--cause", f"schedule {name}", *(("--key", key) if key else ())]
    command = shlex.join(words)
    if "\n" in command or "\r" in command:
        raise Misuse("a parameter with the end of a line in it stands in no crontab")
    moment = "$(date -u +%Y%m%dT%H%M)"
    return f"{times} {command} --id {name}-{moment}".replace("%", r"\%")


def _check(schedule: Schedule) -> None:
    times, name = schedule.times, schedule.name
    fields = times.split(" ")
    if len(fields) != _CRON_FIELDS or not all(map(_CRON_FIELD.fullmatch, fields)):
        raise Misuse(f"{times[:80]!r} are no times", hint='Write: --cron "0 3 * * *"')
    if not _SCHEDULE_NAME.fullmatch(name):
        raise Misuse(f"{name[:80]!r} is no name", hint="Letters, digits and . _ -")


def where_words(
    backend: str, context: str, namespace: str, request: LaunchRequest
) -> list[str]:
    """The options that say where and with what it runs."""
    if backend in FAR:
        named = ["--context", context] if context else []
        named += ["--namespace", namespace] if namespace else []
        return ["--backend", backend, *named]
    entries = [word for name in request.entry_points for word in ("--entry", name)]
    return ["--python", request.runtime, *entries]


def _difference(before: LaunchPlan, after: LaunchPlan) -> str:
    names = [
        name
        for name in LaunchPlan.__dataclass_fields__
        if getattr(before, name) != getattr(after, name)
    ]
    return ", ".join(names)
