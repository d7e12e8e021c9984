"""Taking entries into the projection, a bounded number of rows a transaction.

Rows of a batch become visible together, when the state row says its entry is applied.
Whoever finds a batch half taken in goes on where it stands: the position is in the
same transaction as the rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from store.adjacency.opening import adjacency_path
from store.errors import StoreUnavailable
from store.objects import Objects
from store.projection.admission import admit_batch, read_batch
from store.projection.connection import (
    ProjectionDamaged,
    append_in_order,
    create_projection,
    identity,
    making,
    open_projection,
)
from store.projection.fact_checks import UnusableBatch
from store.projection.new_facts import NewFacts, insert_facts, new_facts
from store.statement_index import StatementIndex

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    _Told: TypeAlias = "pa.Table | UnusableBatch | None"

ROWS_PER_TRANSACTION = 245_760
"""Two of DuckDB's row groups: those it writes to their place at once."""
ROWS_PER_WINDOW = 983_040
"""Rows that are looked up in the store at once, before any of them is taken in."""


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


@dataclass(frozen=True, slots=True)
class Window:
    """Rows of a batch that were looked up together."""

    start: int
    rows: int
    fresh: NewFacts
    """Those that the store lacked."""

    @property
    def end(self) -> int:
        """The row of the batch behind the window."""
        return self.start + self.rows

    def holds(self, row: int) -> bool:
        """Whether a row of the batch is in the window; an empty one holds its start."""
        return self.start <= row < max(self.end, self.start + 1)

    def between(self, first: int, last: int) -> pa.Table:
        """What the store lacked of some rows of the batch."""
        return self.fresh.between(first - self.start, last - self.start)


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
        end, reached = self._index.size, applied
        for index, batch, told in self._batches_from(applied):
            reached = index + 1
            if isinstance(told, UnusableBatch):
                self._leave_out(LeftOut(index, batch.digest, str(told)))
            else:
                self._apply_batch(index, told, batch)
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

    def _apply_batch(self, index: int, table: pa.Table, batch: CommittedBatch) -> None:
        """Apply a batch window by window, the file released between two parts."""
        while (window := self._look_up(index, table, batch.source)) is not None:
            while self._apply_part(index, window, table.num_rows, batch):
                """Somebody else may go on with the same batch at any time."""

    def _look_up(self, index: int, table: pa.Table, source: str) -> Window | None:
        """The next rows of a batch that the store lacks; None: all are taken in."""
        with open_projection(self.path, read_only=True) as connection:
            applied, start = state_of(connection)
            if applied > index:
                return None
            part = table.slice(start, ROWS_PER_WINDOW)
            return Window(start, part.num_rows, new_facts(connection, part, source))

    def _apply_part(
        self, index: int, window: Window, rows: int, batch: CommittedBatch
    ) -> bool:
        """Apply the next part of one batch; whether more of the window is left."""
        with open_projection(self.path, read_only=False) as connection:
            append_in_order(connection)
            append_in_order(connection)
            connection.begin()
            applied, start = state_of(connection)
            if applied > index or not window.holds(start):
                connection.rollback()
                return False
            done = min(start + ROWS_PER_TRANSACTION, window.end)
            insert_facts(connection, window.between(start, done), index, batch.source)
            is_whole = done >= rows
            if is_whole:
                note_heard(connection, index, batch)
            position = (index + 1, 0) if is_whole else (index, done)
            connection.execute(
                "UPDATE state SET applied = ?, partial_rows = ?, root = ?",
                (*position, self.root_at(position[0])),
            )
            connection.commit()
            if not is_whole:
                # The log of changes is folded in once, after the last part.
                connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        return done < window.end


def note_heard(
    connection: duckdb.DuckDBPyConnection, index: int, batch: CommittedBatch
) -> None:
    """Note when a source told something new."""
    connection.execute(
        "INSERT INTO heard VALUES (?, ?, ?)",
        (index, batch.source, batch.heard.astimezone(UTC).replace(tzinfo=None)),
    )


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


def state_of(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many entries are applied, and how many rows of the next one.

    Raises:
        ProjectionDamaged: that is not there.
    """
    row = connection.execute("SELECT applied, partial_rows FROM state").fetchone()
    if row is None:
        raise ProjectionDamaged("the state row is missing")
    return int(row[0]), int(row[1])
