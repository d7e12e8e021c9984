"""OpenLineage events: what those of one run add up to, in whichever order they come.

Source: OpenLineage 2-0-2. What makes an event useless (no UUID, no job) refuses it;
what is merely lax is noted as a violation.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from connectors import openlineage_facets as facets
from connectors.errors import MalformedInput
from connectors.named_source import NamedSource
from connectors.openlineage_files import event_files, read_events
from connectors.parsing import well_formed
from connectors.protocols import KnownState, RefusedInput
from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import (
    commit_key,
    dataset_key,
    dataset_version_key,
    job_key,
    run_key,
)

_SIDES = {"inputs": Relation.READ, "outputs": Relation.WROTE}
_STATES = {"COMPLETE": "FINISHED", "FAIL": "FAILED", "ABORT": "KILLED"}
_TYPES = {"START", "RUNNING", "OTHER", *_STATES}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HAS_ZONE = re.compile(r"(Z|z|[+-]\d\d:?\d\d)$")
_REMEMBERED = 500_000
_MOST_SIGHTINGS = 64
"""Of one tag of one run, until those between the first and the last are let go."""
_UNTIMED = datetime.min.replace(tzinfo=UTC)
"""In place of the time of an event that tells none."""
_version_key = lru_cache(65_536)(dataset_version_key)
_run_key = lru_cache(65_536)(run_key)
_job_key = lru_cache(4_096)(job_key)


class OpenLineageSource(NamedSource):
    """A file of events, or a folder of such files."""

    def __init__(self, name: str, path: Path, *, runs_of: str = "") -> None:
        super().__init__(name)
        self._path = path
        self._runs_of = runs_of or name
        """The source whose runs have the same UUIDs."""
        self._told: set[tuple[str, ...]] = set()

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        runs: dict[str, _Run] = {}
        for where, event in self._events():
            try:
                with well_formed("the event"):
                    found = list(self._event(event, runs))
            except MalformedInput as problem:
                self._tally.refused.append(RefusedInput(where, str(problem)))
                self._told.clear()
            else:
                self._tally.accepted += 1
                yield from found
        for key, run in runs.items():
            yield from run.facts(key)

    def check(self, event: Mapping[str, Any]) -> None:
        """Read one event and tell nothing.

        Raises:
            MalformedInput: it would be refused.
        """
        with well_formed("the event"):
            for _ in self._event(event, {}):
                continue

    def _events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every event with where it stands."""
        for path in event_files(self._path):
            yield from read_events(path, self._tally)

    def _event(self, event: Mapping[str, Any], runs: dict[str, _Run]) -> Iterator[Fact]:
        """What one event adds; there is no type, so its parts tell what it is."""
        if "run" in event:
            yield from self._run_event(event, runs)
        elif "dataset" in event:
            yield from self._dataset(_named(event["dataset"], "the dataset"))
        elif "job" in event:
            job = _named(event["job"], "the job")
            yield from self._job(job)
            for side in _SIDES:
                for given in _datasets(event.get(side)):
                    yield from self._dataset(given)
        else:
            raise MalformedInput("neither a run, a job nor a dataset event")

    def _run_event(
        self, event: Mapping[str, Any], runs: dict[str, _Run]
    ) -> Iterator[Fact]:
        native_id, job = _run_id(event["run"]), _named(event.get("job"), "the job")
        touched = [
            (relation, given)
            for side, relation in _SIDES.items()
            for given in _datasets(event.get(side))
        ]
        key = _run_key(self._runs_of, native_id)
        if key not in runs:
            runs[key] = _Run(_job_key(self._name, *_job_name(job)), job["name"])
        run, moment = runs[key], _moment(event.get("eventTime"))
        yield from self._job(job)
        for name, text in _laxities(event, job, moment):
            if self._is_new(key, name, text):
                yield Fact(
                    kind=FactKind.VIOLATION, subject=key, name=name, text=text or None
                )
        if event["run"].get("facets"):
            for kind, entries in (
                (FactKind.PARAM, facets.parameters(event["run"])),
                (FactKind.TAG, facets.tags(event["run"])),
            ):
                for name, text in entries:
                    run.say(kind, name, text, moment)
        run.take(str(event.get("eventType") or ""), moment)
        run.link(event, key, self._runs_of)
        for relation, given in touched:
            name, digest = yield from self._dataset(given)
            run.touch(relation, name, digest)
            yield from self._checks(given, key, _version_key(name, digest))

    def _job(self, job: Mapping[str, Any]) -> Iterator[Fact]:
        namespace, name = _job_name(job)
        if self._is_new("job", namespace, name):
            yield Fact(
                kind=FactKind.JOB,
                subject=_job_key(self._name, namespace, name),
                name=name,
                text=namespace,
            )

    def _dataset(
        self, given: Mapping[str, Any]
    ) -> Generator[Fact, None, tuple[str, str]]:
        """Tell of a dataset and its version; return its name and digest."""
        name, digest = facets.dataset_name(given), facets.version_digest(given)
        schema = facets.schema_text(given)
        if self._is_new("dataset", name):
            yield Fact(
                kind=FactKind.DATASET,
                subject=dataset_key(name),
                name=name,
                text=facets.namespace_of(given) or None,
            )
        if self._is_new("version", name, digest, schema or ""):
            yield Fact(
                kind=FactKind.DATASET_VERSION,
                subject=_version_key(name, digest),
                object=dataset_key(name),
                name=name,
                digest=digest,
                text=schema,
            )
        return name, digest

    def _checks(self, given: Mapping[str, Any], run: str, key: str) -> Iterator[Fact]:
        """The checks that a run made of a dataset version."""
        for name, column, is_passed in facets.assertions(given):
            status = "passed" if is_passed else "failed"
            if self._is_new("check", run, key, name, column, status):
                yield Fact(
                    kind=FactKind.ASSERTION,
                    subject=key,
                    object=run,
                    name=name,
                    status=status,
                    text=column or None,
                    strength=Strength.OBSERVED.value,
                )

    def _is_new(self, *what: str) -> bool:
        """Whether this was not told lately; telling twice is harmless but slow."""
        if what in self._told:
            return False
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told.add(what)
        return True


