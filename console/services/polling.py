"""Reading a source sooner because something hinted that it changed.

A hint is never taken for the truth: it only brings the next import forward. Hints that
come together make one import, and one that fails is tried again later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.services.importing import import_address
from console.services.opened import Clock, OpenStore
from console.services.problems import KNOWN_ERRORS
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind

QUIET = timedelta(seconds=2)
"""How long more hints are waited for after the first."""
APART = timedelta(seconds=15)
"""Between two imports of one source that hints bring about."""
AGAIN = timedelta(minutes=1)
"""Until an import that failed is tried again."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Polled:
    """One import that a hint brought about."""

    source: str
    index: int | None
    """The entry that committed what was new, if anything was."""


class Polls:
    """Sources that are to be read soon; hints may come from any thread."""

    def __init__(self, open_again: Callable[[], OpenStore], clock: Clock) -> None:
        self._open = open_again
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[str, datetime] = {}
        self._not_before: dict[str, datetime] = {}

    def ask(self, source: str) -> None:
        """Have a source read soon; asked again before it was, nothing changes."""
        with self._lock:
            earliest = self._not_before.get(source)
            due = self._clock() + QUIET
            self._due.setdefault(
                source, due if earliest is None else max(due, earliest)
            )

    def turn(self, tell: Tell) -> list[Polled]:
        """Read every source that is due; one that cannot be read now stays asked for.

        What is hinted while a source is read is read again: the hint may be newer.
        """
        done = []
        for source in self._take_due():
            try:
                polled = self._read(source)
            except KNOWN_ERRORS as problem:
                self._put_back(source)
                tell(f"{source} is read again later: {problem}")
            except OSError as problem:
                self._put_back(source)
                tell(f"{source} is read again later: {problem.strerror or problem}")
            else:
                where = (
                    "nothing new" if polled.index is None else f"entry {polled.index}"
                )
                tell(f"{source} after a webhook: {where}")
                done.append(polled)
        return done

    def _take_due(self) -> list[str]:
        now = self._clock()
        with self._lock:
            found = sorted(source for source, due in self._due.items() if due <= now)
            for source in found:
                del self._due[source]
                self._not_before[source] = now + APART
        return found

    def _put_back(self, source: str) -> None:
        with self._lock:
            self._due[source] = self._clock() + AGAIN

    def _read(self, source: str) -> Polled:
        store = self._open()
        try:
            acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
            reports = import_address(store, acting, source)
        finally:
            store.close()
        indexes = [report.index for report in reports if report.index is not None]
        return Polled(source, max(indexes, default=None))
