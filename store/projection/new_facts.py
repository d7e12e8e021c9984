"""Which facts of a batch the store does not have, and putting those into it.

The same fact told twice is one fact: the first in log order stays. Looking up is done
for many rows at once, since it runs past everything that is there.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from store.facts import COLUMNS, FactKind
from store.projection.batches import ROWS_PER_GROUP, batch_schema
from store.projection.corrections import insert_corrections
from store.projection.identity import KEY_HALVES, KEY_OF_HALVES, identified
from store.projection.schema import table_name

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
ROWS_AT_ONCE = 1_000_000
"""Facts that are looked up together."""
MOST_ROWS_OF_A_BATCH = 4_000_000
"""Of what an import commits; reading a batch takes about 500 bytes a fact."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows of a batch that were looked up together."""

    start: int
    rows: int
    fresh: pa.Table
    """Those that the store lacked, in their order."""

    @property
    def end(self) -> int:
        """The row of the batch behind the window."""
        return self.start + self.rows

    def holds(self, row: int) -> bool:
        """Whether a row of the batch is in the window; an empty one holds its start."""
        return self.start <= row < max(self.end, self.start + 1)

    def between(self, first: int, last: int) -> pa.Table:
        """What the store lacked of some rows of the batch."""
        skipped, kept = self._before(first), self._before(last)
        return self.fresh.slice(skipped, kept - skipped)

    def _before(self, row: int) -> int:
        """How many of the fresh ones lie before a row of the batch."""
        import pyarrow.compute as pc

        behind = pc.less(self.fresh["position"], row - self.start)
        return int(pc.sum(behind).as_py() or 0)


def new_facts(
    connection: duckdb.DuckDBPyConnection,
    part: pa.Table,
    source: str,
    *,
    besides: str = "",
) -> pa.Table:
    """The rows that say what the store does not have yet, of those that say the same
    the first one; each with the halves of its fact key and its `position` in the part.

    `besides` names a table of more fact keys that are known.
    """
    import pyarrow as pa

    placed = part.append_column("position", pa.array(range(part.num_rows), pa.int64()))
    connection.register("incoming", placed)
    try:
        told = _identify(connection, "incoming", source)
    finally:
        connection.unregister("incoming")
    known = _known_keys([*map(table_name, told), *filter(None, [besides])])
    found = connection.execute(
        f"SELECT {KEY_HALVES}, position, {_NAMES} FROM incoming_facts "
        + (f"WHERE fact_key NOT IN ({known}) " if known else "")
        + "QUALIFY row_number() OVER (PARTITION BY fact_key ORDER BY position) = 1 "
        "ORDER BY position"
    ).to_arrow_table()
    connection.execute("DROP TABLE incoming_facts")
    return found


def _identify(
    connection: duckdb.DuckDBPyConnection, relation: str, source: str
) -> list[FactKind]:
    """Keep the rows of a relation, with their keys, in the table `incoming_facts`;
    return the kinds that there are."""
    rows = identified(connection, relation, source)
    empty = (
        f"SELECT 0::UHUGEINT AS fact_key, position, {_NAMES} FROM {relation} LIMIT 0"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE incoming_facts AS {rows or empty}"
    )
    told = connection.execute("SELECT DISTINCT kind FROM incoming_facts").fetchall()
    return [FactKind(str(row[0])) for row in sorted(told)]


def _known_keys(tables: list[str]) -> str:
    """SQL for the keys of incoming facts that some tables have.

    The few that come are kept at hand, and the many that are there run past them.
    """
    return " UNION ALL ".join(
        f"SELECT fact_key FROM {table} WHERE fact_key IN "
        "(SELECT fact_key FROM incoming_facts)"
        for table in tables
    )


def insert_facts(
    connection: duckdb.DuckDBPyConnection,
    fresh: pa.Table,
    index: int,
    source: str,
    heard: datetime,
) -> None:
    """Insert facts that the store does not have, and what they correct."""
    import pyarrow.compute as pc

    columns = ", ".join(f'"{name}"' for name in COLUMNS if name != "kind")
    when = heard.astimezone(UTC).replace(tzinfo=None)
    told = {"index": index, "source": source, "heard": when}
    connection.register("incoming", fresh)
    try:
        for kind in sorted(pc.unique(fresh["kind"]).to_pylist()):
            connection.execute(
                f"INSERT INTO {table_name(FactKind(kind))} "
                f"SELECT $index, {KEY_OF_HALVES}, $source, $heard::TIMESTAMP, "
                f"{columns} FROM incoming WHERE kind = $kind",
                {**told, "kind": kind},
            )
        insert_corrections(connection, index, source)
    finally:
        connection.unregister("incoming")


@dataclass(slots=True)
class Kept:
    """What was new of all that a source told."""

    files: list[Path] = field(default_factory=list)
    """Parquet files, each of a size for one batch."""
    rows: list[int] = field(default_factory=list)
    """How many facts each of them holds."""
    new: Counter[str] = field(default_factory=Counter)
    """Facts by kind."""
    relations: Counter[str] = field(default_factory=Counter)
    """Edges by relation."""


def keep_new_facts(
    connection: duckdb.DuckDBPyConnection, incoming: Path, source: str, folder: Path
) -> Kept:
    """Copy the facts of a Parquet file that the projection lacks to files of a folder.

    Looks at a bounded number of facts at a time, whatever the file's size.
    """
    import pyarrow.compute as pc

    kept = Kept()
    connection.execute("CREATE OR REPLACE TEMP TABLE seen (fact_key UHUGEINT)")
    with contextlib.ExitStack() as stack:
        for part in _parts(incoming):
            fresh = new_facts(connection, part, source, besides="seen")
            if not fresh.num_rows:
                continue
            connection.register("fresh", fresh)
            connection.execute(f"INSERT INTO seen SELECT {KEY_OF_HALVES} FROM fresh")
            connection.unregister("fresh")
            edges = fresh.filter(pc.equal(fresh["kind"], FactKind.EDGE.value))
            kept.new.update(_counted(fresh["kind"]))
            kept.relations.update(_counted(edges["name"]))
            if not kept.files or kept.rows[-1] + fresh.num_rows > MOST_ROWS_OF_A_BATCH:
                stack.close()
                kept.files.append(folder / f"new-{len(kept.files)}")
                kept.rows.append(0)
                writer = stack.enter_context(_writer(kept.files[-1]))
            kept.rows[-1] += fresh.num_rows
            table = fresh.select(list(COLUMNS)).cast(batch_schema())
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
    connection.execute("DROP TABLE seen")
    return kept


def _parts(incoming: Path) -> Iterator[pa.Table]:
    """The file's facts, a bounded number at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(incoming) as file:
        groups: list[int] = []
        rows = 0
        for group in range(file.metadata.num_row_groups):
            groups.append(group)
            rows += file.metadata.row_group(group).num_rows
            if rows >= ROWS_AT_ONCE:
                yield file.read_row_groups(groups)
                groups, rows = [], 0
        if groups:
            yield file.read_row_groups(groups)


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    import pyarrow.compute as pc

    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}


def _writer(path: Path) -> pq.ParquetWriter:
    import pyarrow.parquet as pq

    return pq.ParquetWriter(path, batch_schema(), compression="zstd")
