"""What the log says of its batches of facts, for the projection that takes them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.predicates import LineageBatch
from policies.topics import UPKEEP, erased_topic
from store.errors import StoreDamaged
from store.projection.apply import CommittedBatch

if TYPE_CHECKING:
    from console.services.opened import OpenStore


class CommittedBatches:
    """The batches of one store. See store.projection.apply.BatchReader."""

    def __init__(self, store: OpenStore) -> None:
        self._store = store

    def batch_at(self, index: int) -> CommittedBatch:
        """The batch that counts for an entry: its own, or what was put in its place.

        Raises:
            StoreDamaged: the entry commits none.
        """
        _, statement = self._store.entry(index)
        predicate = statement.predicate
        if not isinstance(predicate, LineageBatch):
            raise StoreDamaged(f"entry {index} commits no batch of facts")
        digest = predicate.batch
        for erasure in self._store.index.on_topics(erased_topic(digest)):
            digest = self._replacement(erasure.index) or digest
        rows = predicate.rows if digest == predicate.batch else None
        return CommittedBatch(predicate.source, digest, rows)

    def is_rewritten_since(self, index: int) -> bool:
        """Whether an entry from `index` on put another batch in an earlier's place."""
        return any(
            entry.index >= index and self._replacement(entry.index)
            for entry in self._store.index.on_topics(UPKEEP)
        )

    def _replacement(self, index: int) -> str:
        """Digest of the batch that an erasure puts in place of one, or empty."""
        return str(getattr(self._store.entry(index)[1].predicate, "replacement", ""))
