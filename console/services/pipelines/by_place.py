"""The list of launches, place by place: what the log says at once, and what each place
shows as it answers. A place that is silent keeps what it showed last, with its age.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from connectors.errors import ConnectorError, ConnectorUnavailable
from connectors.pipelines.kfp_planning import BACKEND as KFP
from connectors.pipelines.planned_schedules import is_schedule, times_of
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import (
    CanFindSome,
    CanLaunch,
    CanSchedule,
    LaunchPlan,
    PipelineRun,
    RunState,
    Times,
)
from console.rendering import span
from console.services.opened import OpenStore, parse_time
from console.services.pipelines.every_place import FAR, EveryPlace
from console.services.pipelines.launch_log import newest_launches, unseen_run
from console.services.pipelines.viewing import LaunchLine, list_launches
from policies.predicates.operations import LaunchIntent
from store.errors import StoreError

THIS_MACHINE = "this machine"
MOST_LISTED = 500
"""The newest launches are listed; `pipeline list` lists any number."""
AGAIN_AFTER = timedelta(seconds=30)
"""When a place that did not answer is asked again by itself."""
_ASKING, _WAS = "asking…", "was "

Planned = tuple[str, LaunchIntent, LaunchPlan]
"""A launch, what was declared, and its plan."""
Listed = tuple[LaunchLine, str]
"""A launch, and its state in words."""


@dataclass(frozen=True, slots=True)
class LogList:
    """What the log says of launches, and where each is to be looked for."""

    places: dict[str, tuple[Planned, ...]]
    """In log order."""
    unread: tuple[PipelineRun, ...]
    """Of those whose plans cannot be read."""


@dataclass(slots=True)
class _Seen:
    """What a place showed last."""

    runs: list[PipelineRun] | None = None
    at: datetime | None = None
    problem: str = ""
    """Why it does not answer, or empty."""
    missed_at: datetime | None = None
    is_asked: bool = False
    """Whether its answer is being waited for."""


@dataclass(frozen=True, slots=True)
class _AsSeen:
    """What was seen, for whoever lists runs."""

    seen: list[PipelineRun]

    def runs(self) -> Iterator[PipelineRun]:
        """Every run, as it was seen last."""
        return iter(self.seen)


@dataclass(slots=True)
class SeenPlaces:
    """Every launch, as far as places have answered."""

    log: LogList = field(default_factory=lambda: LogList({}, ()))
    _plans: dict[str, LaunchPlan] = field(default_factory=dict)
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def read(self, store: OpenStore) -> LogList:
        """What the log says. Asks no place."""
        places: dict[str, list[Planned]] = {}
        unread = []
        for launch, _, intent in newest_launches(store, MOST_LISTED):
            try:
                plan = self._plan(store, intent.definition)
            except (StoreError, ConnectorError) as problem:
                unread.append(unseen_run(launch, intent, str(problem)))
                continue
            name = plan.place if plan.backend in FAR else THIS_MACHINE
            places.setdefault(name, []).append((launch, intent, plan))
        found = {place: tuple(planned) for place, planned in places.items()}
        return LogList(found, tuple(unread))

    def _plan(self, store: OpenStore, digest: str) -> LaunchPlan:
        if digest not in self._plans:
            self._plans[digest] = read_plan(store.objects.get(digest))
        return self._plans[digest]

    def to_ask(self, now: datetime, *, all_of_them: bool) -> list[str]:
        """The places to be asked now; they count as asked from here on."""
        due = []
        for place in self.log.places:
            seen = self._seen.setdefault(place, _Seen())
            if not seen.is_asked and (all_of_them or self._is_due(seen, now)):
                seen.is_asked = True
                due.append(place)
        return due

    def _is_due(self, seen: _Seen, now: datetime) -> bool:
        if seen.missed_at is not None:
            return now - seen.missed_at >= AGAIN_AFTER
        return seen.runs is None or _moves(seen.runs)

    def answered(self, place: str, runs: list[PipelineRun], at: datetime) -> None:
        """Take in what a place shows."""
        self._seen[place] = _Seen(runs, at)

    def missed(self, place: str, problem: Exception, at: datetime) -> None:
        """Take in that a place did not answer; what it showed last stays."""
        seen = self._seen[place]
        seen.problem, seen.missed_at, seen.is_asked = str(problem), at, False

    @property
    def goes_on(self) -> bool:
        """Whether to ask again by itself: something runs, or a place is silent."""
        found = self._seen.values()
        return any(seen.problem or _moves(seen.runs or []) for seen in found)

    def lines(self, store: OpenStore) -> list[Listed]:
        """Every launch, newest first, and its state in words. Asks no place."""
        runs, words = list(self.log.unread), dict[str, str]()
        for place, planned in self.log.places.items():
            seen = self._seen.get(place, _Seen())
            runs += seen.runs or []
            if seen.runs is None:
                said = RunState.UNKNOWN.value if seen.problem else _ASKING
                words |= {launch: said for launch, _, _ in planned}
            elif seen.problem:
                words |= {r.launch: f"{_WAS}{r.state.value}" for r in seen.runs}
        # Whoever lists launches asks a launcher for its runs, and for nothing else.
        shown = cast(CanLaunch, _AsSeen(runs))
        return [
            (line, words.get(line.launch, line.run.state.value))
            for line in list_launches(store, shown, newest=MOST_LISTED)
        ]

    def schedules(self) -> dict[str, Times]:
        """The launches that are started again and again, newest first, and when."""
        planned = [one for place in self.log.places.values() for one in place]
        kept = [
            (parse_time(intent.judged_at), launch, times_of(plan))
            for launch, intent, plan in planned
            if is_schedule(plan)
        ]
        kept.sort(key=lambda one: one[:2], reverse=True)
        return {launch: times for _, launch, times in kept}

    def silent(self, now: datetime) -> list[str]:
        """Which places do not answer, why, and how old is what is shown of them."""
        told = []
        for place, seen in self._seen.items():
            if not seen.problem or place not in self.log.places:
                continue
            ago = round((now - seen.at).total_seconds()) if seen.at else None
            age = "not seen yet" if ago is None else f"as seen {span(ago)} ago"
            told.append(f"{place}: {age}; {seen.problem}")
        return told


def runs_at(everywhere: EveryPlace, planned: tuple[Planned, ...]) -> list[PipelineRun]:
    """Launches of one place, as it shows them; in place of one that cannot be told,
    that it is unknown and why. Does not ask the log.

    Raises:
        ConnectorUnavailable: the place does not answer.
        ConnectorError: none of them can be told.
    """
    found: list[PipelineRun] = []
    problems: list[ConnectorError] = []
    listed: dict[str, PipelineRun] | None = None
    for launch, intent, plan in planned:
        try:
            launcher = everywhere.at(plan)
            if isinstance(launcher, CanSchedule) and is_schedule(plan):
                run = launcher.find(launch)
                found += [run, *launcher.fired(launch)] if run is not None else []
                continue
            if listed is None:
                listed = {run.launch: run for run in _listed_by(launcher, planned)}
            run = listed.get(launch)
            if run is None and plan.backend == KFP:
                run = launcher.find(launch)  # claimed, and not on its lists yet
            found += [run] if run is not None else []
        except ConnectorUnavailable:
            raise  # one that is silent is not asked for each of its launches
        except ConnectorError as problem:
            problems.append(problem)
            found.append(unseen_run(launch, intent, str(problem)))
    if problems and len(problems) == len(planned):
        raise problems[0]
    return found


def _listed_by(
    launcher: CanLaunch, planned: tuple[Planned, ...]
) -> Iterator[PipelineRun]:
    if isinstance(launcher, CanFindSome):
        return launcher.some([launch for launch, _, _ in planned])
    return launcher.runs()


def _moves(runs: list[PipelineRun]) -> bool:
    return any(
        not run.state.is_final and run.state is not RunState.UNKNOWN for run in runs
    )
