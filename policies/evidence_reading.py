"""Evidence read back from its bytes: strictly, and checked against its digest."""

from __future__ import annotations

from collections.abc import Callable

from policies.errors import MalformedStatement
from policies.evidence import (
    KINDS,
    Evidence,
    EvidenceManifest,
    Item,
    ItemReference,
)
from policies.predicates.forms import read_declared
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
    read: dict[str, Item] = {}
    for reference in manifest.items:
        data = load(reference.digest)
        if sha256_hex(data) != reference.digest:
            raise MalformedStatement(f"evidence {reference.kind}: its digest differs")
        if reference.kind in KINDS:
            read[reference.kind] = _read_item(data, reference.kind)
    missing = [kind for kind in KINDS if kind not in read]
    if missing:
        raise MalformedStatement(f"evidence: {', '.join(missing)} missing")
    return Evidence.of(read)


def _open(data: bytes, kind: str) -> Fields:
    what = f"evidence {kind}"
    fields = Fields(parse(data, what=what, at_most=LARGEST_ITEM_BYTES), what=what)
    if fields.text("schema", 64) != f"countersign/{kind}/v1":
        raise MalformedStatement(f"{what}: it has another schema")
    return fields


def _read_item(data: bytes, kind: str) -> Item:
    return read_declared(KINDS[kind], _open(data, kind))
