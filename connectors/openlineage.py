"""OpenLineage events from files: run events read into facts, others counted.

Source: OpenLineage 2-0-2. Events of a run accumulate and may come in any order. What
makes an event useless (no UUID, no job) refuses it; what is merely lax is noted.
"""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.errors import ConnectorUnavailable, MalformedInput
from connectors.protocols import KnownState, RefusedInput, Tally
from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import (
    commit_key,
    dataset_key,
    dataset_version_key,
    job_key,
    run_key,
)

LARGEST_FILE_BYTES = 1024**3
SUFFIXES = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")
_STATES = {"COMPLETE": "FINISHED", "FAIL": "FAILED", "ABORT": "KILLED"}
_UNVERSIONED = "none:unversioned"


class OpenLineageSource:
    """A file of events, or a folder of such files."""

    def __init__(self, name: str, path: Path, *, runs_of: str = "") -> None:
        self._name = name
        self._path = path
        self._runs_of = runs_of or name
        """The source whose runs have the same UUIDs."""
        self._tally = Tally()

    @property
    def name(self) -> str:
        """See FactSource."""
        return self._name

    @property
    def tally(self) -> Tally:
        """See FactSource."""
        return self._tally

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        runs: dict[str, _Run] = {}
        for where, event in self._events():
            try:
                yield from self._event(event, runs)
                self._tally.accepted += 1
            except MalformedInput as problem:
                self._tally.refused.append(RefusedInput(where, str(problem)))
        for key, run in runs.items():
            yield run.fact(key)

    def _events(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        paths = [self._path]
        if self._path.is_dir():
            paths = sorted(
                p for p in self._path.rglob("*") if p.name.endswith(SUFFIXES)
            )
        for path in paths:
            text = _read(path)
            try:
                whole = json.loads(text)
                events = whole if isinstance(whole, list) else [whole]
                numbered = [(f"{path.name}", event) for event in events]
            except (ValueError, RecursionError):
                numbered = list(self._lines(path, text))
            for where, event in numbered:
                if isinstance(event, dict):
                    yield where, event
                else:
                    self._tally.refused.append(RefusedInput(where, "not an object"))

    def _lines(self, path: Path, text: str) -> Iterator[tuple[str, Any]]:
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                yield where, json.loads(line)
            except (ValueError, RecursionError):
                self._tally.refused.append(RefusedInput(where, "not JSON"))

    def _event(self, event: Mapping[str, Any], runs: dict[str, _Run]) -> Iterator[Fact]:
        if "run" not in event:
            raise MalformedInput("not a run event; only those are read")
        run_id, job = _run_id(event), _job(event)
        key = run_key(self._runs_of, run_id)
        job_entity = job_key(self._name, job["namespace"], job["name"])
        moment = _moment(event.get("eventTime"))
        runs.setdefault(key, _Run(job_entity, job["name"])).take(event, moment)
        yield Fact(
            kind=FactKind.JOB,
            subject=job_entity,
            name=job["name"],
            text=job["namespace"],
        )
        yield from _laxities(key, event, moment)
        yield from self._datasets(key, event)
        yield from self._links(key, event)

    def _datasets(self, key: str, event: Mapping[str, Any]) -> Iterator[Fact]:
        for side, relation in (("inputs", Relation.READ), ("outputs", Relation.WROTE)):
            for given in _objects(event.get(side)):
                name = _dataset_name(given)
                facets = given.get("facets") or {}
                version = (facets.get("version") or {}).get("datasetVersion")
                digest = str(version) if version else _UNVERSIONED
                if version and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
                    digest = f"named:{version}"
                target = dataset_version_key(name, digest)
                namespace = str(given.get("namespace", ""))
                yield Fact(
                    kind=FactKind.DATASET,
                    subject=dataset_key(name),
                    name=name,
                    text=namespace or None,
                )
                yield Fact(
                    kind=FactKind.DATASET_VERSION,
                    subject=target,
                    object=dataset_key(name),
                    name=name,
                    digest=digest,
                    text=_schema(facets),
                )
                yield Fact(
                    kind=FactKind.EDGE,
                    subject=key,
                    name=relation.value,
                    object=target,
                    strength=Strength.OBSERVED.value,
                )

    def _links(self, key: str, event: Mapping[str, Any]) -> Iterator[Fact]:
        facets = (event.get("run") or {}).get("facets") or {}
        parent = ((facets.get("parent") or {}).get("run") or {}).get("runId")
        if parent and _is_uuid(str(parent)):
            yield Fact(
                kind=FactKind.EDGE,
                subject=run_key(self._runs_of, str(parent)),
                name=Relation.CONTAINS.value,
                object=key,
                strength=Strength.OBSERVED.value,
            )
        job_facets = (event.get("job") or {}).get("facets") or {}
        version = str((job_facets.get("sourceCodeLocation") or {}).get("version", ""))
        if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", version):
            yield Fact(
                kind=FactKind.EDGE,
                subject=key,
                name=Relation.USED.value,
                object=commit_key(version),
                strength=Strength.OBSERVED.value,
            )


class _Run:
    """What the events of one run add up to."""

    def __init__(self, job: str, name: str) -> None:
        self._job = job
        self._name = name
        self._status = "RUNNING"
        self._started: datetime | None = None
        self._ended: datetime | None = None

    def take(self, event: Mapping[str, Any], moment: datetime | None) -> None:
        """Add one event, in whichever order it comes."""
        state = str(event.get("eventType", ""))
        if state in _STATES:
            self._status = _STATES[state]
            self._ended = moment
        if moment is not None and (self._started is None or moment < self._started):
            self._started = moment

    def fact(self, key: str) -> Fact:
        """The run as its events tell it."""
        return Fact(
            kind=FactKind.RUN,
            subject=key,
            object=self._job,
            name=self._name,
            status=self._status,
            started=self._started,
            ended=self._ended,
        )


def _run_id(event: Mapping[str, Any]) -> str:
    run = event.get("run")
    run_id = run.get("runId") if isinstance(run, dict) else None
    if not isinstance(run_id, str) or not _is_uuid(run_id):
        raise MalformedInput(f"run id {str(run_id)[:80]!r} is no UUID")
    return run_id


def _job(event: Mapping[str, Any]) -> Mapping[str, str]:
    job = event.get("job")
    if not isinstance(job, dict) or not isinstance(job.get("name"), str):
        raise MalformedInput("the job is missing or has no name")
    return {"name": job["name"], "namespace": str(job.get("namespace", ""))}


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _objects(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [entry for entry in value if isinstance(entry, dict) and entry.get("name")]


def _dataset_name(given: Mapping[str, Any]) -> str:
    namespace, name = str(given.get("namespace", "")), str(given["name"])
    return name if namespace in ("", "file") else f"{namespace}/{name}"


def _schema(facets: Mapping[str, Any]) -> str | None:
    schema = facets.get("schema")
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return json.dumps(fields, sort_keys=True) if fields else None


def _laxities(
    key: str, event: Mapping[str, Any], moment: datetime | None
) -> Iterator[Fact]:
    found = []
    if not event.get("schemaURL"):
        found.append(("no schemaURL", ""))
    if moment is None:
        found.append(("eventTime is no time", str(event.get("eventTime"))[:80]))
    elif not re.search(r"(Z|[+-]\d\d:?\d\d)$", str(event.get("eventTime", ""))):
        found.append(("eventTime without time zone", str(event["eventTime"])[:80]))
    for name, text in found:
        yield Fact(kind=FactKind.VIOLATION, subject=key, name=name, text=text)


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read(path: Path) -> str:
    try:
        if path.name.endswith(".gz"):
            with gzip.open(path) as stream:
                data = stream.read(LARGEST_FILE_BYTES + 1)
        else:
            with open(path, "rb") as plain:
                data = plain.read(LARGEST_FILE_BYTES + 1)
    except (OSError, EOFError) as cause:
        raise ConnectorUnavailable(f"cannot read {path}: {cause}") from cause
    if len(data) > LARGEST_FILE_BYTES:
        raise MalformedInput(f"{path} is larger than {LARGEST_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise MalformedInput(f"{path} is not UTF-8") from cause
