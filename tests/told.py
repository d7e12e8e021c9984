"""A projection over batches that a test tells: no keys, no signatures, no log files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pyarrow.parquet as pq

from store.facts import Fact
from store.objects import Objects
from store.projection.apply import Projection
from store.projection.batches import batch_schema, fact_tables
from store.projection.committed import CommittedBatch
from store.projection.connection import create_projection
from store.statement_index import StatementIndex


@dataclass(frozen=True, slots=True)
class Batch:
    """What a source told at once."""

    source: str
    heard: datetime
    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True)
class _Entry:
    index: int


@dataclass
class Told:
    """The parts of a log that a projection asks for; each batch is one entry."""

    batches_told: list[Batch] = field(default_factory=list)
    bytes_of: dict[str, bytes] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)

    def tell(self, batch: Batch) -> int:
        """Put a batch behind the others; return its entry."""
        target = BytesIO()
        with pq.ParquetWriter(target, batch_schema()) as writer:
            for table in fact_tables(batch.facts):
                writer.write_table(table)
        data = target.getvalue()
        digest = hashlib.sha256(data).hexdigest()
        self.bytes_of[digest] = data
        self.digests.append(digest)
        self.batches_told.append(batch)
        return len(self.batches_told) - 1

    @property
    def size(self) -> int:
        return len(self.batches_told)

    def batches(self, start: int) -> list[_Entry]:
        return [_Entry(index) for index in range(start, self.size)]

    def root_at(self, size: int) -> bytes:
        return hashlib.sha256("".join(self.digests[:size]).encode()).digest()

    def find(self, digest: str) -> bytes | None:
        return self.bytes_of.get(digest)

    def batch_at(self, index: int) -> CommittedBatch:
        batch = self.batches_told[index]
        return CommittedBatch(
            batch.source, batch.heard, self.digests[index], len(batch.facts)
        )

    def is_rewritten_since(self, index: int) -> bool:
        return False


@lru_cache
def _empty() -> bytes:
    """An empty projection: making one takes longer than telling it a few facts."""
    with TemporaryDirectory() as folder:
        create_projection(Path(folder) / "empty")
        return (Path(folder) / "empty").read_bytes()


def projection_of(batches: Iterable[Batch], path: Path) -> Projection:
    """A projection that has taken some batches in, in that order."""
    told = Told()
    for batch in batches:
        told.tell(batch)
    return projection_over(told, path)


def projection_over(told: Told, path: Path) -> Projection:
    """A projection of what was told so far; it can be told more."""
    path.write_bytes(_empty())
    made = Projection(path, cast(StatementIndex, told), cast(Objects, told), told)
    made.catch_up()
    return made
