"""Proofs that a store's log makes about itself, each under a signed head."""

from __future__ import annotations

from console.services.checkpoints import checked_checkpoint, make_checkpoint
from console.services.opened import OpenStore
from console.services.problems import Misuse
from policies.checkpoint import LARGEST_CHECKPOINT_BYTES, read_checkpoint
from policies.log_proofs import ConsistencyProof, InclusionProof
from store import merkle
from store.backend import checkpoint_path


def inclusion_text(
    store: OpenStore,
    index: int,
    checkpoint: bytes,
    *,
    read_node: merkle.NodeReader | None = None,
) -> bytes:
    """A `.tlog-proof`: that an entry is in the tree that a checkpoint signs.

    Who has the tree in memory gives `read_node`.

    Raises:
        Misuse: the checkpoint does not cover the entry.
    """
    head = read_checkpoint(checkpoint)
    if not 0 <= index < head.size:
        raise Misuse(f"entry {index} is not below the checkpoint's size {head.size}")
    nodes = merkle.inclusion_proof(index, head.size, read_node or store.index.read_node)
    return InclusionProof(index, tuple(nodes), head).to_bytes()


def consistency_text(store: OpenStore, old: int, checkpoint: bytes) -> bytes:
    """That the tree which a checkpoint signs extends the first `old` entries.

    Raises:
        Misuse: the checkpoint covers fewer.
    """
    head = read_checkpoint(checkpoint)
    if not 0 <= old <= head.size:
        raise Misuse(f"size {old} is not within the checkpoint's size {head.size}")
    nodes = merkle.consistency_proof(old, head.size, store.index.read_node)
    return ConsistencyProof(old, tuple(nodes), head).to_bytes()


def checkpoint_of(store: OpenStore, size: int | None) -> bytes:
    """The signed head over `size` entries; signed now if that is all there are.

    Raises:
        Misuse: nobody signed a head of that size.
        Refused: what is stored there is not signed by the log, or of another history.
    """
    if size is None or size == store.index.size:
        return make_checkpoint(store)
    data = store.backend.read(checkpoint_path(size), at_most=LARGEST_CHECKPOINT_BYTES)
    if data is None:
        raise Misuse(
            f"there is no checkpoint of size {size}",
            hint="Leave --to out for the newest head, or give the size of a checkpoint "
            "that was made.",
        )
    return checked_checkpoint(store, data)
