"""Evidence read back from its bytes: strictly, and checked against its digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policies.errors import MalformedStatement
from policies.evidence import (
    ArtifactItem,
    CommitUse,
    DatasetUse,
    Evidence,
    EvidenceManifest,
    FileChange,
    FileDigest,
    Gap,
    IncumbentItem,
    Item,
    ItemReference,
    LineageItem,
    Metric,
    MetricsItem,
    ModelItem,
)
from policies.strict_json import Fields, parse
from store.objects import sha256_hex

LARGEST_ITEM_BYTES = 4 * 1024**2


def read_manifest(data: bytes) -> EvidenceManifest:
    """Read an evidence manifest.

    Raises:
        MalformedStatement: it is none.
    """
    fields = _open(data, "evidence")
    items = []
    for entry in fields.objects("items"):
        items.append(
            ItemReference(
                entry.filled_text("kind", 64),
                entry.digest("digest"),
                entry.text("source", 256),
                entry.text("read_by", 128),
                entry.text("read_at", 64),
            )
        )
        entry.end()
    fields.end()
    return EvidenceManifest(tuple(items))


def load_evidence(manifest: EvidenceManifest, load: Callable[[str], bytes]) -> Evidence:
    """Load the items a manifest names, checking each against its digest.

    Raises:
        MalformedStatement: an item is missing from the manifest, or is not what its
            digest or kind says.
    """
    found: dict[str, Item] = {}
    for reference in manifest.items:
        data = load(reference.digest)
        if sha256_hex(data) != reference.digest:
            raise MalformedStatement(f"evidence {reference.kind}: its digest differs")
        if reference.kind in _READERS:
            found[reference.kind] = _READERS[reference.kind](data)
    missing = [kind for kind in _READERS if kind not in found]
    if missing:
        raise MalformedStatement(f"evidence: {', '.join(missing)} missing")
    model, lineage = found["model"], found["lineage"]
    measured, incumbent = found["metrics"], found["incumbent"]
    artifact = found["artifact"]
    assert isinstance(model, ModelItem)  # noqa: S101 - the readers' own types
    assert isinstance(lineage, LineageItem)  # noqa: S101 - the readers' own types
    assert isinstance(measured, MetricsItem)  # noqa: S101 - the readers' own types
    assert isinstance(incumbent, IncumbentItem)  # noqa: S101 - the readers' own types
    assert isinstance(artifact, ArtifactItem)  # noqa: S101 - the readers' own types
    return Evidence(model, lineage, measured, incumbent, artifact)


def _open(data: bytes, kind: str) -> Fields:
    what = f"evidence {kind}"
    fields = Fields(parse(data, what=what, at_most=LARGEST_ITEM_BYTES), what=what)
    if fields.text("schema", 64) != f"countersign/{kind}/v1":
        raise MalformedStatement(f"{what}: it has another schema")
    return fields


def _files(fields: Fields) -> tuple[FileDigest, ...]:
    files = []
    for entry in fields.objects("files"):
        files.append(
            FileDigest(
                entry.text("path"), entry.digest("sha256"), entry.integer("size")
            )
        )
        entry.end()
    return tuple(files)


def _datasets(fields: Fields) -> tuple[DatasetUse, ...]:
    uses = []
    for entry in fields.objects("datasets"):
        uses.append(
            DatasetUse(
                entry.text("name"),
                entry.text("digest"),
                entry.text("context"),
                entry.text("strength"),
            )
        )
        entry.end()
    return tuple(uses)


def _commits(fields: Fields) -> tuple[CommitUse, ...]:
    uses = []
    for entry in fields.objects("commits"):
        uses.append(
            CommitUse(entry.text("sha"), entry.flag("is_known"), entry.texts("authors"))
        )
        entry.end()
    return tuple(uses)


def _measured(fields: Fields) -> MetricsItem:
    metrics = []
    for entry in fields.objects("metrics"):
        metrics.append(
            Metric(
                entry.text("name"),
                entry.text("value", 64),
                entry.text("slice"),
                entry.optional_integer("samples"),
            )
        )
        entry.end()
    params = []
    for pair in fields.list_of("params"):
        if not (isinstance(pair, list) and len(pair) == 2):
            raise MalformedStatement("evidence metrics: a parameter is no pair")
        params.append((str(pair[0]), str(pair[1])))
    return MetricsItem(tuple(metrics), tuple(params))


def _read_model(data: bytes) -> ModelItem:
    fields = _open(data, "model")
    item = ModelItem(
        version_key=fields.text("version_key"),
        source=fields.text("source"),
        model=fields.text("model"),
        version=fields.text("version"),
        location=fields.text("location"),
        manifest=fields.digest("manifest"),
        files=_files(fields),
        has_signature=fields.optional_flag("has_signature"),
    )
    fields.end()
    return item


def _read_lineage(data: bytes) -> LineageItem:
    fields = _open(data, "lineage")
    gaps = []
    for entry in fields.objects("gaps"):
        gaps.append(Gap(entry.text("code"), entry.text("text"), entry.text("remedy")))
        entry.end()
    item = LineageItem(
        run_key=fields.text("run_key"),
        run_status=fields.text("run_status"),
        datasets=_datasets(fields),
        commits=_commits(fields),
        is_dirty=fields.optional_flag("is_dirty"),
        evaluation_dataset=fields.text("evaluation_dataset"),
        lock_digest=fields.text("lock_digest"),
        features_digest=fields.text("features_digest"),
        trainers=fields.texts("trainers"),
        gaps=tuple(gaps),
    )
    fields.end()
    return item


def _read_metrics(data: bytes) -> MetricsItem:
    fields = _open(data, "metrics")
    item = _measured(fields)
    fields.end()
    return item


def _read_incumbent(data: bytes) -> IncumbentItem:
    fields = _open(data, "incumbent")
    measured = fields.object("measured")
    item = IncumbentItem(
        version_key=fields.text("version_key"),
        version=fields.text("version"),
        manifest=fields.text("manifest", 64),
        measured=_measured(measured),
        datasets=_datasets(fields),
        commits=_commits(fields),
        evaluation_dataset=fields.text("evaluation_dataset"),
        files=_files(fields),
    )
    measured.end()
    fields.end()
    return item


def _read_artifact(data: bytes) -> ArtifactItem:
    fields = _open(data, "artifact")
    changes = []
    for entry in fields.objects("changes"):
        changes.append(
            FileChange(
                entry.text("path"),
                entry.text("registered", 64),
                entry.text("found", 64),
            )
        )
        entry.end()
    item = ArtifactItem(
        fields.flag("is_readable"), fields.text("found", 64), tuple(changes)
    )
    fields.end()
    return item


_READERS: Mapping[str, Callable[[bytes], Item]] = {
    "model": _read_model,
    "lineage": _read_lineage,
    "metrics": _read_metrics,
    "incumbent": _read_incumbent,
    "artifact": _read_artifact,
}
