"""Looking at launches: what the log declares beside what the place shows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from connectors.pipelines.fired_runs import cause_of
from connectors.pipelines.protocols import CanLaunch, PipelineRun, RunState
from console.services.opened import OpenStore, parse_time
from console.services.pipelines.launch_log import as_declared, launches
from console.services.problems import Refusal

LEAST_LOOK_SECONDS = 0.2
_ELSEWHERE = "not known on this machine; it was launched on another, or is gone"


@dataclass(frozen=True, slots=True)
class LaunchLine:
    """One launch, as people read it."""

    launch: str
    pipeline: str
    environment: str
    requester: str
    cause: str
    run: PipelineRun
    elapsed_seconds: int | None
    expected_seconds: int | None
    """Half of the earlier runs that succeeded took no longer; None: there are none."""

    @property
    def steps_done(self) -> str:
        """How many steps have succeeded, of how many."""
        steps = self.run.steps
        done = sum(step.state is RunState.SUCCEEDED for step in steps)
        return f"{done}/{len(steps)}" if steps else "-"


def list_launches(store: OpenStore, launcher: CanLaunch) -> list[LaunchLine]:
    """Every launch that the log declares, newest first; under a schedule what it
    started."""
    here = {run.launch: run for run in launcher.runs()}
    times = _times(here.values())
    fired: dict[str, list[PipelineRun]] = {}
    for run in here.values():
        fired.setdefault(run.schedule, []).append(run)
    found: list[list[LaunchLine]] = []
    for launch, by, intent in launches(store):
        run = here.get(launch) or PipelineRun(
            launch=launch,
            backend="",
            pipeline=intent.pipeline,
            state=RunState.UNKNOWN,
            plan_digest=intent.definition,
            claimed=parse_time(intent.judged_at),
            reason=_ELSEWHERE,
        )
        found.append(
            [
                LaunchLine(
                    launch=one.launch,
                    pipeline=intent.pipeline,
                    environment=intent.environment,
                    requester=by,
                    cause=cause_of(one.launch) if one.schedule else intent.cause,
                    run=as_declared(one, intent),
                    elapsed_seconds=_seconds(one.elapsed(store.clock())),
                    expected_seconds=times.get(_kind(one)),
                )
                for one in (run, *fired.get(launch, ()))
            ]
        )
    return [line for lines in found[::-1] for line in lines]


def launch_line(store: OpenStore, launcher: CanLaunch, launch: str) -> LaunchLine:
    """One launch by its id, or a beginning of it that no other has.

    Raises:
        Refusal: no launch, or several.
    """
    lines = list_launches(store, launcher)
    exact = [line for line in lines if line.launch == launch]
    found = exact or [line for line in lines if line.launch.startswith(launch)]
    if len(found) == 1 and launch:
        return found[0]
    what = f"{len(found)} launches begin" if found else "no launch begins"
    names = ", ".join(line.launch for line in found[:5])
    raise Refusal(
        f"{what} with {launch[:100]!r}" + (f": {names}" if names else ""),
        hint="Those there are: countersign pipeline list",
    )


def watch_launch(
    store: OpenStore,
    launcher: CanLaunch,
    launch: str,
    *,
    every_seconds: float = 1.0,
    timeout_seconds: float | None = None,
) -> Iterator[LaunchLine]:
    """A launch now, and again whenever something of it changes, until it is over.

    It also ends when the time is up, or when nobody can tell how it goes.
    """
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    last: tuple[object, ...] | None = None
    while True:
        line = launch_line(store, launcher, launch)
        run = line.run
        seen = (run.state, run.reason, run.steps)
        if seen != last:
            last = seen
            yield line
        if run.state.is_final or run.state is RunState.UNKNOWN:
            return
        if deadline is not None and time.monotonic() >= deadline:
            return
        time.sleep(max(LEAST_LOOK_SECONDS, every_seconds))


def _times(runs: Iterable[PipelineRun]) -> dict[tuple[object, ...], int]:
    """How long runs of one kind take: the middle of those that succeeded."""
    taken: dict[tuple[object, ...], list[float]] = {}
    for run in runs:
        if run.state is RunState.SUCCEEDED and run.started and run.ended:
            span = (run.ended - run.started) / timedelta(seconds=1)
            taken.setdefault(_kind(run), []).append(span)
    return {kind: round(statistics.median(spans)) for kind, spans in taken.items()}


def _kind(run: PipelineRun) -> tuple[object, ...]:
    return run.pipeline, tuple(step.name for step in run.steps)


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else max(0, round(span.total_seconds()))
