"""Recording launches by itself, again and again, while something else is served.

Each round looks at every place once and records a bounded number. A place that does not
answer, and a launch that cannot be recorded, are left alone for longer each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from console.services.opened import Clock, OpenStore
from console.services.pipelines.keeping_record import Left, Round, record_ended
from console.services.pipelines.launchers import launcher_of_all
from console.services.problems import KNOWN_ERRORS
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind

MOST_AT_ONCE = 25
"""Launches that one round records."""
LONGEST_PAUSE = timedelta(hours=1)
Tell = Callable[[str], None]


@dataclass(slots=True)
class _Pauses:
    """Until when what failed is left alone; each time twice as long."""

    every: timedelta
    _until: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    def resting(self, now: datetime) -> set[str]:
        """What is to be left alone now."""
        return {name for name, (until, _) in self._until.items() if until > now}

    def note(self, failed: Iterable[Left], tried: datetime) -> list[Left]:
        """Leave what failed alone for a while; return what was not told of before."""
        new = []
        for one in failed:
            _, before = self._until.get(one.name, (tried, self.every / 2))
            pause = min(max(before * 2, self.every), LONGEST_PAUSE)
            self._until[one.name] = tried + pause, pause
            if self._told.get(one.name) != one.why:
                self._told[one.name] = one.why
                new.append(one)
        return new

    def settle(self, failed: Iterable[Left], rested: set[str]) -> list[str]:
        """Forget what was tried and did not fail; return what it was."""
        still = {one.name for one in failed} | rested
        over = [name for name in self._until if name not in still]
        for name in over:
            del self._until[name]
            self._told.pop(name, None)
        return over


class Recorder:
    """Records what has ended, every so often, as the import service."""

    def __init__(
        self,
        open_again: Callable[[], OpenStore],
        clock: Clock,
        every: timedelta,
        *,
        most: int = MOST_AT_ONCE,
    ) -> None:
        self._open = open_again
        self._clock = clock
        self._most = most
        self._places = _Pauses(every)
        self._launches = _Pauses(every)
        self._lacking: set[str] = set()
        """Launches that are recorded without what their tracking servers have."""
        self._unknown: set[str] = set()
        self._problem = ""
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Have a round that is under way end after the launch that it is at."""
        self._stopping.set()

    def turn(self, tell: Tell) -> bool:
        """One round; whether more waits than one round records.

        What goes wrong is told once, until it changes, and never raised.
        """
        now = self._clock()
        places, launches = self._places.resting(now), self._launches.resting(now)
        try:
            done = self._round(places, launches)
        except KNOWN_ERRORS as problem:
            self._tell_problem(str(problem), tell)
            return False
        except OSError as problem:
            self._tell_problem(problem.strerror or str(problem), tell)
            return False
        self._problem = ""
        self._tell_places(done, places, tell)
        self._tell_launches(done, launches, tell)
        return done.waiting > 0

    def _round(self, places: set[str], launches: set[str]) -> Round:
        store = self._open()
        try:
            return record_ended(
                store,
                act_as_service(store, store.state(), ServiceKind.IMPORT),
                launcher_of_all(store),
                most=self._most,
                leaves_out=places,
                but=launches,
                again=sorted(self._lacking - launches),
                stop=self._stopping.is_set,
            )
        finally:
            store.close()

    def _tell_problem(self, problem: str, tell: Tell) -> None:
        if problem != self._problem:
            self._problem = problem
            tell(f"launches are recorded later: {problem}")

    def _tell_places(self, done: Round, rested: set[str], tell: Tell) -> None:
        for place in self._places.settle(done.silent, rested):
            tell(f"{place} answers again")
        for left in self._places.note(done.silent, self._clock()):
            tell(f"{left.name} does not answer, and is asked less often: {left.why}")
        for left in done.unknown:
            if left.name not in self._unknown:
                tell(f"{left.name} is not recorded: {left.why}")
        kept = self._unknown if rested else set()
        self._unknown = kept | {left.name for left in done.unknown}

    def _tell_launches(self, done: Round, rested: set[str], tell: Tell) -> None:
        lacking = [
            Left(one.launch, one.problem) for one in done.recorded if one.problem
        ]
        self._lacking -= {one.launch for one in done.recorded}
        self._lacking |= {left.name for left in lacking}
        failed = [*done.failed, *lacking]
        self._launches.settle(failed, rested)
        for one in done.recorded:
            if one.new_facts:
                tell(f"{one.launch} recorded: {one.new_facts} new facts")
        for left in self._launches.note(failed, self._clock()):
            tell(
                f"{left.name} is not wholly recorded, and tried less often: {left.why}"
            )
