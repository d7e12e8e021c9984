"""Schedules: asked for, listed with their times, and held against what holds today."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.errors import ConnectorError
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.fired_runs import timely_id
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kfp_planning import BACKEND as KFP
from connectors.pipelines.kfp_schedules import KfpSchedules
from connectors.pipelines.kubernetes_cron import keeper_for
from connectors.pipelines.kubernetes_jobs import KubernetesLauncher, namespace_of
from connectors.pipelines.kubernetes_planning import BACKEND, context_of
from connectors.pipelines.kubernetes_schedules import KubernetesSchedules
from connectors.pipelines.planned_schedules import times_of
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import (
    LaunchPlan,
    LaunchRequest,
    PipelineRun,
    RunState,
    ScheduleStanding,
    Times,
)
from console.services.opened import OpenStore, parse_time
from console.services.pipelines.every_place import EveryPlace
from console.services.pipelines.known_schedules import schedule_launches
from console.services.pipelines.launch_log import (
    LaunchRecord,
    as_declared,
    known_launch,
    launch_record,
)
from console.services.pipelines.launchers import open_launcher
from console.services.pipelines.log_word import words_of_log
from console.services.pipelines.recording import recorded_of
from console.services.pipelines.repeating import request_of
from console.services.pipelines.schedule_standing import (
    is_let_go,
    objection_now,
    planned_schedule,
)
from console.services.problems import Misuse, Refusal

KEEPING = (BACKEND, KFP)
"""Backends whose places keep schedules."""
_MOST_TIMES = 1000
"""How many past times are looked at for those that started nothing."""


@dataclass(frozen=True, slots=True)
class WantedSchedule:
    """What is to be started again and again, and where."""

    request: LaunchRequest
    environment: str
    backend: str
    context: str
    namespace: str


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """One schedule, as people read it."""

    launch: str
    pipeline: str
    environment: str
    requester: str
    times: Times
    run: PipelineRun | None
    """None: it is not where it was launched."""
    standing: ScheduleStanding | None
    fired: tuple[PipelineRun, ...]
    objection: str
    """Why it would not be allowed today; empty: it would be, or is not meant to run."""
    silent_times: int
    """Past times of which nothing is there and nothing recorded: left out, too late, or
    deleted before anybody recorded it. Of the first thousand."""
    problem: str = ""
    """Why its place could not be asked, or empty."""
    is_cancelled_in_silence: bool = False
    """Whether it is cancelled there, and the log does not say by whom."""
    held: str = ""
    """What it waits for by the log, where its place shows nothing of it; or empty."""

    @property
    def state(self) -> RunState:
        """Where it is; by the log where its place shows nothing of it."""
        if self.run is None and self.held:
            return RunState.SUSPENDED
        return self.run.state if self.run else RunState.UNKNOWN

    @property
    def is_objected_to(self) -> bool:
        """Whether it would not be allowed today, or is not what was let go."""
        is_another = self.run is not None and self.state is RunState.UNKNOWN
        return bool(self.objection) or is_another


def open_keeper(
    store: OpenStore, wanted: WantedSchedule
) -> KubernetesSchedules | KfpSchedules:
    """What keeps a schedule where it is wanted.

    Raises:
        Misuse: nothing there keeps any.
        ConnectorError: nothing there keeps one of that.
    """
    launcher = open_launcher(
        store, wanted.backend, context=wanted.context, namespace=wanted.namespace
    )
    if isinstance(launcher, KubernetesLauncher):
        return launcher.schedules(keeper_for(wanted.request.project))
    if isinstance(launcher, KfpLauncher):
        return launcher.schedules()
    raise Misuse(
        f"{launcher.backend} keeps no schedules",
        hint=f"Those that do: {', '.join(KEEPING)}",
    )


def as_schedule(
    store: OpenStore, everywhere: EveryPlace, launch: str, times: Times
) -> WantedSchedule:
    """What was launched once, to be started again and again.

    Raises:
        Misuse: its place keeps no schedules.
        Refusal: what would run is no longer what ran.
    """
    record = known_launch(store, launch, store.state())
    plan = read_plan(store.objects.get(record.intent.definition))
    if plan.backend not in KEEPING:
        raise Misuse(
            f"{plan.backend} keeps no schedules; {launch} ran there",
            hint="Leave --backend out for a line for this machine's crontab.",
        )
    request = request_of(plan)
    if everywhere.at(plan).plan(request).digest != plan.digest:
        raise Refusal(
            f"what would run is no longer what ran as {launch}",
            hint="Schedule the manifest as it is now: countersign pipeline schedule "
            f"{plan.project}",
        )
    return WantedSchedule(
        replace(request, times=times),
        record.intent.environment,
        plan.backend,
        context_of(plan),
        namespace_of(plan),
    )


def list_schedules(store: OpenStore, everywhere: EveryPlace) -> list[ScheduleLine]:
    """Every schedule that the log declares, newest first."""
    found = [
        _line(store, everywhere, record, plan) for record, plan in _declared(store)
    ]
    return found[::-1]


def schedule_line(
    store: OpenStore, everywhere: EveryPlace, launch: str
) -> ScheduleLine | None:
    """One schedule; None: the launch is none."""
    record = known_launch(store, launch, store.state())
    plan = planned_schedule(store, record.intent)
    return None if plan is None else _line(store, everywhere, record, plan)


def has_schedules(store: OpenStore) -> bool:
    """Whether the log declares any schedule."""
    return any(True for _ in _declared(store))


def is_declared_schedule(store: OpenStore, launch: str) -> bool:
    """Whether the log declares a launch that is a schedule."""
    record = launch_record(store, launch, store.state())
    return record is not None and planned_schedule(store, record.intent) is not None


def schedules_objected_to(
    store: OpenStore, everywhere: EveryPlace
) -> list[ScheduleLine]:
    """Schedules that run, or may, and would not be allowed today, or that are not what
    was let go."""
    found = [
        _line(store, everywhere, record, plan) for record, plan in _declared(store)
    ]
    return [line for line in found if line.is_objected_to]


def _declared(store: OpenStore) -> Iterator[tuple[LaunchRecord, LaunchPlan]]:
    state = store.state()
    for launch, plan in schedule_launches(store):
        record = launch_record(store, launch, state)
        if record is not None:
            yield record, plan


def _line(
    store: OpenStore, everywhere: EveryPlace, record: LaunchRecord, plan: LaunchPlan
) -> ScheduleLine:
    intent = record.intent
    run, standing, problem = None, None, ""
    fired: tuple[PipelineRun, ...] = ()
    try:
        launcher = everywhere.at(plan)
        run = launcher.find(record.launch)
        if run is not None:
            run = as_declared(run, intent)
            standing = everywhere.standing(record.launch)
            found = everywhere.fired(record.launch)
            fired = tuple(as_declared(one, intent) for one in found)
    except ConnectorError as cause:
        problem = str(cause)
    return ScheduleLine(
        launch=record.launch,
        pipeline=intent.pipeline,
        environment=intent.environment,
        requester=record.requester,
        times=times_of(plan),
        run=run,
        standing=standing,
        fired=fired,
        objection=_objection(store, record, plan, run),
        silent_times=0
        if run is None or not is_let_go(record)
        else _silent(store, record, plan, run, fired),
        problem=problem,
        is_cancelled_in_silence=run is not None
        and run.state is RunState.CANCELLED
        and record.cancelled is None,
        held="" if run is not None else _held(store, record.launch),
    )


def _held(store: OpenStore, launch: str) -> str:
    word = words_of_log(store, {launch}).get(launch)
    return word.reason if word and word.state is RunState.SUSPENDED else ""


def _objection(
    store: OpenStore, record: LaunchRecord, plan: LaunchPlan, run: PipelineRun | None
) -> str:
    if run is not None and run.state is RunState.CANCELLED:
        return ""
    if is_let_go(record):
        return objection_now(store, record, plan)
    if run is not None and run.state is RunState.RUNNING:
        return "the log says of nobody that they let it go, and it runs"
    return ""


def _silent(
    store: OpenStore,
    record: LaunchRecord,
    plan: LaunchPlan,
    run: PipelineRun,
    fired: tuple[PipelineRun, ...],
) -> int:
    """How many times have passed since it was let go of which nothing is known."""
    times = times_of(plan)
    begun = parse_time(record.entry.statement.at)
    until: datetime = run.ended or store.clock()
    due = cron_times(times.cron, times.time_zone).between(begun, until, _MOST_TIMES)
    known = {one.launch for one in fired} | recorded_of(store, record.launch)
    return sum(timely_id(record.launch, at) not in known for at in due)
