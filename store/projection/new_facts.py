"""Which facts of a batch the store does not have, and putting those into it.

The same fact told twice is one fact: the first in log order stays. Looking up is done
for many rows at once, since it runs past everything that is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from store.facts import COLUMNS, FactKind
from store.projection.identity import identified, quoted
from store.projection.schema import table_name

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


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
    connection: duckdb.DuckDBPyConnection, part: pa.Table, source: str
) -> pa.Table:
    """The rows that say what the store does not have yet, each with its fact id and
    its `position` in the part; of rows that say the same the first one."""
    import pyarrow as pa

    placed = part.append_column("position", pa.array(range(part.num_rows), pa.int64()))
    connection.register("incoming", placed)
    try:
        _identify(connection, "incoming", source)
    finally:
        connection.unregister("incoming")
    told = connection.execute("SELECT DISTINCT kind FROM incoming_facts").fetchall()
    known = _known_ids([FactKind(str(row[0])) for row in sorted(told)])
    found = connection.execute(
        "SELECT * FROM incoming_facts "
        + (f"WHERE fact_id NOT IN ({known}) " if known else "")
        + "QUALIFY row_number() OVER (PARTITION BY fact_id ORDER BY position) = 1 "
        "ORDER BY position"
    ).to_arrow_table()
    connection.execute("DROP TABLE incoming_facts")
    return found


def _identify(
    connection: duckdb.DuckDBPyConnection, relation: str, source: str
) -> None:
    """Keep the rows of a relation, with their ids, in the table `incoming_facts`."""
    rows = identified(connection, relation, source)
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    empty = f"SELECT NULL AS fact_id, position, {names} FROM {relation} LIMIT 0"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE incoming_facts AS {rows or empty}"
    )


def _known_ids(kinds: list[FactKind]) -> str:
    """SQL for the ids of incoming facts that the store has.

    The few that come are kept at hand, and the many that are there run past them.
    """
    return " UNION ALL ".join(
        f"SELECT fact_id FROM {table_name(kind)} WHERE fact_id IN "
        "(SELECT fact_id FROM incoming_facts)"
        for kind in kinds
    )


def insert_facts(
    connection: duckdb.DuckDBPyConnection, fresh: pa.Table, index: int, source: str
) -> None:
    """Insert facts that the store does not have."""
    import pyarrow.compute as pc

    columns = ", ".join(f'"{name}"' for name in COLUMNS if name != "kind")
    connection.register("incoming", fresh)
    try:
        for kind in sorted(pc.unique(fresh["kind"]).to_pylist()):
            connection.execute(
                f"INSERT INTO {table_name(FactKind(kind))} "
                f"SELECT $index, fact_id, $source, {columns} FROM incoming "
                "WHERE kind = $kind",
                {"index": index, "source": source, "kind": kind},
            )
    finally:
        connection.unregister("incoming")


def keep_new_facts(
    connection: duckdb.DuckDBPyConnection, incoming: Path, source: str, target: Path
) -> tuple[dict[str, int], dict[str, int]]:
    """Copy the facts of a Parquet file that the projection lacks to another.

    Returns how many new facts of each kind were written to `target`, and how many of
    the new edges there are by relation.
    """
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW incoming AS SELECT *, file_row_number AS position "
        f"FROM read_parquet({quoted(str(incoming))}, file_row_number = true)"
    )
    _identify(connection, "incoming", source)
    connection.execute("DROP VIEW incoming")
    known = _known_ids(list(FactKind))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT {columns} FROM incoming_facts "
        f"WHERE fact_id NOT IN ({known}) "
        "QUALIFY row_number() OVER (PARTITION BY fact_id ORDER BY position) = 1 "
        "ORDER BY kind, position"
    )
    connection.execute("DROP TABLE incoming_facts")
    counts = connection.execute("SELECT kind, count(*) FROM fresh GROUP BY kind")
    new = {str(kind): int(count) for kind, count in counts.fetchall()}
    edges = connection.execute(
        "SELECT name, count(*) FROM fresh WHERE kind = 'edge' GROUP BY name"
    )
    relations = {str(name): int(count) for name, count in edges.fetchall()}
    if new:
        _write_parquet(connection, target)
    connection.execute("DROP TABLE fresh")
    return new, relations


def _write_parquet(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    import pyarrow.parquet as pq

    from store.projection.batches import ROWS_PER_GROUP, batch_schema

    schema = batch_schema()
    reader = connection.execute("SELECT * FROM fresh").to_arrow_reader(ROWS_PER_GROUP)
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch.cast(schema))
