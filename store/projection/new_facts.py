"""Which facts of a batch the store does not have, and putting those into it.

The same fact told twice is one fact: the first in log order stays. Looking up is done
for many rows at once, since it runs past everything that is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from store.facts import COLUMNS, FactKind
from store.projection.batches import idle_columns
from store.projection.schema import fact_id_expression, table_name

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
        import pyarrow.compute as pc

        place = pc.add(self.fresh["position"], self.start)
        return self.fresh.filter(
            pc.and_(pc.greater_equal(place, first), pc.less(place, last))
        )


def new_facts(
    connection: duckdb.DuckDBPyConnection, part: pa.Table, source: str
) -> pa.Table:
    """The rows that say what the store does not have yet, each with its fact id and
    its `position` in the part; of rows that say the same the first one."""
    kinds = [kind.value for kind in FactKind]
    blank, absent = idle_columns(part)
    fact_id = fact_id_expression("$source", blank=blank, absent=absent)
    connection.register("incoming", part)
    try:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE incoming_facts AS SELECT * FROM "
            f"(SELECT {fact_id} AS fact_id, row_number() OVER () - 1 AS position, * "
            "FROM incoming) WHERE kind IN (SELECT unnest($kinds))",
            {"source": source, "kinds": kinds},
        )
    finally:
        connection.unregister("incoming")
    told = connection.execute("SELECT DISTINCT kind FROM incoming_facts").fetchall()
    # The few that come are kept at hand and the many that are there run past them.
    known = " UNION ALL ".join(
        f"SELECT fact_id FROM {table_name(FactKind(str(row[0])))} WHERE fact_id IN "
        "(SELECT fact_id FROM incoming_facts)"
        for row in sorted(told)
    )
    found = connection.execute(
        "SELECT * FROM incoming_facts "
        + (f"WHERE fact_id NOT IN ({known}) " if known else "")
        + "QUALIFY row_number() OVER (PARTITION BY fact_id ORDER BY position) = 1 "
        "ORDER BY position"
    ).to_arrow_table()
    connection.execute("DROP TABLE incoming_facts")
    return found


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
    known = " UNION ALL ".join(
        f"SELECT fact_id FROM {table_name(kind)}" for kind in FactKind
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE fresh AS "
        f"SELECT {columns} FROM (SELECT *, {fact_id_expression('$source')} AS fact_id, "
        "row_number() OVER () AS position FROM read_parquet($path)) "
        f"WHERE fact_id NOT IN ({known}) "
        "QUALIFY row_number() OVER (PARTITION BY fact_id ORDER BY position) = 1 "
        "ORDER BY kind, position",
        {"source": source, "path": str(incoming)},
    )
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
