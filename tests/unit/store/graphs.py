"""Projections with a graph in them, put there without a log."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from store.facts import FactKind
from store.projection.connection import create_projection, open_projection
from store.projection.schema import view_statement

if TYPE_CHECKING:
    from store.adjacency.counting import Direction

ZERO = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = ("edge", "run", "commit", "dataset_version", "model_version", "job")
_fact_hashes = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Link:
    """One link as an entry told it."""

    entry: int
    subject: str
    relation: str
    object: str
    strength: str = "declared"
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A thing as an entry described it; `day` is when it began."""

    entry: int
    table: str
    key: str
    name: str = ""
    day: int | None = None


@dataclass(frozen=True, slots=True)
class Corrected:
    """A link that another fact of an entry corrected."""

    entry: int
    link: Link


def day(number: int) -> datetime:
    """A day of the year in which things begin."""
    return ZERO + timedelta(days=number)


class GraphStore:
    """A projection whose rows a test writes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lineage.duckdb"
        self.file = folder / "adjacency"
        create_projection(self.path)

    @classmethod
    def there(cls, folder: Path) -> GraphStore:
        """One that lies in a folder already."""
        store = cls.__new__(cls)
        store.path, store.file = folder / "lineage.duckdb", folder / "adjacency"
        return store

    def tell(self, rows: Iterable[Link | Said | Corrected], applied: int) -> None:
        """Add rows, and have so many entries applied."""
        with open_projection(self.path, read_only=False) as connection:
            connection.begin()
            rows = list(rows)
            _insert_links(connection, [r for r in rows if isinstance(r, Link)])
            for row in rows:
                if isinstance(row, Said):
                    _insert(connection, row)
            _hear(connection, applied)
            for row in rows:
                if isinstance(row, Corrected):
                    _correct(connection, row)
            connection.execute(
                "UPDATE state SET applied = ?, root = ?", [applied, f"root {applied}"]
            )
            connection.commit()

    def start_anew(self) -> None:
        """Another projection, with nothing in it."""
        with open_projection(self.path, read_only=False) as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}_rows")
            connection.execute("UPDATE state SET applied = 0, root = '', made = uuid()")
            connection.execute("DELETE FROM replaced")

    @contextlib.contextmanager
    def reading(self, known_at: int = 10**9) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open for one question."""
        with open_projection(self.path, read_only=True) as connection:
            (applied,) = connection.execute("SELECT applied FROM state").fetchall()[0]
            horizon = min(applied, known_at + 1)
            connection.execute(f"SET VARIABLE horizon = {horizon}::BIGINT")
            yield connection


def _hear(connection: duckdb.DuckDBPyConnection, applied: int) -> None:
    connection.execute(
        "INSERT INTO heard SELECT i, 's', TIMESTAMP '2026-01-01' + INTERVAL 1 HOUR * i "
        "FROM range(?) t(i) WHERE i NOT IN (SELECT entry_index FROM heard)",
        [applied],
    )


def _correct(connection: duckdb.DuckDBPyConnection, row: Corrected) -> None:
    """Hide a link that was told, from an entry on."""
    link = row.link
    connection.execute(view_statement(FactKind.EDGE, is_corrected=False))
    connection.execute(f"SET VARIABLE horizon = {10**9}::BIGINT")
    connection.execute(
        "INSERT INTO replaced SELECT DISTINCT ?, 'edge', source, subject, fact_id "
        "FROM edge WHERE subject = ? AND name = ? AND object = ? AND strength = ? "
        "AND text IS NOT DISTINCT FROM ?",
        [
            row.entry,
            link.subject,
            link.relation,
            link.object,
            link.strength,
            link.context,
        ],
    )
    connection.execute(view_statement(FactKind.EDGE, is_corrected=True))


def _insert_links(connection: duckdb.DuckDBPyConnection, links: list[Link]) -> None:
    table = pa.table(
        {
            "entry_index": [link.entry for link in links],
            "fact_hash": [next(_fact_hashes) for _ in links],
            "subject": [link.subject for link in links],
            "name": [link.relation for link in links],
            "object": [link.object for link in links],
            "strength": [link.strength for link in links],
            "text": pa.array([link.context for link in links], pa.string()),
        }
    )
    connection.register("links", table)
    columns = ", ".join(table.column_names)
    connection.execute(
        f"INSERT INTO edge_rows (source, {columns}) SELECT 's', {columns} FROM links"
    )
    connection.unregister("links")


def _insert(connection: duckdb.DuckDBPyConnection, row: Said) -> None:
    started = None if row.day is None else day(row.day).replace(tzinfo=None)
    connection.execute(
        f"INSERT INTO {row.table}_rows (entry_index, fact_hash, source, subject, name, "
        "started) VALUES (?, ?, 's', ?, ?, ?)",
        [row.entry, next(_fact_hashes), row.key, row.name, started],
    )


def chain(length: int, direction: Direction) -> list[Link]:
    """Runs that contain each other, from `run:m/0` on in a direction."""
    keys = [f"run:m/{number}" for number in range(length + 1)]
    pairs = itertools.pairwise(keys if direction.value == "down" else keys[::-1])
    return [Link(0, parent, "contains", child) for parent, child in pairs]
