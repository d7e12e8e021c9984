"""The projection as it will be once an import is committed, made while it is read.

Until a source is read to its end nothing of it is in the log, and nothing of it may be
in the projection. A copy in the import's own folder takes it in meanwhile, under the
entries that the import expects to get. Where it gets just those, the copy takes the
projection's place; else it is thrown away, and the log is applied as it always is.
A crash at any moment leaves the projection as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from store.errors import StoreUnavailable
from store.facts import COLUMNS
from store.projection.apply import Projection
from store.projection.connection import (
    ProjectionDamaged,
    copy_projection,
    identity,
    open_own,
    replace_projection,
)
from store.projection.new_facts import insert_facts, new_facts
from store.projection.state import note_heard, state_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from store.projection.seen import Found

LEAST_ROWS = 245_760
"""Of the first facts that are new: fewer are taken in more quickly than prepared."""
MOST_BYTES_COPIED = 4 * 1024**3
"""Of a projection: a larger one takes in everything in its own place."""


class Prepared:
    """Takes what one source tells in, batch by batch, ahead of the log. Close it, or
    use it as a context."""

    def __init__(self, projection: Projection, folder: Path, source: str) -> None:
        self._projection = projection
        self._path = folder / "prepared.duckdb"
        self._source = source
        self._start = self._seen = 0
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._is_given_up = False
        self._worker = ThreadPoolExecutor(1)
        self._taking: Future[None] | None = None

    def __enter__(self) -> Prepared:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_given_up = True
        if self._connection is not None:
            self._connection.interrupt()
        self._worker.shutdown()
        if self._connection is not None:
            self._connection.close()

    def take(self, batch: int, fresh: pa.Table, is_again: Found) -> None:
        """Take in facts that the projection lacks, of one of the batches to come.

        `is_again` marks those that an earlier call may have brought. The work is done
        while others come, one call behind.
        """
        if self._is_given_up:
            return
        if self._connection is None:
            self._is_given_up = fresh.num_rows < LEAST_ROWS or not self._begin()
        if self._is_taken() and not self._is_given_up:
            self._taking = self._worker.submit(self._insert, batch, fresh, is_again)

    def put_in_place(self, digests: Sequence[str]) -> bool:
        """Have the copy be the projection, if the log says what it was made for.

        `digests` are those of the batches that were committed. Whether it is now; what
        it is not yet, `Projection.catch_up` makes of it.
        """
        import duckdb

        connection = self._connection
        if connection is None or not self._is_taken() or self._is_given_up:
            return False
        committed = list(self._projection.committed_from(self._start))
        expected = [
            (self._start + place, digest, self._source)
            for place, digest in enumerate(digests)
        ]
        if [(index, b.digest, b.source) for index, b in committed] != expected:
            return False
        end = self._start + len(committed)
        try:
            self._projection.require_this_history(connection)
            for index, batch in committed:
                note_heard(connection, index, batch)
            connection.execute(
                "UPDATE state SET applied = ?, root = ?",
                (end, self._projection.root_at(end)),
            )
            connection.execute("CHECKPOINT")
            connection.close()
            self._connection = None
            return replace_projection(
                self._projection.path,
                self._path,
                self._seen,
                lambda other: state_of(other)[0] <= end,
            )
        except (duckdb.Error, OSError, ProjectionDamaged, StoreUnavailable):
            return False

    def _begin(self) -> bool:
        """Copy the projection, if it is whole and not too large."""
        import duckdb

        path = self._projection.path
        try:
            self._seen = identity(path)
            if path.stat().st_size > MOST_BYTES_COPIED:
                return False
            copy_projection(path, self._path)
            self._connection = open_own(self._path)
            self._start, partial = state_of(self._connection)
            self._projection.require_this_history(self._connection)
        except (duckdb.Error, OSError, ProjectionDamaged, StoreUnavailable):
            return False
        return partial == 0 and self._start == self._projection.size

    def _is_taken(self) -> bool:
        """Wait for what was given last; whether all so far is taken in."""
        import duckdb

        try:
            if self._taking is not None:
                self._taking.result()
        except duckdb.Error:
            self._is_given_up = True
        return not self._is_given_up

    def _insert(self, batch: int, fresh: pa.Table, is_again: Found) -> None:
        connection = self._connection
        if connection is None:
            return
        connection.begin()
        if is_again.any():
            fresh = self._once(connection, fresh, is_again)
        insert_facts(connection, fresh, self._start + batch, self._source)
        connection.commit()

    def _once(
        self, connection: duckdb.DuckDBPyConnection, fresh: pa.Table, is_again: Found
    ) -> pa.Table:
        """The facts without those of the marked ones that are there already."""
        import numpy as np
        import pyarrow as pa

        marked = fresh.select(list(COLUMNS)).filter(pa.array(is_again))
        lacking = new_facts(connection, marked, self._source).table
        is_kept = ~is_again
        is_kept[np.flatnonzero(is_again)[lacking["position"].to_numpy()]] = True
        return fresh.filter(pa.array(is_kept))
