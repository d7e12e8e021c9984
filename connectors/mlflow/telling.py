"""From MLflow's rows to facts: which tags mean what, and what is evidence.

The tag names are those of docs/logging.md. MLflow's own dataset digest is eight hex
digits of MD5 over the first rows, so it never counts as the identity of bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from connectors.mlflow.meanings import (
    DROPPED_TAGS,
    LARGEST_DOUBLE,
    LONGEST_TAG,
    SHA_TAG,
)
from connectors.mlflow.mlmodel import read_flavours, read_formats, read_signature
from connectors.mlflow.model_signature import told_signature
from connectors.mlflow.rows import (
    BulkReader,
    DatasetInputRow,
    ExperimentRow,
    MlflowReader,
    ModelRow,
    OfOneMoment,
    RunRow,
    UnusualValue,
    VersionRow,
)
from connectors.named_source import NamedSource
from connectors.parsing import well_formed
from connectors.protocols import ArtifactFile, ArtifactReader, KnownState
from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import (
    EntityKey,
    commit_key,
    dataset_key,
    dataset_version_key,
    experiment_key,
    model_key,
    model_version_key,
    run_key,
    split_key,
)
from store.manifest import MODEL_SIGNATURE_FILE, manifest_digest
from store.projection.batches import fact_tables

if TYPE_CHECKING:
    import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHA_TAG = re.compile(SHA_TAG)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_MLMODEL = "MLmodel"
_NO_STAGE = ("", "None")
LARGEST_MLMODEL_BYTES = 1024**2


def moment_of(milliseconds: int | None) -> datetime | None:
    """MLflow's milliseconds as a time; None for what no calendar holds."""
    if milliseconds is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class _BesideRuns:
    """What an MLflow holds beside its runs."""

    experiments: list[ExperimentRow]
    models: list[ModelRow]
    versions: list[VersionRow]


