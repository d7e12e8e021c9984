"""Evidence: facts frozen for one decision, each item an object with its own digest.

Items hold no times and no readers, so that reading the same facts again gives the same
bytes; who read what where and when stands in the manifest that names the items.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from policies.evidence_code import CodeChangesItem, CodeItem
from policies.evidence_data import DataItem
from policies.evidence_origins import OriginsItem
from policies.evidence_signature import ModelSignatureItem
from policies.predicates.forms import (
    Count,
    Digest,
    Flag,
    OptionalCount,
    OptionalDigest,
    OptionalFlag,
    Pairs,
    Text,
    Texts,
)
from policies.strict_json import encode


@dataclass(frozen=True, slots=True)
class Metric:
    """One number: `slice` is empty for the whole, else `column:value`."""

    name: Text
    value: Text
    slice: Text
    samples: OptionalCount


@dataclass(frozen=True, slots=True)
class FileDigest:
    """One file of a model."""

    path: Text
    sha256: Digest
    size: Count
    format: Text = ""
    """How the MLmodel file says that it is loaded, or empty."""


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """A dataset version that a run read, and for what."""

    name: Text
    digest: Text
    context: Text
    strength: Text

    @property
    def is_evidence(self) -> bool:
        """Whether the digest identifies the bytes and the edge was not guessed."""
        return self.digest.startswith("sha256:") and self.strength != "inferred"


@dataclass(frozen=True, slots=True)
class CommitUse:
    """A commit that a run used; `is_known` if a repository we read has it."""

    sha: Text
    is_known: Flag
    authors: Texts
    """Outside identities such as `git:ana@example.org`."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What the record lacks, and how to close it next time."""

    code: Text
    text: Text
    remedy: Text


@dataclass(frozen=True, slots=True)
class ModelItem:
    """Which bytes are asked about."""

    version_key: Text
    source: Text
    model: Text
    version: Text
    location: Text
    manifest: Digest
    files: tuple[FileDigest, ...]
    has_signature: OptionalFlag


@dataclass(frozen=True, slots=True)
class LineageItem:
    """Where the version came from."""

    run_key: Text
    run_status: Text
    datasets: tuple[DatasetUse, ...]
    commits: tuple[CommitUse, ...]
    is_dirty: OptionalFlag
    evaluation_dataset: Text
    lock_digest: Text
    features_digest: Text
    trainers: Texts
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class MetricsItem:
    """What was measured, and how the model was made."""

    metrics: tuple[Metric, ...]
    params: Pairs
    units: Pairs = ()
    """Metrics with the unit that the run recorded for them."""

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

    version_key: Text
    version: Text
    manifest: OptionalDigest
    measured: MetricsItem
    datasets: tuple[DatasetUse, ...]
    commits: tuple[CommitUse, ...]
    evaluation_dataset: Text
    files: tuple[FileDigest, ...]
    features_digest: Text = ""
    lock_digest: Text = ""
    judged_under: OptionalDigest = ""
    """Digest of the policy under which it was promoted, or empty."""

    @property
    def exists(self) -> bool:
        """Whether the stage is held at all."""
        return bool(self.version_key)


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file whose bytes are not those that were registered; empty: not there."""

    path: Text
    registered: OptionalDigest
    found: OptionalDigest


@dataclass(frozen=True, slots=True)
class ArtifactItem:
    """The registered bytes against the bytes there are."""

    is_readable: Flag
    found: OptionalDigest
    """Manifest digest of what was read, or empty."""
    changes: tuple[FileChange, ...]


Item = (
    ModelItem
    | LineageItem
    | MetricsItem
    | IncumbentItem
    | ArtifactItem
    | OriginsItem
    | ModelSignatureItem
    | DataItem
    | CodeItem
    | CodeChangesItem
)
KINDS: Mapping[str, type[Item]] = {
    "model": ModelItem,
    "lineage": LineageItem,
    "metrics": MetricsItem,
    "incumbent": IncumbentItem,
    "artifact": ArtifactItem,
    "origins": OriginsItem,
    "model_signature": ModelSignatureItem,
    "data": DataItem,
    "code": CodeItem,
    "code_changes": CodeChangesItem,
}
"""Every kind of item, in the order they are shown."""
_NAMES: Mapping[type, str] = {declared: kind for kind, declared in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything one decision rests on: one item of each kind."""

    model: ModelItem
    lineage: LineageItem
    measured: MetricsItem
    incumbent: IncumbentItem
    artifact: ArtifactItem
    origins: OriginsItem = dataclasses.field(default_factory=OriginsItem)
    model_signature: ModelSignatureItem = dataclasses.field(
        default_factory=ModelSignatureItem
    )
    data: DataItem = dataclasses.field(default_factory=DataItem)
    code: CodeItem = dataclasses.field(default_factory=CodeItem)
    code_changes: CodeChangesItem = dataclasses.field(default_factory=CodeChangesItem)

    def items(self) -> dict[str, Item]:
        """The items by kind, in the order they are shown."""
        values = (getattr(self, part.name) for part in dataclasses.fields(self))
        return {_NAMES[type(value)]: value for value in values}

    @classmethod
    def of(cls, items: Mapping[str, Item]) -> Self:
        """Evidence from one item of each kind."""
        by_type = {type(item): item for item in items.values()}
        return cls(
            **{part.name: by_type[part.type] for part in dataclasses.fields(cls)}  # type: ignore[arg-type, index]
        )


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
    return encode(plain | {"schema": f"countersign/{_NAMES[type(item)]}/v1"})


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
