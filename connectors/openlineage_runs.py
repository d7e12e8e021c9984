"""What the events of one run add up to, in whichever order they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from connectors.openlineage_names import UNVERSIONED
from connectors.openlineage_parts import Dataset, Touched
from store.facts import FactKind, Relation, Strength
from store.identifiers import commit_key

Telling = tuple[FactKind, tuple[str | datetime | None, ...]]
"""A kind of fact, and a row of it."""
STATES = {"COMPLETE": "FINISHED", "FAIL": "FAILED", "ABORT": "KILLED"}
_RUNNING = "RUNNING"
_UNTIMED = datetime.min.replace(tzinfo=UTC)
"""In place of the time of an event that tells none."""
_MOST_SIGHTINGS = 64
"""Of one tag of one run, until those between the first and the last are let go."""
_OBSERVED = Strength.OBSERVED.value
_READ, _WROTE, _USED, _CONTAINS = (
    relation.value
    for relation in (Relation.READ, Relation.WROTE, Relation.USED, Relation.CONTAINS)
)


class RunSoFar:
    """One run, as far as it was told of."""

    __slots__ = (
        "_commits",
        "_ended",
        "_job",
        "_parents",
        "_read",
        "_said",
        "_started",
        "_status",
        "_wrote",
    )

    def __init__(self) -> None:
        self._job = ("", "")
        self._status = _RUNNING
        self._started: datetime | None = None
        self._ended: datetime | None = None
        self._read: set[Dataset] = set()
        self._wrote: set[Dataset] = set()
        self._commits: set[str] = set()
        self._parents: set[str] = set()
        self._said: dict[tuple[FactKind, str], set[tuple[datetime, str]]] = {}

    def take(self, state: str, moment: datetime | None) -> None:
        """Add a state that an event tells.

        The last end counts, however late it is told; of two at one time the worse.
        """
        if state in STATES:
            told = (moment or _UNTIMED, -_RANK[STATES[state]])
            known = (self._ended or _UNTIMED, -_RANK[self._status])
            if self._status == _RUNNING or told > known:
                self._status, self._ended = STATES[state], moment
        if moment is not None and (self._started is None or moment < self._started):
            self._started = moment

    def belongs_to(self, job: str, name: str) -> None:
        """Add the job that an event names; of several the first by its key holds."""
        if not self._job[0] or (job, name) < self._job:
            self._job = (job, name)

    def touch(self, read: list[Touched], wrote: list[Touched]) -> None:
        """Add the datasets that an event says were read and written."""
        self._read.update([given.dataset for given in read])
        self._wrote.update([given.dataset for given in wrote])

    def link(self, parent: str, commit: str) -> None:
        """Add the parent run and the commit that an event names, if any."""
        if parent:
            self._parents.add(parent)
        if commit:
            self._commits.add(commit)

    def say(
        self, kind: FactKind, said: Iterable[tuple[str, str]], moment: datetime | None
    ) -> None:
        """Add parameters or tags that an event tells, by their names."""
        for name, text in said:
            sightings = self._said.setdefault((kind, name), set())
            before = len(sightings)
            sightings.add((moment or _UNTIMED, text))
            now = len(sightings)
            if before < now >= _MOST_SIGHTINGS and now.bit_count() == 1:
                self._said[kind, name] = set(_outermost(sightings))

    def told(self, key: str) -> Iterator[Telling]:
        """The run, its tags and its edges as all of its events tell them."""
        job, name = self._job
        row = (key, job, name, self._status, self._started, self._ended)
        yield FactKind.RUN, row
        for (kind, name), sightings in self._said.items():
            for moment, text in _outermost(sightings):
                yield kind, (key, name, text, None if moment == _UNTIMED else moment)
        for relation, touched in (
            (_READ, self._read),
            (_WROTE, self._wrote),
        ):
            named = {given.key for given in touched if given.digest != UNVERSIONED}
            told = {
                given.version
                for given in touched
                if given.digest != UNVERSIONED or given.key not in named
            }
            for version in sorted(told):
                yield _edge(key, relation, version)
        for commit in sorted(self._commits):
            yield _edge(key, _USED, commit_key(commit))
        for parent in sorted(self._parents):
            yield _edge(parent, _CONTAINS, key)


_RANK = {"RUNNING": 3, "KILLED": 2, "FINISHED": 1, "FAILED": 0}


def _outermost(sightings: set[tuple[datetime, str]]) -> Iterator[tuple[datetime, str]]:
    """The first and the last sighting of each value, until another was seen."""
    ordered = sorted(sightings)
    for place, (moment, text) in enumerate(ordered):
        before, after = ordered[max(place - 1, 0)], ordered[place + 1 : place + 2]
        if place == 0 or before[1] != text or not after or after[0][1] != text:
            yield moment, text


def _edge(subject: str, relation: str, target: str) -> Telling:
    return FactKind.EDGE, (subject, relation, target, _OBSERVED)
