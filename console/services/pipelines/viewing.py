"""Looking at launches: what the log declares beside what the place shows."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from connectors.errors import ConnectorError
from connectors.pipelines.fired_runs import cause_of, schedule_of
from connectors.pipelines.protocols import (
    CanLaunch,
    CanSample,
    PipelineRun,
    RunState,
)
from console.services.founding import printed_name
from console.services.opened import OpenStore
from console.services.pipelines.every_place import EveryPlace
from console.services.pipelines.launch_log import (
    Cancellation,
    Declared,
    as_declared,
    cancellations,
    declared_first,
    known_launch,
    launch_names,
    newest_launches,
    unseen_run,
)
from console.services.pipelines.log_word import LogWord, words_of_log
from console.services.pipelines.recording import is_to_be_recorded, recorded_launches
from console.services.problems import Refusal
from policies.predicates.operations import LaunchIntent
from store.errors import StoreUnavailable

LEAST_LOOK_SECONDS = 0.2
MOST_COMPARED = 200
"""Runs from which it is told how long another will take."""
_ELSEWHERE = "not known on this machine; it was launched on another, or is gone"


class Seen(StrEnum):
    """By whose word a launch is in its state."""

    PLACE = "place"
    """The place where it was launched was looked at."""
    LOG = "log"
    """The log says so; its place was not looked at."""
    NOBODY = "nobody"
    """Nobody could say."""


@dataclass(frozen=True, slots=True)
class LaunchLine:
    """One launch, as people read it."""

    launch: str
    pipeline: str
    environment: str
    requester: str
    """Person id."""
    requester_name: str
    """What they are called, or the id."""
    cause: str
    run: PipelineRun
    elapsed_seconds: int | None
    expected_seconds: int | None
    """Half of the earlier runs that succeeded took no longer; None: there are none."""
    is_recorded: bool | None = None
    """Whether its run is lineage; None: it has not come to be, or cannot be told."""
    cancellation: Cancellation | None = None
    """Who had it ended, or with it the schedule that started it, as the log says."""
    seen: Seen = Seen.PLACE
    unseen_because: str = ""
    """Why its place was not looked at; empty where it was."""

    @property
    def steps_done(self) -> str:
        """How many steps have succeeded, of how many."""
        steps = self.run.steps
        done = sum(step.state is RunState.SUCCEEDED for step in steps)
        return f"{done}/{len(steps)}" if steps else "-"

    @property
    def is_cancelled_in_silence(self) -> bool:
        """Whether it is cancelled where it ran, and the log does not say by whom."""
        is_said = self.cancellation and self.cancellation.result.is_cancelled
        return self.run.state is RunState.CANCELLED and not is_said


@dataclass(frozen=True, slots=True)
class _Log:
    """What the log says beside what is declared."""

    recorded: Collection[str] | None
    """None: it was not asked, or cannot be."""
    cancelled: Mapping[str, Cancellation]

    def line(self, line: LaunchLine) -> LaunchLine:
        """A line with what the log says of its run and of its end."""
        run = line.run
        is_told = self.recorded is not None and is_to_be_recorded(run)
        ended_with = run.schedule if run.state is RunState.CANCELLED else ""
        return replace(
            line,
            is_recorded=run.launch in self.recorded
            if is_told and self.recorded is not None
            else None,
            cancellation=self.cancelled.get(run.launch)
            or self.cancelled.get(ended_with),
        )


def _log(store: OpenStore, runs: Iterable[PipelineRun]) -> _Log:
    recorded: Collection[str] | None = None
    if any(is_to_be_recorded(run) for run in runs):
        with contextlib.suppress(StoreUnavailable):
            recorded = recorded_launches(store)
    return _Log(recorded, cancellations(store))


def list_launches(
    store: OpenStore, launcher: CanLaunch, *, newest: int = 0, pipeline: str = ""
) -> list[LaunchLine]:
    """The launches that the log declares, newest first, each with what it started if
    it is a schedule: all, or the `newest` of them; of one pipeline, or of all."""
    declared = newest_launches(store, newest or sys.maxsize, pipeline)
    if isinstance(launcher, EveryPlace) and (newest or pipeline):
        here = {run.launch: run for run in launcher.runs_of(declared)}
    else:
        here = {run.launch: run for run in launcher.runs()}
    times = _times(here.values())
    fired: dict[str, list[PipelineRun]] = {}
    for run in here.values():
        fired.setdefault(run.schedule, []).append(run)
    found: list[list[LaunchLine]] = []
    log = _log(store, here.values())
    for launch, by, intent in declared:
        run = here.get(launch) or unseen_run(launch, intent, _ELSEWHERE)
        found.append(
            [
                log.line(_line(store, by, intent, one, times.get(_kind(one))))
                for one in (run, *fired.get(launch, ()))
            ]
        )
    return _by_the_log(store, [line for lines in found[::-1] for line in lines])


def _by_the_log(store: OpenStore, lines: list[LaunchLine]) -> list[LaunchLine]:
    """The lines, with what the log says of those that no place shows."""
    unseen = {line.launch for line in lines if not line.run.backend}
    words = words_of_log(store, unseen)
    return [
        _by_log(line, words.get(line.launch), store.clock())
        if line.launch in unseen
        else line
        for line in lines
    ]


def _by_log(line: LaunchLine, word: LogWord | None, now: datetime) -> LaunchLine:
    why = line.run.reason
    if word is None:
        return replace(line, seen=Seen.NOBODY, unseen_because=why)
    run = replace(
        line.run,
        state=word.state,
        reason=word.reason,
        started=word.started,
        ended=word.ended,
    )
    return replace(
        line,
        run=run,
        elapsed_seconds=_seconds(run.elapsed(now)),
        seen=Seen.LOG,
        unseen_because=why,
    )


def launch_line(store: OpenStore, launcher: CanLaunch, launch: str) -> LaunchLine:
    """One launch by its id, or a beginning of it that no other has.

    Raises:
        Refusal: no launch, or several.
        ConnectorError: what it is part of cannot be asked.
    """
    schedule = schedule_of(launch)
    keeper = declared_first(store, schedule) if schedule else None
    if keeper is not None:
        fired = [run for run in launcher.runs() if run.schedule == schedule]
        name = _only({run.launch for run in fired}, launch)
        _, by, intent = keeper
        run = next(run for run in fired if run.launch == name)
        line = _line(store, by, intent, run, _times(fired).get(_kind(run)))
        return _log(store, [line.run]).line(line)
    name = _only([name for name, _ in launch_names(store)], launch)
    _, by, intent = _required(store, name)
    place = launcher.of(name) if isinstance(launcher, EveryPlace) else launcher
    run = _asked(place, name, intent)
    line = _line(store, by, intent, run, _expected(place, run))
    return _by_the_log(store, [_log(store, [line.run]).line(line)])[0]


def launch_name(store: OpenStore, launcher: CanLaunch, launch: str) -> str:
    """The whole id of a launch, or of a run of a schedule, by a beginning of it.

    Raises:
        Refusal: no launch, or several.
    """
    declared = [name for name, _ in launch_names(store)]
    schedule = schedule_of(launch)
    if schedule not in declared:
        return _only(declared, launch)
    fired = {run.launch for run in launcher.runs() if run.schedule == schedule}
    return _only(fired, launch) if fired else launch


def _required(store: OpenStore, launch: str) -> Declared:
    declared = declared_first(store, launch)
    if declared is None:
        raise Refusal(f"nothing declares {launch}")
    return declared


def _expected(place: CanLaunch, run: PipelineRun) -> int | None:
    """How long it is going to take, if that can be told."""
    if run.state is RunState.UNKNOWN:
        return None
    try:
        return expected_seconds(place, run)
    except ConnectorError:
        return None


def _only(names: Collection[str], given: str) -> str:
    """The name that is given, or that alone begins so.

    Raises:
        Refusal: none does, or several do.
    """
    if given in names:
        return given
    found = [name for name in names if given and name.startswith(given)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} launches begin" if found else "no launch begins"
    listed = ", ".join(sorted(found)[:5])
    raise Refusal(
        f"{what} with {given[:100]!r}" + (f": {listed}" if listed else ""),
        hint="Those there are: countersign pipeline list",
    )


def _asked(launcher: CanLaunch, launch: str, intent: LaunchIntent) -> PipelineRun:
    """A launch as its place shows it, or that it is unknown and why."""
    try:
        return launcher.find(launch) or unseen_run(launch, intent, _ELSEWHERE)
    except ConnectorError as problem:
        return unseen_run(launch, intent, str(problem))


def _line(
    store: OpenStore,
    by: str,
    intent: LaunchIntent,
    shown: PipelineRun,
    expected: int | None,
) -> LaunchLine:
    run = as_declared(shown, intent)
    person = store.state().people.get(by)
    return LaunchLine(
        launch=run.launch,
        pipeline=intent.pipeline,
        environment=intent.environment,
        requester=by,
        requester_name=printed_name(store, person.profile, by) if person else by,
        cause=cause_of(run.launch) if run.schedule else intent.cause,
        run=run,
        elapsed_seconds=_seconds(run.elapsed(store.clock())),
        expected_seconds=expected,
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

    It also ends when the time is up, or when its place cannot be looked at.
    """
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    line = launch_line(store, launcher, launch)
    last: tuple[object, ...] | None = None
    while True:
        run = line.run
        seen = (run.state, run.reason, run.steps)
        if seen != last:
            last = seen
            yield line
        if run.state.is_final or run.state is RunState.UNKNOWN:
            return
        if line.seen is not Seen.PLACE:
            return
        if deadline is not None and time.monotonic() >= deadline:
            return
        time.sleep(max(LEAST_LOOK_SECONDS, every_seconds))
        line = _looked_again(store, launcher, line)


def _looked_again(
    store: OpenStore, launcher: CanLaunch, line: LaunchLine
) -> LaunchLine:
    intent = known_launch(
        store, schedule_of(line.launch) or line.launch, store.state()
    ).intent
    place = launcher.of(line.launch) if isinstance(launcher, EveryPlace) else launcher
    run = _asked(place, line.launch, intent)
    now = _line(store, line.requester, intent, run, line.expected_seconds)
    return _by_the_log(store, [_log(store, [now.run]).line(now)])[0]


def expected_seconds(launcher: CanLaunch, run: PipelineRun) -> int | None:
    """How long other runs of the same steps took there; None: none has succeeded.

    Raises:
        ConnectorError: its runs cannot be listed.
    """
    if isinstance(launcher, CanSample):
        seen = launcher.sample(MOST_COMPARED)
    else:
        seen = launcher.runs()
    others = (one for one in seen if one.launch != run.launch)
    return _times(others).get(_kind(run))


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
