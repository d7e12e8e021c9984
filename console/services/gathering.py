"""Gathering evidence about one model version: from the projection and the artifact.

The same facts give the same bytes, on any machine and at any time, so an approver's
machine can gather again and compare digests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from console.services.artifact_check import check_artifact
from console.services.code_changes import code_changes_of
from console.services.gathering_code import code_of
from console.services.gathering_data import data_of
from console.services.gathering_origins import origins_of
from console.services.gathering_signature import model_signature_of
from console.services.opened import OpenStore
from console.services.problems import Refusal
from policies.document import Policy
from policies.document_reading import read_policy
from policies.evidence import (
    CommitUse,
    DatasetUse,
    Evidence,
    FileDigest,
    Gap,
    IncumbentItem,
    LineageItem,
    Metric,
    MetricsItem,
    ModelItem,
    split_metric_name,
)
from policies.workflow import Holder
from store.facts import Relation
from store.identifiers import split_key
from store.manifest import manifest_digest
from store.queries.lineage import Direction, neighbours
from store.queries.models import ModelVersion, files_of, list_versions, signature_of
from store.queries.runs import list_runs, metrics_of, params_of, tags_of, users_of
from store.queries.sql import fetch

if TYPE_CHECKING:
    import duckdb

_UNIT = "countersign.unit."

_LARGEST_COUNT = 2**53
"""Beyond it a double names no one whole number."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Everything the record holds about one version, before any decision."""

    model: ModelItem
    lineage: LineageItem
    measured: MetricsItem


def provenance_of(
    connection: duckdb.DuckDBPyConnection,
    version: ModelVersion,
    *,
    as_of: datetime | None = None,
) -> Provenance:
    """What the record says a version is and where it came from; or was, by `as_of`.

    Its files are those that were read first, whenever that was.
    """
    files = tuple(
        FileDigest(f.path, f.sha256, f.size, f.format)
        for f in files_of(connection, version.key)
    )
    signature = signature_of(connection, version.key)
    model = ModelItem(
        version_key=version.key,
        source=version.source,
        model=version.model,
        version=version.version,
        location=version.location,
        manifest=manifest_digest((f.path, f.sha256) for f in files),
        files=files,
        has_signature=bool(signature) if files else None,
    )
    lineage = _lineage(connection, version, model, as_of)
    return Provenance(model, lineage, _measured(connection, version.run_key, as_of))


def _lineage(
    connection: duckdb.DuckDBPyConnection,
    version: ModelVersion,
    model: ModelItem,
    as_of: datetime | None,
) -> LineageItem:
    run_key = version.run_key
    tags = dict(tags_of(connection, run_key, as_of=as_of)) if run_key else {}
    runs = list_runs(connection, limit=1, key=run_key, as_of=as_of) if run_key else []
    datasets, commits = _inputs(connection, run_key, as_of)
    dirty = tags.get("countersign.git.dirty", tags.get("mlflow.source.git.dirty", ""))
    is_dirty = {"true": True, "false": False}.get(dirty.lower())
    recorded = _recorded_manifest(connection, version, as_of)
    item = LineageItem(
        run_key=version.run_key,
        run_status=runs[0].status if runs else "",
        datasets=datasets,
        commits=commits,
        is_dirty=is_dirty,
        evaluation_dataset=tags.get("countersign.evaluation.dataset", ""),
        lock_digest=tags.get("countersign.lock.sha256", ""),
        features_digest=tags.get("countersign.features.version", ""),
        trainers=tuple(
            f"mlflow:{user}" for user in users_of(connection, version.run_key)
        ),
        gaps=(),
    )
    return LineageItem(
        **{
            name: getattr(item, name)
            for name in LineageItem.__slots__
            if name != "gaps"
        },
        gaps=tuple(_gaps(item, model, recorded)),
    )


