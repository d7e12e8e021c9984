"""From MLflow's rows to facts: which tags mean what, and what is evidence.

The tag names are those of docs/logging.md. MLflow's own dataset digest is eight hex
digits of MD5 over the first rows, so it never counts as the identity of bytes.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from connectors.errors import ConnectorError
from connectors.mlflow.mlmodel import read_formats, read_signature
from connectors.mlflow.model_signature import told_signature
from connectors.mlflow.rows import (
    DatasetInputRow,
    MlflowReader,
    ModelRow,
    RunRow,
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

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHA_TAG = re.compile(r"countersign\.dataset\.(.+)\.sha256")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_LARGEST_DOUBLE = sys.float_info.max
_MLMODEL = "MLmodel"
_DROPPED_TAGS = {"mlflow.log-model.history", "mlflow.loggedModels"}
LONGEST_TAG = 100_000
LARGEST_MLMODEL_BYTES = 1024**2


def moment_of(milliseconds: int | None) -> datetime | None:
    """MLflow's milliseconds as a time; None for what no calendar holds."""
    if milliseconds is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


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

    def _facts(self, known: KnownState) -> Iterator[Fact]:
        for experiment in self._reader.experiments():
            yield Fact(
                kind=FactKind.EXPERIMENT,
                subject=experiment_key(self._name, experiment.id),
                name=experiment.name,
            )
        for run in self._reader.runs():
            self._tally.accepted += 1
            yield from self._run(run)
        models = list(self._reader.models())
        for model in models:
            yield from self._model(model)
        for version in self._reader.versions():
            self._tally.accepted += 1
            yield from self._version(version)
        yield from self._aliases(models, known)

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
            if name in _DROPPED_TAGS:
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
        if version.stage not in ("", "None"):
            yield Fact(kind=FactKind.STAGE, subject=key, name=version.stage)

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
        except ConnectorError as problem:
            yield _violation(key, "MLmodel not readable", str(problem))
        else:
            yield Fact(kind=FactKind.SIGNATURE, subject=key, text=text)
            for path, told in formats.items():
                yield Fact(kind=FactKind.FORMAT, subject=key, name=path, text=told)

    def _aliases(self, models: list[ModelRow], known: KnownState) -> Iterator[Fact]:
        """MLflow keeps no history of aliases: tell only what is not known yet."""
        seen: dict[tuple[str, str], str] = {}
        for model in models:
            for alias, version in model.aliases.items():
                key = model_key(self._name, model.name)
                seen[key, alias] = model_version_key(self._name, model.name, version)
        ours = {
            pair: target
            for pair, target in known.aliases.items()
            if split_key(pair[0])[1][0] == self._name
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


def _finite_or_not(value: float) -> float:
    """What was logged: infinity is kept by MLflow's database as the largest double."""
    return math.copysign(math.inf, value) if abs(value) >= _LARGEST_DOUBLE else value


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
