"""What somebody is about to launch, as a form holds it: texts, until they are checked.

A draft comes to the same request as the options of the command do. It sends nothing.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from connectors.pipelines.declarations import Declaration
from connectors.pipelines.kubernetes_jobs import namespace_of
from connectors.pipelines.kubernetes_planning import context_of
from connectors.pipelines.project_path import project_path
from connectors.pipelines.protocols import (
    CanLaunch,
    LaunchPlan,
    LaunchRequest,
    Limits,
    Times,
)
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.opened import OpenStore
from console.services.pipelines.asked import Asked
from console.services.pipelines.every_place import FAR
from console.services.pipelines.launchers import LOCAL, open_launcher
from console.services.pipelines.named_values import TRACKING, pairs, tracking_address
from console.services.pipelines.repeating import (
    Schedule,
    line_for_cron,
    request_of,
    where_words,
)
from console.services.pipelines.schedules import KEEPING, WantedSchedule, open_keeper
from console.services.problems import Misuse
from console.services.spans import span_of

MAIN = "main"


@dataclass(frozen=True, slots=True)
class Draft:
    """A form, filled in as far as it is."""

    backend: str = LOCAL
    context: str = ""
    namespace: str = ""
    project: str = ""
    steps: str = ""
    """Names in their order, with commas or spaces between them; empty: `main`."""
    ref: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Those that are to be other than by default."""
    pipeline: str = ""
    environment: str = DEFAULT_ENVIRONMENT
    cause: str = "a person"
    runtime: str = "current"
    tracking: str = ""
    settings: str = ""
    """NAME=VALUE, as a shell would write several."""
    passed: str = ""
    time_limit: str = ""
    limits: Limits = field(default_factory=Limits)
    """Those that stand in no field."""
    launch: str = ""
    """The id to launch under; empty: a new one. A schedule is called so."""
    times: Times | None = None
    """Not once, but whenever it is due."""

    @property
    def step_names(self) -> tuple[str, ...]:
        """The steps, in their order."""
        return tuple(self.steps.replace(",", " ").split()) or (MAIN,)


def asked_of(store: OpenStore, draft: Draft) -> Asked:
    """What a draft asks for.

    Raises:
        Misuse: something in it is not what it should be.
    """
    if not draft.project.strip():
        raise Misuse("nothing is named to be launched", hint="Fill in the project.")
    settings = pairs(_words(draft.settings), "the variable")
    if draft.tracking.strip():
        settings[TRACKING] = tracking_address(store, draft.tracking.strip())
    limit = draft.time_limit.strip()
    seconds = int(span_of(limit, "time").total_seconds()) if limit else 0
    request = LaunchRequest(
        project=draft.project.strip(),
        pipeline=draft.pipeline.strip(),
        entry_points=draft.step_names,
        parameters=dict(draft.parameters),
        ref=draft.ref.strip(),
        runtime=draft.runtime.strip() or "current",
        settings=settings,
        passed=tuple(draft.passed.replace(",", " ").split()),
        limits=replace(draft.limits, wall_seconds=seconds),
        times=draft.times,
    )
    return Asked(request, draft.environment.strip(), draft.launch.strip(), draft.cause)


def open_place(store: OpenStore, draft: Draft) -> CanLaunch:
    """Whoever launches what a draft asks for, where it asks for it.

    Raises:
        Misuse: nothing there does, or keeps times.
    """
    context, namespace = draft.context, draft.namespace.strip()
    launcher = open_launcher(store, draft.backend, context=context, namespace=namespace)
    if draft.times is None:
        return launcher
    why = why_no_schedule(draft.backend)
    if why:
        raise Misuse(why, hint="Leave the times out, or use the line for crontab.")
    request = LaunchRequest(project=draft.project.strip(), times=draft.times)
    wanted = WantedSchedule(request, "", draft.backend, context, namespace)
    return open_keeper(store, wanted)


def why_no_schedule(backend: str) -> str:
    """Why a kind of place keeps no times; empty: it does."""
    return "" if backend in KEEPING else f"{backend} keeps no schedules"


def draft_of(plan: LaunchPlan, environment: str) -> Draft:
    """What was launched, as a form, to be changed and launched anew."""
    request = request_of(plan)
    is_far = plan.backend in FAR
    settings = dict(request.settings)
    tracking = settings.pop(TRACKING, "")
    seconds = request.limits.wall_seconds
    is_once = request.times is None
    return Draft(
        backend=plan.backend,
        context=context_of(plan) if is_far else "",
        namespace=namespace_of(plan) if is_far else "",
        project=request.project,
        steps=""
        if request.entry_points == (MAIN,)
        else ", ".join(request.entry_points),
        ref=request.ref,
        parameters=request.parameters,
        pipeline=request.pipeline,
        environment=environment,
        runtime="current" if is_far else request.runtime,
        tracking=tracking,
        settings=shlex.join(f"{name}={value}" for name, value in settings.items()),
        passed=" ".join(request.passed),
        time_limit=f"{seconds}s" if seconds else "",
        limits=replace(request.limits, wall_seconds=0),
        times=None if is_once else request.times,
    )


def crontab_of(store: OpenStore, draft: Draft) -> str:
    """The line with which this machine's cron launches a draft again and again.

    Raises:
        Misuse: the times or the name are none, or another field is not as it should be.
    """
    times = draft.times or Times("")
    asked = asked_of(store, replace(draft, times=None))
    project = str(project_path(asked.request.project))
    runtime = asked.request.runtime
    if runtime == "current":  # which python that is, another PATH would say otherwise
        runtime = shutil.which("python") or shutil.which("python3") or sys.executable
    request = replace(asked.request, project=project, runtime=runtime)
    where = where_words(draft.backend, draft.context, draft.namespace.strip(), request)
    schedule = Schedule(times.cron, asked.launch)
    return line_for_cron(store, request, asked.environment, where, schedule)


def changed_values(
    declared: Declaration, steps: tuple[str, ...], given: Mapping[str, str]
) -> dict[str, str]:
    """What has to be given of what stands in a form: not what holds by itself."""
    return {
        one.name: given[one.name]
        for one in declared.taken_by(steps)
        if given.get(one.name, "") not in ("", one.default)
    }


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as cause:
        raise Misuse(
            "a quotation mark is open", hint="Write NAME=VALUE or 'NAME=A B'."
        ) from cause
