"""Looking at launches: what the log declares beside what the place shows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from connectors.errors import ConnectorError
from connectors.pipelines.fired_runs import cause_of, schedule_of
from connectors.pipelines.protocols import CanLaunch, PipelineRun, RunState
from console.services.founding import printed_name
from console.services.opened import OpenStore, parse_time
from console.services.pipelines.every_place import EveryPlace
from console.services.pipelines.launch_log import as_declared, known_launch, launches
from console.services.pipelines.log_word import LogWord, words_of_log
from console.services.problems import Refusal
from policies.predicates.operations import LaunchIntent

LEAST_LOOK_SECONDS = 0.2
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
    seen: Seen = Seen.PLACE
    unseen_because: str = ""
    """Why its place was not looked at; empty where it was."""

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
        run = here.get(launch) or _elsewhere(launch, intent)
        found.append(
            [
                _line(store, by, intent, one, times.get(_kind(one)))
                for one in (run, *fired.get(launch, ()))
            ]
        )
    return _with_words_of_log(store, [line for lines in found[::-1] for line in lines])


def _with_words_of_log(store: OpenStore, lines: list[LaunchLine]) -> list[LaunchLine]:
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
    declared = {one: (by, intent) for one, by, intent in launches(store)}
    if schedule in declared:
        fired = [run for run in launcher.runs() if run.schedule == schedule]
        name = _only({run.launch for run in fired}, launch)
        by, intent = declared[schedule]
        run = next(run for run in fired if run.launch == name)
        return _line(store, by, intent, run, _times(fired).get(_kind(run)))
    name = launch_name(store, launcher, launch)
    by, intent = declared[name]
    place = launcher.of(name) if isinstance(launcher, EveryPlace) else launcher
    run = _asked(place, name, intent)
    line = _line(store, by, intent, run, _expected(place, run))
    return _with_words_of_log(store, [line])[0]


def launch_name(store: OpenStore, launcher: CanLaunch, launch: str) -> str:
    """The whole id of a launch, or of a run of a schedule, by a beginning of it.

    Raises:
        Refusal: no launch, or several.
    """
    declared = {one for one, _, _ in launches(store)}
    schedule = schedule_of(launch)
    if schedule not in declared:
        return _only(declared, launch)
    fired = {run.launch for run in launcher.runs() if run.schedule == schedule}
    return _only(fired, launch) if fired else launch


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
        return launcher.find(launch) or _elsewhere(launch, intent)
    except ConnectorError as problem:
        return replace(_elsewhere(launch, intent), reason=str(problem))


def _elsewhere(launch: str, intent: LaunchIntent) -> PipelineRun:
    return PipelineRun(
        launch=launch,
        backend="",
        pipeline=intent.pipeline,
        state=RunState.UNKNOWN,
        plan_digest=intent.definition,
        claimed=parse_time(intent.judged_at),
        reason=_ELSEWHERE,
    )


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
    again = _line(store, line.requester, intent, run, line.expected_seconds)
    return _with_words_of_log(store, [again])[0]


def expected_seconds(launcher: CanLaunch, run: PipelineRun) -> int | None:
    """How long other runs of the same steps took there; None: none has succeeded.

    Raises:
        ConnectorError: its runs cannot be listed.
    """
    others = (one for one in launcher.runs() if one.launch != run.launch)
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
