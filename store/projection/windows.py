"""Taking one batch in, window by window, a bounded number of rows a transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from store.projection.committed import CommittedBatch
from store.projection.connection import append_in_order, open_projection
from store.projection.new_facts import NewFacts, insert_facts, new_facts
from store.projection.state import note_heard, state_of

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_TRANSACTION = 245_760
"""Two of DuckDB's row groups: those it writes to their place at once."""
ROWS_PER_WINDOW = 983_040
"""Rows that are looked up in the store at once, before any of them is taken in."""


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


@dataclass(frozen=True, slots=True)
class TakingIn:
    """Takes batches into one projection."""

    path: Path
    root_at: Callable[[int], str]
    """Tells the root of the log's first entries, in hex."""

    def whole(self, index: int, table: pa.Table, batch: CommittedBatch) -> None:
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