def _inputs(
    connection: duckdb.DuckDBPyConnection, run_key: str, as_of: datetime | None
) -> tuple[tuple[DatasetUse, ...], tuple[CommitUse, ...]]:
    if not run_key:
        return (), ()
    datasets: dict[tuple[str, str], DatasetUse] = {}
    shas: set[str] = set()
    for _, edge in neighbours(connection, [run_key], Direction.UP, as_of=as_of):
        _, parts = split_key(edge.object)
        if edge.relation == Relation.READ.value:
            name, digest = parts
            known = datasets.get((name, digest))
            context = max(edge.context, known.context if known else "")
            strength = max(edge.strength, known.strength if known else "")
            datasets[name, digest] = DatasetUse(name, digest, context, strength)
        elif edge.relation == Relation.USED.value:
            shas.add(parts[0])
    strong = {name for name, digest in datasets if digest.startswith("sha256:")}
    kept = [
        use
        for (name, digest), use in sorted(datasets.items())
        if digest.startswith("sha256:") or name not in strong
    ]
    return tuple(kept), tuple(_commit(connection, sha) for sha in sorted(shas))


def _commit(connection: duckdb.DuckDBPyConnection, sha: str) -> CommitUse:
    rows = fetch(connection, "SELECT actor FROM commit WHERE digest = ?", sha)
    authors = sorted({name for row in rows for name in row["actor"].split(" ") if name})
    return CommitUse(sha, bool(rows), tuple(authors))


def _measured(
    connection: duckdb.DuckDBPyConnection, run_key: str, as_of: datetime | None
) -> MetricsItem:
    if not run_key:
        return MetricsItem((), ())
    logged = metrics_of(connection, run_key, as_of=as_of)
    samples: dict[str, int] = {}
    for metric in logged:
        name, slice_name = split_metric_name(metric.name)
        if name == "samples" and _is_count(metric.number):
            samples[slice_name] = int(metric.number or 0)
    found = []
    for metric in logged:
        name, slice_name = split_metric_name(metric.name)
        if name != "samples":
            found.append(
                Metric(name, metric.value, slice_name, samples.get(slice_name))
            )
    units = sorted(
        (name.removeprefix(_UNIT), value)
        for name, value in tags_of(connection, run_key, as_of=as_of)
        if name.startswith(_UNIT)
    )
    params = params_of(connection, run_key, as_of=as_of)
    return MetricsItem(tuple(found), tuple(params), tuple(units))


def _is_count(number: float | None) -> bool:
    return number is not None and 0 <= number <= _LARGEST_COUNT


def _recorded_manifest(
    connection: duckdb.DuckDBPyConnection,
    version: ModelVersion,
    as_of: datetime | None,
) -> dict[str, str]:
    """The manifest that the team tagged the version with at registration."""
    text = dict(tags_of(connection, version.key, as_of=as_of)).get(
        "countersign.manifest", ""
    )
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return {str(path): str(digest) for path, digest in value.items()}


def _gaps(item: LineageItem, model: ModelItem, recorded: dict[str, str]) -> list[Gap]:
    helper = "call record_provenance(...) in the run (docs/logging.md)"
    gaps = []
    if not item.run_key:
        gaps.append(
            Gap(
                "no-run",
                "No run is recorded that produced this version.",
                "register the model from the run that trains it",
            )
        )
    training = [use for use in item.datasets if use.context != "evaluation"]
    if not training:
        gaps.append(Gap("no-dataset", "No dataset version is recorded.", helper))
    for use in item.datasets:
        if not use.is_evidence:
            kind = use.digest.partition(":")[0]
            gaps.append(
                Gap(
                    "weak-digest",
                    f"Dataset {use.name} is identified by {kind} only, which is no "
                    "evidence of its bytes.",
                    helper,
                )
            )
    if not item.evaluation_dataset:
        gaps.append(
            Gap(
                "no-evaluation-dataset",
                "It is not recorded which dataset the metrics were computed on.",
                "tag the run with countersign.evaluation.dataset",
            )
        )
    if not item.commits:
        gaps.append(Gap("no-commit", "No commit is recorded.", helper))
    for commit in item.commits:
        if not commit.is_known:
            gaps.append(
                Gap(
                    "unknown-commit",
                    f"Commit {commit.sha[:10]} is in no repository that was imported.",
                    "import the repository: countersign import PATH",
                )
            )
    if item.is_dirty:
        gaps.append(
            Gap(
                "dirty-tree",
                "The run used a working tree with uncommitted changes.",
                "commit, then train again",
            )
        )
    elif item.is_dirty is None and item.run_key:
        gaps.append(
            Gap(
                "tree-unknown",
                "It is not recorded whether the working tree was clean.",
                helper,
            )
        )
    if model.has_signature is False:
        gaps.append(
            Gap(
                "no-signature",
                "The model has no signature of its inputs and outputs.",
                "log the model with signature=infer_signature(...)",
            )
        )
    if not model.files:
        gaps.append(
            Gap(
                "no-files",
                "The model's files could not be read, so its bytes are unknown.",
                "import again with --artifacts FOLDER",
            )
        )
    gaps += _manifest_gaps(model, recorded)
    return gaps


