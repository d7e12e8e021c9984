"""What OpenLineage events told, as such events again, in the order of their times.

Only what events told goes out: what a tracking server declared would come back as if
somebody had watched the run.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from console.reports.lineage_scope import Scope, reached_by_model
from console.version import VERSION
from store.facts import FactKind, Relation, Strength
from store.identifiers import kind_of, split_key
from store.queries.presence import accounts_of_runs
from store.queries.sql import fetch, latest

if TYPE_CHECKING:
    import duckdb

    from console.services.opened import OpenStore

SPECIFICATION = "https://openlineage.io/spec"
PRODUCER = f"https://pypi.org/project/countersign/{VERSION}"
_FACETS = {
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "parent": "1-2-0/ParentRunFacet",
    "sourceCodeLocation": "1-1-0/SourceCodeLocationJobFacet",
}
_ENDS = {"FINISHED": "COMPLETE", "FAILED": "FAIL", "KILLED": "ABORT"}
_SIDES = {Relation.READ.value: "inputs", Relation.WROTE.value: "outputs"}
_HAS_JOB = "starts_with(object, 'job:')"
_UNTOLD = {"namespace": "unknown", "name": "unknown"}
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """The events, one JSON text each, and how many runs no event can tell of."""

    lines: tuple[str, ...]
    runs: int
    passed_over: int
    """Runs without any time, or whose id is no UUID."""


@dataclass(frozen=True, slots=True)
class _Links:
    """What the runs touched, by run."""

    touched: dict[str, list[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    commits: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    parents: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def openlineage_events(store: OpenStore, scope: Scope) -> Exported:
    """Every run in scope with its job, its data, its code and its parents.

    Raises:
        Misuse: no model has that name.
    """
    store.projection.catch_up()
    with store.projection.reading() as connection:
        telling = _Telling(connection)
        wanted = reached_by_model(connection, scope.model) if scope.model else None
        events: list[tuple[datetime, Event]] = []
        count = passed_over = 0
        for row in telling.runs.values():
            moment = row["started"] or row["ended"]
            if wanted is not None and row["subject"] not in wanted:
                continue
            if moment and not scope.holds(moment):
                continue
            told = list(telling.run(row))
            count += bool(told)
            passed_over += not told
            events += told
        if scope.is_everything:
            events += telling.rest(store.clock())
    events.sort(key=lambda pair: pair[0])
    lines = tuple(json.dumps(e, sort_keys=True, ensure_ascii=True) for _, e in events)
    return Exported(lines, count, passed_over)


class _Telling:
    """Everything that is known, read once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        rows = fetch(
            connection,
            f"FROM {accounts_of_runs(_HAS_JOB)} ORDER BY subject",
        )
        self.runs = {
            row["subject"]: row for row in rows if kind_of(row["object"]) == "job"
        }
        self._links = _links(connection)
        self._datasets = {
            row["subject"]: row for row in fetch(connection, _told_by_events("dataset"))
        }
        self._versions = {
            row["subject"]: row
            for row in fetch(connection, latest(FactKind.DATASET_VERSION)[1:-1])
        }
        self._jobs = fetch(connection, latest(FactKind.JOB)[1:-1])
        self._shown: set[str] = set()

    def run(self, row: dict[str, Any]) -> Iterator[tuple[datetime, Event]]:
        """The events of a run: its start, its end, and one for each further link."""
        key, native_id = row["subject"], _uuid(row["subject"])
        started, ended = row["started"] or row["ended"], row["ended"]
        if started is None or native_id is None:
            return
        self._shown.add(row["object"])
        commits, parents = self._links.commits[key], self._links.parents[key]
        first = self._run_event("START", started, native_id, row["object"])
        for relation, version in self._links.touched[key]:
            first.setdefault(_SIDES[relation], []).append(self._dataset(version))
        yield started, first
        for position in range(max(len(commits), len(parents))):
            event = self._run_event("OTHER", started, native_id, row["object"])
            for commit in commits[position : position + 1]:
                event["job"]["facets"] = {"sourceCodeLocation": _code(commit)}
            for parent in parents[position : position + 1]:
                event["run"]["facets"] = {"parent": self._parent(parent)}
            yield started, event
        if ended is not None and row["status"] in _ENDS:
            kind = _ENDS[row["status"]]
            yield ended, self._run_event(kind, ended, native_id, row["object"])

    def rest(self, now: datetime) -> Iterator[tuple[datetime, Event]]:
        """Jobs and data that belong to no run; nothing says when, so it is now."""
        for row in self._jobs:
            if row["subject"] not in self._shown:
                yield now, _event(now, "JobEvent", job=_job(row["subject"]))
        told = [v for v in self._versions.values() if v["object"] in self._datasets]
        for row in told:
            if row["subject"] not in self._shown:
                dataset = self._dataset(row["subject"])
                yield now, _event(now, "DatasetEvent", dataset=dataset)

    def _run_event(self, kind: str, at: datetime, native_id: str, job: str) -> Event:
        run = {"runId": native_id}
        return _event(at, "RunEvent", eventType=kind, run=run, job=_job(job))

    def _parent(self, key: str) -> Event:
        row = self.runs.get(key)
        job = _job(row["object"]) if row else dict(_UNTOLD)
        return _facet("parent", run={"runId": _uuid(key)}, job=job)

    def _dataset(self, version: str) -> Event:
        """A dataset as inputs, outputs and dataset events name it."""
        self._shown.add(version)
        name, digest = split_key(version)[1]
        row = self._versions.get(version)
        known = self._datasets.get(row["object"]) if row else None
        namespace = (known["text"] or "") if known else ""
        facets = {}
        if not digest.startswith("none:"):
            told = digest.removeprefix("named:")
            facets["version"] = _facet("version", datasetVersion=told)
        fields = json.loads(row["text"]) if row and row["text"] else None
        if isinstance(fields, list) and all(_is_named(given) for given in fields):
            facets["schema"] = _facet("schema", fields=fields)
        within = name.removeprefix(namespace + "/")
        if within == name and namespace != "file":
            namespace = ""
        return {"namespace": namespace, "name": within, "facets": facets}


