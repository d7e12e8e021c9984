"""Recording: once a run has ended, what it was becomes lineage, by itself.

The tracking server that the run was given is imported, so that the runs it made there
are known and linked. Doing it again adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.errors import ConnectorError
from connectors.pipelines.fired_runs import cause_of, schedule_of
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import (
    CanLaunch,
    LaunchPlan,
    PipelineRun,
    RunState,
)
from connectors.pipelines.told import TrackedRun
from console.services.importing import ImportReport, import_address, import_source
from console.services.opened import OpenStore
from console.services.pipelines.every_place import EveryPlace
from console.services.pipelines.launch_log import as_declared, known_launch
from console.services.pipelines.run_facts import (
    LAUNCH_TAG,
    SCHEDULE_TAG,
    SOURCE,
    EndedRun,
    pipeline_run_key,
)
from console.services.problems import Refusal, Undecided
from console.services.signing import Acting
from store.identifiers import kind_of, run_key, split_key
from store.queries.runs import list_runs
from store.queries.sql import fetch

TRACKING = "MLFLOW_TRACKING_URI"
"""Setting that says where a run tells of itself."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded of a run."""

    key: str
    contains: tuple[str, ...]
    reports: tuple[ImportReport, ...]
    problem: str
    """Why the tracking server could not be imported, or empty."""

    @property
    def launch(self) -> str:
        """The id of the launch, or of the run of a schedule."""
        return split_key(self.key)[1][-1]

    @property
    def new_facts(self) -> int:
        """How many facts the log did not have before."""
        return sum(sum(report.new.values()) for report in self.reports)


def record_run(
    store: OpenStore, acting: Acting, launcher: CanLaunch, launch: str
) -> Recorded:
    """Tell the log what an ended run was.

    Raises:
        Refusal: it has not ended, or the log knows no such launch.
    """
    schedule = schedule_of(launch)
    declared = known_launch(store, schedule or launch, store.state())
    if schedule and declared.intent.held:
        raise Refusal(
            f"nobody released the schedule {schedule}; what runs under its name was "
            "let go outside, and is not recorded as its own",
            hint=f"End it: countersign pipeline cancel {schedule}",
        )
    run = launcher.find(launch)
    if run is None:
        raise Refusal(f"the launch {launch} is not here; record it where it ran")
    if run.state is RunState.UNKNOWN:
        raise Undecided(f"{launch}: {run.reason}")
    if not run.state.is_final:
        raise Refusal(f"{launch} is {run.state.value}; it is recorded when it ends")
    if run.plan_digest != declared.intent.definition:
        raise Refusal(f"what is here as {launch} is not what the log declares")
    plan = read_plan(launcher.plan_bytes(launch))
    reports, problem = _import_tracking(store, acting, plan, run)
    contains = tuple(sorted({*_runs_within(store, launch), *tracked_keys(store, run)}))
    ended = EndedRun(
        run,
        plan,
        declared.intent.environment,
        declared.requester,
        cause_of(launch) if schedule else declared.intents[0][1].cause,
        contains,
    )
    reports.append(import_source(store, acting, ended))
    return Recorded(pipeline_run_key(launch), contains, tuple(reports), problem)


def record_fired(
    store: OpenStore, acting: Acting, launcher: EveryPlace, schedule: str
) -> tuple[list[Recorded], list[str]]:
    """Tell the log of everything that a schedule started, has ended and is not told of
    yet, oldest first; and say why something of it is left out.

    Raises:
        Refusal: nobody released the schedule.
    """
    done: list[Recorded] = []
    left: list[str] = []
    intent = known_launch(store, schedule, store.state()).intent
    for fired in reversed(list(launcher.fired(schedule))):
        run = as_declared(fired, intent)
        if run.state is RunState.UNKNOWN:
            left.append(f"{run.launch} is not recorded: {run.reason}")
        elif run.state.is_final and not is_recorded(store, run.launch):
            done.append(record_run(store, acting, launcher, run.launch))
    return done, left


def recorded_of(store: OpenStore, schedule: str) -> set[str]:
    """Ids of the runs of a schedule that the lineage store knows."""
    store.projection.catch_up()
    with store.projection.reading() as connection:
        found = fetch(
            connection,
            "SELECT DISTINCT subject FROM tag WHERE name = ? AND text = ?",
            SCHEDULE_TAG,
            schedule,
        )
    return {split_key(str(row["subject"]))[1][-1] for row in found}


def recorded_launches(store: OpenStore) -> set[str]:
    """Ids of the launches, and of the runs of schedules, that the lineage store knows.

    Raises:
        StoreUnavailable: others hold it.
    """
    store.projection.catch_up()
    with store.projection.reading() as connection:
        found = fetch(
            connection, "SELECT DISTINCT subject FROM run WHERE source = ?", SOURCE
        )
    return {split_key(str(row["subject"]))[1][-1] for row in found}


def is_to_be_recorded(run: PipelineRun) -> bool:
    """Whether a run is of a kind that becomes lineage: it has ended, and had begun.

    What was cancelled while it was held ran nothing.
    """
    has_begun = run.started is not None or run.state is not RunState.CANCELLED
    return run.state.is_final and has_begun


def is_recorded(store: OpenStore, launch: str) -> bool:
    """Whether the lineage store knows the run of a launch."""
    store.projection.catch_up()
    with store.projection.reading() as connection:
        return bool(list_runs(connection, limit=1, key=pipeline_run_key(launch)))


def _import_tracking(
    store: OpenStore, acting: Acting, plan: LaunchPlan, run: PipelineRun
) -> tuple[list[ImportReport], str]:
    address = dict(plan.settings).get(TRACKING, "")
    for tracked in run.tracked:
        address = address or _source_of(store, tracked)[1]
    if not address:
        return [], ""
    named = [n for n, setting in store.sources().items() if setting.address == address]
    try:
        if named:
            artifacts = store.sources()[named[0]].artifacts
            return import_address(
                store, acting, address, name=named[0], artifacts=artifacts
            ), ""
        return import_address(store, acting, address), ""
    except ConnectorError as problem:
        return [], f"{address} could not be imported: {problem}"


def tracked_keys(store: OpenStore, run: PipelineRun) -> Iterator[str]:
    """Keys of the runs that a place says it made on tracking servers that are known
    here as sources; the others are known by their addresses alone."""
    for tracked in run.tracked:
        name, _ = _source_of(store, tracked)
        if name:
            yield run_key(name, tracked.run_id)


def _source_of(store: OpenStore, tracked: TrackedRun) -> tuple[str, str]:
    """Name and address of the source that a tracked run is on; empty: none is known."""
    for name, setting in sorted(store.sources().items()):
        address = setting.address.rstrip("/")
        is_server = address.startswith(("http://", "https://"))
        if is_server and tracked.url.startswith((f"{address}/", f"{address}#")):
            return name, setting.address
    return "", ""


def _runs_within(store: OpenStore, launch: str) -> tuple[str, ...]:
    """Keys of the runs that say that they ran within a launch."""
    own = pipeline_run_key(launch)
    store.projection.catch_up()
    with store.projection.reading() as connection:
        found = fetch(
            connection,
            "SELECT DISTINCT subject FROM tag WHERE name = ? AND text = ?",
            LAUNCH_TAG,
            launch,
        )
    keys = {str(row["subject"]) for row in found}
    return tuple(sorted(key for key in keys if kind_of(key) == "run" and key != own))
