"""How far a projection has come, and when each source was heard."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from store.projection.committed import CommittedBatch
from store.projection.connection import ProjectionDamaged

if TYPE_CHECKING:
    import duckdb


def note_heard(
    connection: duckdb.DuckDBPyConnection, index: int, batch: CommittedBatch
) -> None:
    """Note when a source told something new."""
    connection.execute(
        "INSERT INTO heard VALUES (?, ?, ?)",
        (index, batch.source, batch.heard.astimezone(UTC).replace(tzinfo=None)),
    )


def state_of(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many entries are applied, and how many rows of the next one.

    Raises:
        ProjectionDamaged: that is not there.
    """
    row = connection.execute("SELECT applied, partial_rows FROM state").fetchone()
    if row is None:
        raise ProjectionDamaged("the state row is missing")
    return int(row[0]), int(row[1])