class MlflowSource(NamedSource):
    """An MLflow, by whichever route, as a source of facts."""

    def __init__(
        self, name: str, reader: MlflowReader, artifacts: ArtifactReader | None
    ) -> None:
        super().__init__(name)
        self._reader = reader
        self.artifacts = artifacts

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        with well_formed(f"what {self._name} tells"):
            yield from self._facts(known)

    def aliases_now(self) -> dict[tuple[str, str], str]:
        """See ShowsAliases."""
        with well_formed(f"what MLflow {self._name} tells"), self._moment():
            return self._pointed(self._reader.models())

    def stages_now(self) -> dict[str, str]:
        """See ShowsStages."""
        with well_formed(f"what MLflow {self._name} tells"):
            return {
                model_version_key(self._name, row.name, row.version): row.stage
                for row in self._reader.versions()
                if row.stage not in _NO_STAGE and not row.is_deleted
            }

    def tables(self, known: KnownState) -> Iterator[pa.Table]:
        """See TableSource.tables. Runs come in bulk where the reader can do so."""
        with well_formed(f"what MLflow {self._name} tells"):
            with self._moment():
                yield from self._run_tables(known)
                beside = self._beside_runs()
            yield from fact_tables(self._facts_beside_runs(beside, known))

    def _moment(self) -> AbstractContextManager[None]:
        """Within it a reader that can do so reads what is of one moment."""
        if isinstance(self._reader, OfOneMoment):
            return self._reader.moment()
        return nullcontext()

    def _run_tables(self, known: KnownState) -> Iterator[pa.Table]:
        runs = 0
        if isinstance(self._reader, BulkReader):
            try:
                for table, count in self._reader.run_tables(self._name, known.parts):
                    runs += count
                    yield table
            except UnusualValue:
                """What was told stands, and is told once more below."""
                known.parts.now.clear()
            else:
                self._tally.accepted += runs
                return
        yield from fact_tables(self._runs())

    def _facts(self, known: KnownState) -> Iterator[Fact]:
        with self._moment():
            yield from self._runs()
            beside = self._beside_runs()
        yield from self._facts_beside_runs(beside, known)

    def _runs(self) -> Iterator[Fact]:
        for run in self._reader.runs():
            self._tally.accepted += 1
            yield from self._run(run)

    def _beside_runs(self) -> _BesideRuns:
        reader = self._reader
        return _BesideRuns(
            list(reader.experiments()), list(reader.models()), list(reader.versions())
        )

    def _facts_beside_runs(
        self, beside: _BesideRuns, known: KnownState
    ) -> Iterator[Fact]:
        for experiment in beside.experiments:
            yield Fact(
                kind=FactKind.EXPERIMENT,
                subject=experiment_key(self._name, experiment.id),
                name=experiment.name,
            )
        for model in beside.models:
            yield from self._model(model)
        stages: dict[str, str] = {}
        for version in beside.versions:
            self._tally.accepted += 1
            yield from self._version(version)
            if version.stage not in _NO_STAGE and not version.is_deleted:
                key = model_version_key(self._name, version.name, version.version)
                stages[key] = version.stage
        yield from self._aliases(beside.models, known)
        yield from self._stages(stages, known)

    def _run(self, run: RunRow) -> Iterator[Fact]:
        key = run_key(self._name, run.id)
        started = moment_of(run.start_ms)
        yield Fact(
            kind=FactKind.RUN,
            subject=key,
            object=experiment_key(self._name, run.experiment_id),
            name=run.name,
            text=run.lifecycle,
            status=run.status,
            started=started,
            ended=moment_of(run.end_ms),
            actor=run.tags.get("mlflow.user", run.user),
            location=run.artifact_uri,
        )
        for name, value in run.params:
            yield Fact(kind=FactKind.PARAM, subject=key, name=name, text=value)
        for metric in run.metrics:
            number = _finite_or_not(metric.value)
            yield Fact(
                kind=FactKind.METRIC,
                subject=key,
                name=metric.key,
                text=repr(number),
                number=number,
                step=metric.step,
                started=moment_of(metric.timestamp_ms),
            )
        yield from self._tags(key, run.tags)
        yield from self._inputs(key, run)
        yield from self._commit(key, run.tags)
        parent = run.tags.get("mlflow.parentRunId")
        if parent:
            yield _edge(run_key(self._name, parent), Relation.CONTAINS, key)
        if run.lifecycle == "deleted":
            yield Fact(kind=FactKind.DELETION, subject=key, text="deleted in MLflow")

    def _tags(self, key: EntityKey, tags: dict[str, str]) -> Iterator[Fact]:
        for name, value in tags.items():
            if name in DROPPED_TAGS:
                continue
            if len(value) > LONGEST_TAG:
                text = f"{name[:200]}: {len(value)} characters, cut"
                yield _violation(key, "tag too long", text)
            yield Fact(
                kind=FactKind.TAG, subject=key, name=name, text=value[:LONGEST_TAG]
            )

    def _inputs(self, key: EntityKey, run: RunRow) -> Iterator[Fact]:
        by_tag = {}
        for tag, value in run.tags.items():
            match = _SHA_TAG.fullmatch(tag)
            if match and _SHA256.fullmatch(value):
                by_tag[match[1]] = value.lower()
            elif match:
                text = f"{tag[:200]}: {value[:200]}"
                yield _violation(key, "dataset digest is no SHA-256", text)
        told = set()
        for given in run.inputs:
            told.add(given.name)
            sha = by_tag.get(given.name, "")
            digest = f"sha256:{sha}" if sha else f"{given.algorithm}:{given.digest}"
            yield from _read_of(key, given.name, digest, given.context, given)
        for name, sha in by_tag.items():
            if name not in told:
                yield from _read_of(key, name, f"sha256:{sha}", "", None)

    def _commit(self, key: EntityKey, tags: dict[str, str]) -> Iterator[Fact]:
        sha = tags.get("countersign.git.commit") or tags.get("mlflow.source.git.commit")
        if not sha:
            return
        if re.fullmatch(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}", sha):
            yield _edge(key, Relation.USED, commit_key(sha))
        else:
            yield _violation(key, "commit is no hash", sha[:200])

    def _model(self, model: ModelRow) -> Iterator[Fact]:
        key = model_key(self._name, model.name)
        yield Fact(
            kind=FactKind.MODEL, subject=key, name=model.name, text=model.description
        )
        yield from self._tags(key, model.tags)

    def _version(self, version: VersionRow) -> Iterator[Fact]:
        key = model_version_key(self._name, version.name, version.version)
        if version.is_deleted:
            yield Fact(kind=FactKind.DELETION, subject=key, text="deleted in MLflow")
            return
        files, problem = self._files(version.location)
        for file in files:
            yield Fact(
                kind=FactKind.FILE,
                subject=key,
                name=file.path,
                digest=file.sha256,
                number=float(file.size),
            )
        if problem:
            yield _violation(key, "artifact not readable", problem)
        if any(file.path == _MLMODEL for file in files):
            yield from self._signature(key, version.location)
        if self.artifacts and any(f.path == MODEL_SIGNATURE_FILE for f in files):
            yield told_signature(key, self.artifacts, version.location)
        yield Fact(
            kind=FactKind.MODEL_VERSION,
            subject=key,
            object=model_key(self._name, version.name),
            name=version.version,
            started=moment_of(version.created_ms),
            status=version.status,
            location=version.location,
            digest=manifest_digest((f.path, f.sha256) for f in files) if files else "",
        )
        yield from self._tags(key, version.tags)
        if version.run_id:
            run = run_key(self._name, version.run_id)
            yield _edge(run, Relation.PRODUCED, key)

    def _files(self, location: str) -> tuple[list[ArtifactFile], str]:
        """The files of a version, or why they could not be read."""
        if self.artifacts is None or not location:
            return [], "no artifact location is recorded" if not location else ""
        try:
            return self.artifacts.files(location), ""
        except ConnectorError as problem:
            return [], str(problem)

    def _signature(self, key: EntityKey, location: str) -> Iterator[Fact]:
        if self.artifacts is None:
            return
        try:
            data = self.artifacts.read(
                location, _MLMODEL, at_most=LARGEST_MLMODEL_BYTES
            )
            text, formats = read_signature(data), read_formats(data)
            flavours = read_flavours(data)
        except ConnectorError as problem:
            yield _violation(key, "MLmodel not readable", str(problem))
        else:
            yield Fact(kind=FactKind.SIGNATURE, subject=key, text=text)
            for path, told in formats.items():
                yield Fact(kind=FactKind.FORMAT, subject=key, name=path, text=told)
            for name, version in flavours.items():
                yield Fact(kind=FactKind.FLAVOUR, subject=key, name=name, text=version)

    def _aliases(self, models: list[ModelRow], known: KnownState) -> Iterator[Fact]:
        """MLflow keeps no history of aliases: tell only what is not known yet."""
        seen = self._pointed(models)
        ours = {
            pair: target
            for pair, target in known.aliases.items()
            if self._is_ours(pair[0])
        }
        for pair in sorted(seen.keys() | ours.keys()):
            if seen.get(pair, "") != ours.get(pair, ""):
                yield Fact(
                    kind=FactKind.ALIAS,
                    subject=pair[0],
                    name=pair[1],
                    object=seen.get(pair, ""),
                    low=known.last_seen,
                    high=known.now,
                )

    def _stages(self, seen: dict[str, str], known: KnownState) -> Iterator[Fact]:
        """Nor of stages; a version that is gone is in none."""
        ours = {key: at for key, at in known.stages.items() if self._is_ours(key)}
        for key in sorted(seen.keys() | ours.keys()):
            if seen.get(key, "") != ours.get(key, ""):
                yield Fact(
                    kind=FactKind.STAGE,
                    subject=key,
                    name=seen.get(key, ""),
                    low=known.last_seen,
                    high=known.now,
                )

    def _is_ours(self, key: str) -> bool:
        return split_key(key)[1][0] == self._name

    def _pointed(self, models: Iterable[ModelRow]) -> dict[tuple[str, str], str]:
        return {
            (model_key(self._name, model.name), alias): model_version_key(
                self._name, model.name, version
            )
            for model in models
            for alias, version in model.aliases.items()
        }


def _finite_or_not(value: float) -> float:
    """What was logged: infinity is kept by MLflow's database as the largest double."""
    return math.copysign(math.inf, value) if abs(value) >= LARGEST_DOUBLE else value


def _violation(subject: str, name: str, text: str) -> Fact:
    return Fact(kind=FactKind.VIOLATION, subject=subject, name=name, text=text)


def _edge(subject: str, relation: Relation, target: str, context: str = "") -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=subject,
        name=relation.value,
        object=target,
        strength=Strength.DECLARED.value,
        text=context or None,
    )


def _read_of(
    key: EntityKey,
    name: str,
    digest: str,
    context: str,
    details: DatasetInputRow | None,
) -> Iterator[Fact]:
    version = dataset_version_key(name, digest)
    yield Fact(kind=FactKind.DATASET, subject=dataset_key(name), name=name)
    yield Fact(
        kind=FactKind.DATASET_VERSION,
        subject=version,
        object=dataset_key(name),
        name=name,
        digest=digest,
        location=details.source if details else "",
        text=details.schema if details else None,
    )
    yield _edge(key, Relation.READ, version, context)