def _manifest_gaps(model: ModelItem, recorded: dict[str, str]) -> list[Gap]:
    found = {file.path: file.sha256 for file in model.files}
    if not recorded:
        return []
    changed = [
        path
        for path in sorted(found.keys() | recorded.keys())
        if found.get(path) != recorded.get(path)
    ]
    return [
        Gap(
            "altered-after-registration",
            f"File {path} is not the one whose digest was recorded at registration.",
            "register the new bytes as a new version",
        )
        for path in changed
        if found
    ]


@dataclass(frozen=True, slots=True)
class Incumbent:
    """Which version holds a stage, by the log; empty: none does."""

    version_key: str = ""
    judged_under: str = ""
    """Digest of the policy under which it was promoted."""

    @classmethod
    def of(cls, holder: Holder | None) -> Self:
        """The one that a model's record names."""
        if holder is None:
            return cls()
        return cls(holder.version, holder.promoted_by.policy)


def incumbent_of(
    connection: duckdb.DuckDBPyConnection, incumbent: Incumbent
) -> IncumbentItem:
    """The version that holds the stage now as evidence, or the empty stage."""
    version_key = incumbent.version_key
    found = list_versions(connection, key=version_key) if version_key else []
    if not found:
        if version_key:
            raise Refusal(
                f"the version now in the stage, {version_key}, is in no import",
                hint="Import its registry first, so that both can be compared.",
            )
        return IncumbentItem("", "", "", MetricsItem((), ()), (), (), "", ())
    provenance = provenance_of(connection, found[0])
    return IncumbentItem(
        version_key=version_key,
        version=found[0].version,
        manifest=provenance.model.manifest,
        measured=provenance.measured,
        datasets=provenance.lineage.datasets,
        commits=provenance.lineage.commits,
        evaluation_dataset=provenance.lineage.evaluation_dataset,
        files=provenance.model.files,
        features_digest=provenance.lineage.features_digest,
        lock_digest=provenance.lineage.lock_digest,
        judged_under=incumbent.judged_under,
    )


def policy_before(store: OpenStore, evidence: Evidence) -> Policy | None:
    """The policy under which the version now in the stage was promoted."""
    digest = evidence.incumbent.judged_under
    return read_policy(store.objects.get(digest)) if digest else None


def gather(store: OpenStore, version: ModelVersion, holding: Incumbent) -> Evidence:
    """All evidence for promoting a version over the one that holds the stage.

    Raises:
        Refusal: the version's bytes are unknown, so nothing could be bound.
    """
    with store.projection.reading() as connection:
        provenance = provenance_of(connection, version)
        incumbent = incumbent_of(connection, holding)
        signature = model_signature_of(connection, store, provenance.model)
        origins = origins_of(connection, store, provenance.model, provenance.lineage)
        data = data_of(connection, provenance.lineage)
        code = code_of(connection, provenance.lineage)
        changes = code_changes_of(connection, store, incumbent, provenance.lineage)
    if not provenance.model.files:
        raise Refusal(
            f"the files of {version.reference} were never read, so there are no bytes "
            "to sign for",
            hint="Import again where the artifacts can be read, or with --artifacts.",
        )
    return Evidence(
        model=provenance.model,
        lineage=provenance.lineage,
        measured=provenance.measured,
        incumbent=incumbent,
        artifact=check_artifact(store, provenance.model),
        origins=origins,
        model_signature=signature,
        data=data,
        code=code,
        code_changes=changes,
    )
