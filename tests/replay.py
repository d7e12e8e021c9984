"""A naive replay of batches of facts: what every question must answer, the slow way.

Written from docs/times.md over plain lists, with nothing of the projection's queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from store.facts import Fact, FactKind, fact_id
from tests.told import Batch

NEVER = datetime(1, 1, 1, tzinfo=UTC)
UPSTREAM_IS_OBJECT = {"read", "used", "serves"}
Answer = dict[str, object]


@dataclass(frozen=True, slots=True)
class Seen:
    """A fact as the log holds it: told first by that entry, heard at that time."""

    fact: Fact
    source: str
    heard: datetime
    entry: int

    @property
    def moment(self) -> datetime:
        return self.fact.high or self.heard


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sightings of one value with no other between them."""

    value: str
    not_before: datetime | None
    first: datetime
    last: datetime
    """The last that is known of it: a sighting, or when all else was last seen."""
    not_after: datetime | None


class Replay:
    """All that is known when some batches have been told."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.heard: dict[str, datetime] = {}
        told: dict[tuple[str, str], Seen] = {}
        for entry, batch in enumerate(batches):
            self.heard[batch.source] = max(
                batch.heard, self.heard.get(batch.source, NEVER)
            )
            for fact in batch.facts:
                identity = (batch.source, fact_id(batch.source, fact))
                told.setdefault(identity, Seen(fact, batch.source, batch.heard, entry))
        mistaken = {
            (seen.source, seen.fact.kind, seen.fact.subject, seen.fact.replaces)
            for seen in told.values()
            if seen.fact.replaces
        }
        self.visible = [
            seen
            for (source, identity), seen in told.items()
            if (source, seen.fact.kind, seen.fact.subject, identity) not in mistaken
        ]

    def of(self, kind: FactKind, **wanted: str) -> list[Seen]:
        return [
            seen
            for seen in self.visible
            if seen.fact.kind is kind
            and all(getattr(seen.fact, name) == value for name, value in wanted.items())
        ]

    def subjects(self, kind: FactKind) -> list[str]:
        return sorted({seen.fact.subject for seen in self.of(kind)})

    # What holds of several accounts of one thing.

    def first_source(self, accounts: Iterable[Seen]) -> list[Seen]:
        """The accounts of the source that goes first."""
        told = list(accounts)
        if not told:
            return []
        owner = told[0].fact.subject.partition(":")[2].partition("/")[0]
        names = {seen.source for seen in told}
        first = owner if owner in names else min(names)
        return [seen for seen in told if seen.source == first]

    def account(self, accounts: Iterable[Seen]) -> Seen | None:
        told = self.first_source(accounts)
        return max(told, key=lambda seen: (*_order(seen), _content(seen)), default=None)

    # Tracks: values that follow each other.

    def stretches(
        self,
        sightings: Iterable[Seen],
        value: Callable[[Fact], str],
        heard: datetime | None,
    ) -> list[Stretch]:
        ordered = sorted(sightings, key=lambda seen: (*_order(seen), value(seen.fact)))
        groups = [
            list(same) for _, same in groupby(ordered, key=lambda s: value(s.fact))
        ]
        found = []
        for number, group in enumerate(groups):
            following = groups[number + 1][0] if number + 1 < len(groups) else None
            first, seen_last = group[0].moment, group[-1].moment
            earlier = [
                group[0].fact.low,
                groups[number - 1][-1].moment if number else None,
            ]
            low = max((m for m in earlier if m is not None), default=None)
            if following is None:
                last = max(seen_last, heard or NEVER)
            else:
                bound = max(following.fact.low or NEVER, seen_last)
                last = max(min(bound, following.moment), first)
            found.append(
                Stretch(
                    value(group[0].fact),
                    None if low is None else min(low, first),
                    first,
                    last,
                    None if following is None else following.moment,
                )
            )
        return found

    def held(self, track: list[Stretch], as_of: datetime | None) -> Answer | None:
        if not track:
            return None
        if as_of is None:
            return _told(track[-1], None, None)
        begun = [stretch for stretch in track if stretch.first <= as_of]
        later = track[len(begun) :]
        if not begun:
            first = track[0]
            if first.not_before is None:
                return _told(first, "possible", None)
            return _told(first, "unobserved", "") if as_of > first.not_before else None
        if as_of <= begun[-1].last:
            return _told(begun[-1], "certain", None)
        if later:
            return _told(begun[-1], "unobserved", later[0].value)
        return _told(begun[-1], "possible", None)

    def tracks(
        self, kind: FactKind, as_of: datetime | None
    ) -> dict[tuple[str, str], Answer]:
        """Aliases and stages at a moment."""
        value = _VALUES[kind]
        found = {}
        for seen in self.of(kind):
            fact = seen.fact
            name = fact.name if kind is FactKind.ALIAS else ""
            wanted = {"subject": fact.subject} | ({"name": name} if name else {})
            owner = fact.subject.partition(":")[2].partition("/")[0]
            track = self.stretches(
                self.of(kind, **wanted), value, self.heard.get(owner)
            )
            held = self.held(track, as_of)
            if held and (held["value"] or held["instead"]):
                found[fact.subject, name] = held
        return found

    def texts(
        self, kind: FactKind, subject: str, as_of: datetime | None
    ) -> dict[str, Answer]:
        """Tags, parameters and descriptions of a subject at a moment."""
        found = {}
        for name in {seen.fact.name for seen in self.of(kind, subject=subject)}:
            told = self.first_source(self.of(kind, subject=subject, name=name))
            track = self.stretches(told, lambda fact: fact.text or "", None)
            held = self.held(track, as_of)
            if held:
                found[name] = held
        return found

    def metrics(self, subject: str, as_of: datetime | None) -> dict[str, str]:
        found: dict[str, list[Seen]] = {}
        for seen in self.of(FactKind.METRIC, subject=subject):
            if as_of is None or (seen.fact.started or NEVER) <= as_of:
                found.setdefault(seen.fact.name, []).append(seen)
        return {name: self._latest_metric(told) for name, told in found.items()}

    def _latest_metric(self, told: list[Seen]) -> str:
        def logged(seen: Seen) -> tuple[int, datetime]:
            step = seen.fact.step
            return (-1 if step is None else step, seen.fact.started or NEVER)

        newest = max(map(logged, told))
        best = self.account(seen for seen in told if logged(seen) == newest)
        assert best is not None
        return best.fact.text or ""

    # Runs, versions and links.

    def run(self, subject: str) -> Fact | None:
        """The account of a run that holds, events added up."""
        told = self.of(FactKind.RUN, subject=subject)
        tracked = [s for s in told if s.fact.object.startswith("experiment:")]
        if tracked:
            best = self.account(tracked)
            return best.fact if best else None
        if not told:
            return None

        def end(seen: Seen) -> tuple[bool, datetime]:
            return seen.fact.status != "RUNNING", seen.fact.ended or NEVER

        furthest = max(map(end, told))
        status = min(seen.fact.status for seen in told if end(seen) == furthest)
        job, name = min((seen.fact.object, seen.fact.name) for seen in told)
        starts = [seen.fact.started for seen in told if seen.fact.started]
        return Fact(
            kind=FactKind.RUN,
            subject=subject,
            object=job,
            name=name,
            status=status,
            started=min(starts, default=None),
            ended=None if furthest[1] == NEVER else furthest[1],
        )

    def runs(self, as_of: datetime | None) -> dict[str, Answer]:
        found: dict[str, Answer] = {}
        for subject in self.subjects(FactKind.RUN):
            fact = self.run(subject)
            assert fact is not None
            sure = _presence(fact.started, fact.ended, as_of)
            if as_of is not None and sure is None:
                continue
            runs_on = as_of is not None and fact.ended and fact.ended > as_of
            found[subject] = {
                "name": fact.name,
                "status": "RUNNING" if runs_on else fact.status,
                "started": fact.started,
                "ended": None if runs_on else fact.ended,
                "certainty": sure,
            }
        return found

    def versions(self, as_of: datetime | None) -> dict[str, Answer]:
        found: dict[str, Answer] = {}
        for subject in self.subjects(FactKind.MODEL_VERSION):
            seen = self.account(self.of(FactKind.MODEL_VERSION, subject=subject))
            assert seen is not None
            made = seen.fact.started
            sure = _presence(made, None, as_of)
            if as_of is not None and sure is None:
                continue
            gone = self.of(FactKind.DELETION, subject=subject)
            makers = self.of(FactKind.EDGE, object=subject, name="produced")
            found[subject] = {
                "certainty": sure,
                "created": made,
                "status": seen.fact.status,
                "deleted": min((seen.moment for seen in gone), default=None),
                "run": min((edge.fact.subject for edge in makers), default=""),
            }
        return found

    def began(self, key: str) -> datetime | None:
        """When a thing began, as far as anything says."""
        kind = key.partition(":")[0]
        if kind == "run":
            fact = self.run(key)
            return fact.started if fact else None
        kinds = {
            "commit": FactKind.COMMIT,
            "model-version": FactKind.MODEL_VERSION,
            "dataset-version": FactKind.DATASET_VERSION,
        }
        seen = (
            self.account(self.of(kinds[kind], subject=key)) if kind in kinds else None
        )
        return seen.fact.started if seen else None

    def closure(
        self, start: str, direction: str, as_of: datetime | None
    ) -> tuple[set[str], set[tuple[str, str, str]]]:
        """Nodes and links that a walk reaches."""
        if as_of is not None and (self.began(start) or NEVER) > as_of:
            return {start}, set()
        nodes, links, waiting = {start}, set(), [start]
        while waiting:
            key = waiting.pop()
            for seen in self.of(FactKind.EDGE):
                fact = seen.fact
                is_up = fact.name in UPSTREAM_IS_OBJECT
                leaves, enters = fact.subject, fact.object
                if is_up is not (direction == "up"):
                    leaves, enters = enters, leaves
                if leaves != key:
                    continue
                run = {"contains": fact.object, "serves": ""}.get(
                    fact.name, fact.subject
                )
                if as_of is not None and (
                    (run and (self.began(run) or NEVER) > as_of)
                    or (self.began(enters) or NEVER) > as_of
                ):
                    continue
                links.add((fact.subject, fact.name, fact.object))
                if enters not in nodes:
                    nodes.add(enters)
                    waiting.append(enters)
        return nodes, links


def _order(seen: Seen) -> tuple[datetime, datetime, float]:
    """When it was seen; of what was seen at once, what was seen otherwise last; of
    what has no bound of its own, what the log told last."""
    tie = float("inf") if seen.fact.high else float(seen.entry)
    return seen.moment, seen.fact.low or NEVER, tie


def _content(seen: Seen) -> tuple[object, ...]:
    fact = seen.fact
    return (
        fact.object,
        fact.name,
        fact.text is not None,
        fact.text or "",
        fact.status,
        fact.started or NEVER,
        fact.ended or NEVER,
        fact.actor,
        fact.digest,
        fact.location,
        -1 if fact.step is None else fact.step,
    )


def _presence(
    began: datetime | None, ended: datetime | None, as_of: datetime | None
) -> str | None:
    if as_of is None:
        return None
    if began is None:
        return "certain" if ended and ended <= as_of else "possible"
    return "certain" if began <= as_of else None


def _told(stretch: Stretch, certainty: str | None, instead: str | None) -> Answer:
    return {
        "value": stretch.value,
        "certainty": certainty,
        "not_before": stretch.not_before,
        "seen_from": stretch.first,
        "seen_until": stretch.last,
        "not_after": stretch.not_after,
        "instead": instead,
    }


_VALUES: dict[FactKind, Callable[[Fact], str]] = {
    FactKind.ALIAS: lambda fact: fact.object,
    FactKind.STAGE: lambda fact: fact.name,
}
