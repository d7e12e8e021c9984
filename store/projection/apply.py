"""Keeping the projection up with the log.

Rows of a batch become visible together, when the state row says its entry is applied.
Whoever finds a batch half taken in goes on where it stands: the position is in the
same transaction as the rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from store.adjacency.opening import adjacency_path
from store.objects import Objects
from store.projection.admission import admit_batch, read_batch
from store.projection.committed import (
    BatchMissing,
    BatchReader,
    CommittedBatch,
    LeftOut,
)
from store.projection.connection import (
    ProjectionDamaged,
    create_projection,
    identity,
    making,
    open_projection,
)
from store.projection.fact_checks import UnusableBatch
from store.projection.state import state_of
from store.projection.windows import TakingIn
from store.statement_index import StatementIndex

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    _Told: TypeAlias = "pa.Table | UnusableBatch | None"


class Projection:
    """The projection of one log on this machine."""

    def __init__(
        self, path: Path, index: StatementIndex, objects: Objects, batches: BatchReader
    ) -> None:
        self.path = path
        self._index = index
        self._objects = objects
        self._batches = batches
        self.admitted: set[str] = set()
        """Digests of batches that this process has found good itself."""

    def catch_up(self) -> None:
        """Apply every indexed entry that is not applied yet.

        A batch whose bytes are no batch is left out and remembered with the reason.

        Raises:
            BatchMissing: the next batch is not there; what came before it is applied.
            StoreUnavailable: the file stayed locked or cannot be written.
            StoreDamaged: a batch has not the content that its name promises.
        """
        seen = identity(self.path)
        with contextlib.suppress(ProjectionDamaged):
            if self._is_current():
                return
        try:
            self._apply_all()
        except ProjectionDamaged:
            self._start_anew(seen)
            self._apply_all()

    @contextlib.contextmanager
    def reading(
        self, known_at: int | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open for one question; `known_at` hides what later entries brought.

        Raises:
            StoreUnavailable: the file stayed locked.
        """
        try:
            opened = open_projection(self.path, read_only=True)
            connection = opened.__enter__()
        except ProjectionDamaged:
            self.catch_up()
            opened = open_projection(self.path, read_only=True)
            connection = opened.__enter__()
        with contextlib.ExitStack() as stack:
            stack.push(opened)
            applied, _ = state_of(connection)
            horizon = applied if known_at is None else min(applied, known_at + 1)
            connection.execute(f"SET VARIABLE horizon = {horizon:d}::BIGINT")
            yield connection

    def left_out(self) -> list[LeftOut]:
        """The batches that were left out so far, in the log's order."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT entry_index, digest, reason FROM left_out ORDER BY entry_index"
            ).fetchall()
        return [LeftOut(int(row[0]), str(row[1]), str(row[2])) for row in rows]

    def made_anew(self, path: Path) -> Projection:
        """Another projection of the same log, applied from its beginning."""
        again = Projection(path, self._index, self._objects, self._batches)
        again.catch_up()
        return again

    @property
    def size(self) -> int:
        """How many entries of the log are indexed."""
        return self._index.size

    def root_at(self, size: int) -> str:
        """The root of the log's first entries, in hex."""
        return self._index.root_at(size).hex()

    def committed_from(self, start: int) -> Iterator[tuple[int, CommittedBatch]]:
        """The entries from one on that commit batches, and what counts for each."""
        for entry in self._index.batches(start):
            yield entry.index, self._batches.batch_at(entry.index)

    def _is_current(self) -> bool:
        with open_projection(self.path, read_only=True) as connection:
            applied, partial = state_of(connection)
            self.require_this_history(connection)
        return partial == 0 and applied >= self._index.size

    def require_this_history(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Refuse rows of a history that was given up, or of batches since replaced.

        Raises:
            ProjectionDamaged: they are such.
        """
        row = connection.execute("SELECT applied, root FROM state").fetchone()
        applied, root = (int(row[0]), str(row[1])) if row else (0, "")
        if applied == 0:
            return
        if applied > self._index.size or self.root_at(applied) != root:
            raise ProjectionDamaged("it is of another history than the log")
        if self._batches.is_rewritten_since(applied):
            raise ProjectionDamaged("a batch in it was replaced")

    def _start_anew(self, seen: int) -> None:
        """Put an empty projection in place of the one that was seen to be damaged.

        Another process may have done so meanwhile, and be filling it: that one stays.
        """
        with making(self.path):
            if identity(self.path) != seen:
                return
            aside = self.path.with_suffix(".new")
            aside.unlink(missing_ok=True)
            create_projection(aside)
            Path(str(self.path) + ".wal").unlink(missing_ok=True)
            aside.replace(self.path)
            # It may hold what was erased.
            adjacency_path(self.path).unlink(missing_ok=True)

    def _apply_all(self) -> None:
        with open_projection(self.path, read_only=True) as connection:
            applied, _ = state_of(connection)
            self.require_this_history(connection)
        taking = TakingIn(self.path, self.root_at)
        end, reached = self._index.size, applied
        for index, batch, told in self._batches_from(applied):
            reached = index + 1
            if isinstance(told, UnusableBatch):
                self._leave_out(LeftOut(index, batch.digest, str(told)))
            else:
                taking.whole(index, told, batch)
        with open_projection(self.path, read_only=False) as connection:
            connection.execute(
                "UPDATE state SET applied = ?, root = ? WHERE applied < ? "
                "AND applied >= ?",
                (end, self.root_at(end), end, reached),
            )

    def _batches_from(
        self, applied: int
    ) -> Iterator[tuple[int, CommittedBatch, pa.Table | UnusableBatch]]:
        """Batches of entries from one on, each read while the one before is applied."""
        with ThreadPoolExecutor(1) as reader:
            waiting: list[tuple[int, CommittedBatch, Future[_Told]]] = []
            for index, batch in self.committed_from(applied):
                told = reader.submit(self._told_in, batch)
                waiting.append((index, batch, told))
                if len(waiting) > 1:
                    yield _present(*waiting.pop(0))
            for one in waiting:
                yield _present(*one)

    def _told_in(self, batch: CommittedBatch) -> _Told:
        """The table of a batch, why it is none, or nothing where it is missing."""
        data = self._objects.find(batch.digest)
        if data is None:
            return None
        if batch.digest in self.admitted:
            return read_batch(data)
        try:
            return admit_batch(data, batch.rows)
        except UnusableBatch as problem:
            return problem

    def _leave_out(self, batch: LeftOut) -> None:
        """Go past a batch that is none, and remember why."""
        with open_projection(self.path, read_only=False) as connection:
            connection.begin()
            applied, _ = state_of(connection)
            if applied <= batch.entry:
                connection.execute(
                    "INSERT INTO left_out VALUES (?, ?, ?)",
                    (batch.entry, batch.digest, batch.reason),
                )
                connection.execute(
                    "UPDATE state SET applied = ?, partial_rows = 0, root = ?",
                    (batch.entry + 1, self.root_at(batch.entry + 1)),
                )
            connection.commit()


def _present(
    index: int, batch: CommittedBatch, told: Future[_Told]
) -> tuple[int, CommittedBatch, pa.Table | UnusableBatch]:
    """What was read, once it is.

    Raises:
        BatchMissing: it is not there.
    """
    found = told.result()
    if found is None:
        raise BatchMissing(index, batch.digest)
    return index, batch, found