class _Run:
    """What the events of one run add up to."""

    def __init__(self, job: str, name: str) -> None:
        self._job = job
        self._name = name
        self._started: datetime | None = None
        self._end: tuple[datetime, str] | None = None
        """When it came to an end, and which; the earliest time for one not told."""
        self._said: dict[tuple[FactKind, str], set[tuple[datetime, str]]] = {}
        self._touched: dict[tuple[Relation, str], set[str]] = {}
        self._commits: set[str] = set()
        self._parents: set[str] = set()

    def take(self, state: str, moment: datetime | None) -> None:
        """Add the state that an event tells. The last end counts, however late it is
        told; of two at one moment the worse, which is the first by its name."""
        if state in _STATES:
            end = (moment or _UNTIMED, _STATES[state])
            known = self._end
            if known is None or end[0] > known[0]:
                self._end = end
            elif end[0] == known[0]:
                self._end = min(known, end)
        if moment is not None and (self._started is None or moment < self._started):
            self._started = moment

    def say(
        self, kind: FactKind, name: str, text: str, moment: datetime | None
    ) -> None:
        """Add a parameter or a tag that an event tells."""
        sightings = self._said.setdefault((kind, name), set())
        sightings.add((moment or _UNTIMED, text))
        if len(sightings) > _MOST_SIGHTINGS:
            self._said[kind, name] = set(_outermost(sightings))

    def touch(self, relation: Relation, name: str, digest: str) -> None:
        """Add a dataset that an event says was read or written."""
        self._touched.setdefault((relation, name), set()).add(digest)

    def link(self, event: Mapping[str, Any], key: str, runs_of: str) -> None:
        """Add the parent run and the commit that an event names."""
        parent = facets.facet(event["run"], "parent").get("run")
        parent_id = parent.get("runId") if isinstance(parent, dict) else None
        if isinstance(parent_id, str) and _UUID.fullmatch(parent_id):
            self._parents.add(_run_key(runs_of, parent_id))
        self._parents.discard(key)
        version = facets.facet(event["job"], "sourceCodeLocation").get("version")
        if isinstance(version, str) and _COMMIT.fullmatch(version):
            self._commits.add(version)

    def facts(self, key: str) -> Iterator[Fact]:
        """The run and its edges as all of its events tell them."""
        yield Fact(
            kind=FactKind.RUN,
            subject=key,
            object=self._job,
            name=self._name,
            status=self._end[1] if self._end else "RUNNING",
            started=self._started,
            ended=_timed(self._end[0]) if self._end else None,
        )
        for (kind, name), sightings in self._said.items():
            for moment, text in _outermost(sightings):
                yield Fact(
                    kind=kind, subject=key, name=name, text=text, high=_timed(moment)
                )
        for (relation, name), digests in self._touched.items():
            for digest in sorted(digests - {facets.UNVERSIONED} or digests):
                yield _edge(key, relation, _version_key(name, digest))
        for commit in sorted(self._commits):
            yield _edge(key, Relation.USED, commit_key(commit))
        for parent in sorted(self._parents):
            yield _edge(parent, Relation.CONTAINS, key)


def _outermost(sightings: set[tuple[datetime, str]]) -> Iterator[tuple[datetime, str]]:
    """The first and the last sighting of each value, until another was seen."""
    ordered = sorted(sightings)
    for place, (moment, text) in enumerate(ordered):
        before, after = ordered[max(place - 1, 0)], ordered[place + 1 : place + 2]
        if place == 0 or before[1] != text or not after or after[0][1] != text:
            yield moment, text


def _timed(moment: datetime) -> datetime | None:
    return None if moment == _UNTIMED else moment


def _edge(subject: str, relation: Relation, target: str) -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=subject,
        name=relation.value,
        object=target,
        strength=Strength.OBSERVED.value,
    )


def _run_id(run: object) -> str:
    native_id = run.get("runId") if isinstance(run, dict) else None
    if not isinstance(native_id, str) or not _UUID.fullmatch(native_id):
        raise MalformedInput(f"run id {str(native_id)[:80]!r} is no UUID")
    return native_id


def _named(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise MalformedInput(f"{what} is missing or has no name")
    return value


def _job_name(job: Mapping[str, Any]) -> tuple[str, str]:
    return facets.namespace_of(job), str(job["name"])


def _datasets(value: object) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedInput("inputs or outputs are no list")
    return [_named(given, "a dataset") for given in value]


def _laxities(
    event: Mapping[str, Any], job: Mapping[str, Any], moment: datetime | None
) -> Iterator[tuple[str, str]]:
    """What the specification asks for and the event lacks."""
    for name in ("schemaURL", "producer"):
        if not event.get(name):
            yield f"no {name}", ""
    if not job.get("namespace"):
        yield "job without namespace", str(job["name"])[:80]
    told = str(event.get("eventTime"))
    if moment is None:
        yield "eventTime is no time", told[:80]
    elif not _HAS_ZONE.search(told):
        yield "eventTime without time zone", told[:80]
    state = event.get("eventType")
    if state is not None and state not in _TYPES:
        yield "unknown eventType", str(state)[:80]


def _moment(value: object) -> datetime | None:
    """A time in UTC; one that names no zone is taken for UTC."""
    try:
        moment = datetime.fromisoformat(str(value))
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
