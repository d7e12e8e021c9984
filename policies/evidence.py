"""Evidence: facts frozen for one decision, each item an object with its own digest.

Items hold no times and no readers, so that reading the same facts again gives the same
bytes; who read what where and when stands in the manifest that names the items.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.errors import MalformedStatement
from policies.strict_json import Fields, encode, parse
from store.objects import sha256_hex

LARGEST_ITEM_BYTES = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Metric:
    """One number: `slice` is empty for the whole, else `column:value`."""

    name: str
    value: str
    slice: str
    samples: int | None


@dataclass(frozen=True, slots=True)
class FileDigest:
    """One file of a model."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """A dataset version that a run read, and for what."""

    name: str
    digest: str
    context: str
    strength: str

    @property
    def is_evidence(self) -> bool:
        """Whether the digest identifies the bytes and the edge was not guessed."""
        return self.digest.startswith("sha256:") and self.strength != "inferred"


@dataclass(frozen=True, slots=True)
class CommitUse:
    """A commit that a run used; `is_known` if a repository we read has it."""

    sha: str
    is_known: bool
    authors: tuple[str, ...]
    """Outside identities such as `git:ana@example.org`."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What the record lacks, and how to close it next time."""

    code: str
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ModelItem:
    """Which bytes are asked about."""

    version_key: str
    source: str
    model: str
    version: str
    location: str
    manifest: str
    files: tuple[FileDigest, ...]
    has_signature: bool | None


@dataclass(frozen=True, slots=True)
class LineageItem:
    """Where the version came from."""

    run_key: str
    run_status: str
    datasets: tuple[DatasetUse, ...]
    commits: tuple[CommitUse, ...]
    is_dirty: bool | None
    evaluation_dataset: str
    lock_digest: str
    features_digest: str
    trainers: tuple[str, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class MetricsItem:
    """What was measured, and how the model was made."""

    metrics: tuple[Metric, ...]
    params: tuple[tuple[str, str], ...]

    def find(self, name: str, slice_name: str = "") -> Metric | None:
        """The value of a metric on the whole or on a slice."""
        for metric in self.metrics:
            if (metric.name, metric.slice) == (name, slice_name):
                return metric
        return None

    def slices(self, name: str, column: str) -> tuple[Metric, ...]:
        """The values of a metric on every slice by a column."""
        return tuple(
            metric
            for metric in self.metrics
            if metric.name == name and metric.slice.startswith(f"{column}:")
        )


@dataclass(frozen=True, slots=True)
class IncumbentItem:
    """The version that holds the stage now, or nothing at all."""

    version_key: str
    version: str
    manifest: str
    measured: MetricsItem
    datasets: tuple[DatasetUse, ...]
    commits: tuple[CommitUse, ...]
    evaluation_dataset: str
    files: tuple[FileDigest, ...]

    @property
    def exists(self) -> bool:
        """Whether the stage is held at all."""
        return bool(self.version_key)


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file whose bytes are not those that were registered; empty: not there."""

    path: str
    registered: str
    found: str


@dataclass(frozen=True, slots=True)
class ArtifactItem:
    """The registered bytes against the bytes there are."""

    is_readable: bool
    found: str
    """Manifest digest of what was read, or empty."""
    changes: tuple[FileChange, ...]


Item = ModelItem | LineageItem | MetricsItem | IncumbentItem | ArtifactItem


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything one decision rests on."""

    model: ModelItem
    lineage: LineageItem
    measured: MetricsItem
    incumbent: IncumbentItem
    artifact: ArtifactItem

    def items(self) -> dict[str, Item]:
        """The items by kind, in the order they are shown."""
        return {
            "model": self.model,
            "lineage": self.lineage,
            "metrics": self.measured,
            "incumbent": self.incumbent,
            "artifact": self.artifact,
        }


@dataclass(frozen=True, slots=True)
class ItemReference:
    """One item of a manifest: its digest, and who read it where and when."""

    kind: str
    digest: str
    source: str
    read_by: str
    read_at: str


@dataclass(frozen=True, slots=True)
class EvidenceManifest:
    """The list that an approval binds by digest."""

    items: tuple[ItemReference, ...]

    def to_bytes(self) -> bytes:
        """The manifest as it is stored."""
        return encode(
            {
                "schema": "countersign/evidence/v1",
                "items": [_plain(item) for item in self.items],
            }
        )


def item_bytes(item: Item) -> bytes:
    """An item as it is stored and digested."""
    plain = _plain(item)
    assert isinstance(plain, dict)  # noqa: S101 - a dataclass is written as an object
    return encode(plain | {"schema": f"countersign/{_KINDS[type(item)]}/v1"})


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


def split_metric_name(name: str) -> tuple[str, str]:
    """`rmse/sex:1` is the metric `rmse` on the slice `sex:1`."""
    head, _, tail = name.rpartition("/")
    return (head, tail) if head and ":" in tail else (name, "")


def _plain(value: object) -> object:
    """Dataclasses as objects, tuples as lists."""
    if dataclasses.is_dataclass(value):
        return {
            part.name: _plain(getattr(value, part.name))
            for part in dataclasses.fields(value)
        }
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value


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


_KINDS: Mapping[type, str] = {
    ModelItem: "model",
    LineageItem: "lineage",
    MetricsItem: "metrics",
    IncumbentItem: "incumbent",
    ArtifactItem: "artifact",
}
_READERS: Mapping[str, Callable[[bytes], Item]] = {
    "model": _read_model,
    "lineage": _read_lineage,
    "metrics": _read_metrics,
    "incumbent": _read_incumbent,
    "artifact": _read_artifact,
}
