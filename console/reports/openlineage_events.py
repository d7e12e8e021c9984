"""What OpenLineage events told, as such events again, in the order of their times.

Only what events told goes out: what a tracking server declared would come back as if
somebody had watched the run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console.reports.lineage_scope import Scope, reached_by_model
from console.reports.openlineage_forms import (
    MARKS,
    Event,
    add_facets,
    code_at,
    event_of,
    facet_of,
    job_named,
    parent_id,
    schema_fields,
    side_of,
    uuid_of,
)
from console.reports.openlineage_kept import KeptFacets, Variants, layer, layers
from store.facts import FactKind, Relation, Strength
from store.identifiers import kind_of, split_key
from store.queries.presence import accounts_of_runs
from store.queries.sql import fetch, latest

if TYPE_CHECKING:
    import duckdb

    from console.services.opened import OpenStore

_ENDS = {"FINISHED": "COMPLETE", "FAILED": "FAIL", "KILLED": "ABORT"}
_SIDES = {Relation.READ.value: "inputs", Relation.WROTE.value: "outputs"}
_HAS_JOB = "starts_with(object, 'job:')"
_SIDE_OF = {"inputFacets": "inputs", "outputFacets": "outputs"}
_UNTOLD = {"namespace": "unknown", "name": "unknown"}


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
        self._kept = KeptFacets(connection, MARKS)
        self._datasets = {
            row["subject"]: row for row in fetch(connection, _told_by_events("dataset"))
        }
        self._versions = {
            row["subject"]: row
            for row in fetch(connection, latest(FactKind.DATASET_VERSION)[1:-1])
        }
        self._bare = {
            row["subject"]
            for row in fetch(
                connection,
                "SELECT DISTINCT subject FROM dataset_version WHERE text IS NULL",
            )
        }
        self._jobs = fetch(connection, latest(FactKind.JOB)[1:-1])
        self._shown: set[str] = set()

    def run(self, row: dict[str, Any]) -> Iterator[tuple[datetime, Event]]:
        """The events of a run: start and end, more where one cannot say all."""
        key, native_id = row["subject"], uuid_of(row["subject"])
        started, ended = row["started"] or row["ended"], row["ended"]
        if started is None or native_id is None:
            return
        self._shown.add(row["object"])
        of_run = self._of_run(key)
        of_job = self._of_job(key, row["object"])
        of_data = self._kept.of_data_in(key)
        count = max(1, layers(of_run, of_job, *of_data.values()))
        for number in range(count):
            kind = "OTHER" if number else "START"
            event = self._run_event(kind, started, native_id, row["object"])
            add_facets(event["run"], layer(of_run, number))
            own = {} if number else self._kept.of_job(row["object"])
            add_facets(event["job"], own | layer(of_job, number))
            self._touch(event, key, of_data, number)
            yield started, event
        if ended is not None and row["status"] in _ENDS:
            kind = _ENDS[row["status"]]
            yield ended, self._run_event(kind, ended, native_id, row["object"])

    def rest(self, now: datetime) -> Iterator[tuple[datetime, Event]]:
        """Jobs and data of no run, and further facets; nothing says when: it is now."""
        for row in self._jobs:
            if row["subject"] not in self._shown:
                job = job_named(row["subject"])
                add_facets(job, self._kept.of_job(row["subject"]))
                yield now, event_of(now, "JobEvent", job=job)
        for row in self._versions.values():
            key = row["subject"]
            if row["object"] not in self._datasets:
                continue
            if key not in self._shown:
                yield now, event_of(now, "DatasetEvent", dataset=self._dataset(key))
            if key in self._bare:
                yield now, event_of(now, "DatasetEvent", dataset=self._named(key))
        for left in self._kept.remaining():
            at, facets = left.deleted_at or now, {left.name: left.value}
            if kind_of(left.subject) == "job":
                job = job_named(left.subject) | {"facets": facets}
                yield at, event_of(at, "JobEvent", job=job)
            else:
                dataset = self._again(left.subject)
                dataset["facets"] |= facets
                yield at, event_of(at, "DatasetEvent", dataset=dataset)

    def _of_run(self, key: str) -> Variants:
        """The run's own facets, with a parent for each that is known."""
        of_run = self._kept.of_run(key)
        told = {parent_id(facet) for facet in of_run.get("parent", ())}
        for parent in self._links.parents[key]:
            if uuid_of(parent) not in told:
                of_run.setdefault("parent", []).append(self._parent(parent))
        return of_run

    def _of_job(self, key: str, job: str) -> Variants:
        """Facets of the job that say something of this run."""
        commits = self._links.commits[key]
        code = self._kept.of_code(job, commits)
        told = {facet["version"] for facet in code}
        code += [code_at(commit) for commit in commits if commit not in told]
        lineage = self._kept.of_lineage(key, job)
        found = {"sourceCodeLocation": code, "lineage": lineage}
        return {name: forms for name, forms in found.items() if forms}

    def _touch(
        self,
        event: Event,
        key: str,
        of_data: dict[tuple[str, str], Variants],
        number: int,
    ) -> None:
        """Name the data of a run: all of it once, then what more was told of some."""
        sides = {} if number else dict.fromkeys(self._links.touched[key])
        linked = {version: _SIDES[name] for name, version in self._links.touched[key]}
        places: dict[tuple[str, str], Event] = {}
        for relation, version in sides:
            places[_SIDES[relation], version] = self._dataset(version)
        for (version, location), variants in of_data.items():
            facets = layer(variants, number)
            if not facets:
                continue
            side = _SIDE_OF.get(location) or linked.get(version) or side_of(facets)
            data = places.setdefault((side, version), self._again(version))
            data[location or "facets"] = data.get(location or "facets", {}) | facets
        for (side, _), data in places.items():
            event.setdefault(side, []).append(data)

    def _run_event(self, kind: str, at: datetime, native_id: str, job: str) -> Event:
        run = {"runId": native_id}
        return event_of(at, "RunEvent", eventType=kind, run=run, job=job_named(job))

    def _parent(self, key: str) -> Event:
        row = self.runs.get(key)
        job = job_named(row["object"]) if row else dict(_UNTOLD)
        return facet_of("parent", run={"runId": uuid_of(key)}, job=job)

    def _dataset(self, version: str) -> Event:
        """A dataset as inputs, outputs and dataset events name it, with its facets."""
        self._shown.add(version)
        data = self._named(version)
        data["facets"] |= self._schema(version) | self._kept.of_data(version)
        return data

    def _again(self, version: str) -> Event:
        """A dataset named once more; without its schema it would be told as bare."""
        data = self._named(version)
        if version not in self._bare:
            data["facets"] |= self._schema(version)
        return data

    def _schema(self, version: str) -> Event:
        if kept := self._kept.form_of(version, "schema"):
            return kept
        row = self._versions.get(version)
        fields = schema_fields(row["text"]) if row and row["text"] else None
        return {} if fields is None else {"schema": facet_of("schema", fields=fields)}

    def _named(self, version: str) -> Event:
        """A dataset version by its name, and the facet that tells the version."""
        name, digest = split_key(version)[1]
        row = self._versions.get(version)
        known = self._datasets.get(row["object"]) if row else None
        namespace = (known["text"] or "") if known else ""
        facets = self._kept.form_of(version, "version")
        if not facets and not digest.startswith("none:"):
            told = digest.removeprefix("named:")
            facets = {"version": facet_of("version", datasetVersion=told)}
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
        elif relation == Relation.CONTAINS.value and uuid_of(subject):
            links.parents[target].append(subject)
    return links


def _told_by_events(kind: str) -> str:
    """SQL for what the sources of jobs told of."""
    return (
        f"SELECT * FROM {latest(FactKind(kind))} "  # noqa: S608 - names of this module
        "WHERE source IN (SELECT source FROM job)"
    )
