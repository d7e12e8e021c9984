"""What the log says of its batches of facts, for the projection that takes them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.services.opened import parse_time
from policies.predicates import LineageBatch
from policies.topics import UPKEEP, erased_topic
from store.errors import StoreDamaged
from store.projection.committed import CommittedBatch

if TYPE_CHECKING:
    from console.services.opened import OpenStore


class CommittedBatches:
    """The batches of one store. See store.projection.committed.BatchReader."""

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
        digest = self._in_place_of(predicate.batch)
        rows = predicate.rows if digest == predicate.batch else None
        heard = parse_time(predicate.observed_at)
        return CommittedBatch(predicate.source, heard, digest, rows)

    def is_rewritten_since(self, index: int) -> bool:
        """Whether an entry from `index` on put another batch in an earlier's place."""
        return any(
            entry.index >= index and self._replacement(entry.index)
            for entry in self._store.index.on_topics(UPKEEP)
        )

    def _in_place_of(self, digest: str) -> str:
        """The batch that counts now for one: what took its place may be replaced too.

        Later erasures replace earlier ones, so following them comes to an end.
        """
        after = -1
        while True:
            for erasure in reversed(self._store.index.on_topics(erased_topic(digest))):
                replacement = self._replacement(erasure.index)
                if erasure.index > after and replacement:
                    digest, after = replacement, erasure.index
                    break
            else:
                return digest

    def _replacement(self, index: int) -> str:
        """Digest of the batch that an erasure puts in place of one, or empty."""
        return str(getattr(self._store.entry(index)[1].predicate, "replacement", ""))