def _links(connection: duckdb.DuckDBPyConnection) -> _Links:
    """The links that events told, once each."""
    links = _Links()
    rows = connection.execute(
        "SELECT DISTINCT subject, name, object FROM edge WHERE strength = ? "
        "ORDER BY subject, name, object",
        [Strength.OBSERVED.value],
    ).fetchall()
    for subject, relation, target in rows:
        if relation in _SIDES:
            links.touched[subject].append((relation, target))
        elif relation == Relation.USED.value:
            links.commits[subject].append(split_key(target)[1][0])
        elif relation == Relation.CONTAINS.value and _uuid(subject):
            links.parents[target].append(subject)
    return links


def _told_by_events(kind: str) -> str:
    """SQL for what the sources of jobs told of."""
    return (
        f"SELECT * FROM {latest(FactKind(kind))} "  # noqa: S608 - names of this module
        "WHERE source IN (SELECT source FROM job)"
    )


def _event(at: datetime, definition: str, **parts: object) -> Event:
    return {
        "eventTime": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "producer": PRODUCER,
        "schemaURL": f"{SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/{definition}",
        **parts,
    }


def _facet(name: str, **parts: object) -> Event:
    address = f"{SPECIFICATION}/facets/{_FACETS[name]}.json"
    return {"_producer": PRODUCER, "_schemaURL": address, **parts}


def _code(commit: str) -> Event:
    where = f"git:{commit}"
    return _facet("sourceCodeLocation", type="git", url=where, version=commit)


def _job(key: str) -> Event:
    _, namespace, name = split_key(key)[1]
    return {"namespace": namespace, "name": name}


def _uuid(key: str) -> str | None:
    try:
        return str(uuid.UUID(hex=split_key(key)[1][1]))
    except (ValueError, IndexError):
        return None


def _is_named(given: object) -> bool:
    return isinstance(given, dict) and isinstance(given.get("name"), str)
