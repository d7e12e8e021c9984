"""What the log's entries say of the lineage batches that they commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from store.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """What an entry says of the batch that counts for it."""

    source: str
    heard: datetime
    """When its source was read, as its signer says."""
    digest: str
    rows: int | None
    """How many its statement promises; None for one that was put in its place."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A batch that is none: its entry changes nothing, on every machine."""

    entry: int
    digest: str
    reason: str


class BatchReader(Protocol):
    """Tells what the entries that commit lineage batches say."""

    def batch_at(self, index: int) -> CommittedBatch:
        """The batch that counts for an entry."""
        ...

    def is_rewritten_since(self, index: int) -> bool:
        """Whether an entry from `index` on put another batch in an earlier's place."""
        ...


class BatchMissing(StoreUnavailable):
    """A batch that an accepted entry names is not in the store: it may still come."""

    def __init__(self, entry: int, digest: str) -> None:
        super().__init__(
            f"the batch of entry {entry}, object {digest}, is not in the store; "
            f"lineage is known up to entry {entry - 1}",
            hint="Wait for it or restore it from a backup. If it will never come, a "
            f"root holder gives it up: countersign erase {digest} --reason TEXT",
        )
        self.entry = entry
        self.digest = digest
