"""Which facts of many the store does not have, and putting those into it.

The same fact told twice is one fact: the first in log order stays. A hash of each fact
finds what may have been told before; only that is compared column by column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.facts import COLUMNS, FactKind
from store.projection.corrections import insert_corrections
from store.projection.identity import IDENTITY, alike, fact_hash_expression, quoted_name
from store.projection.schema import kept_columns, stored, table_name, told_rows

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_NAMES = ", ".join(map(quoted_name, COLUMNS))


@dataclass(frozen=True, slots=True)
class NewFacts:
    """What the store lacked of some rows, in their order."""

    table: pa.Table
    """The columns of a batch, `position` among the rows, and `fact_hash`."""

    def between(self, first: int, last: int) -> pa.Table:
        """Those of the rows from one position up to another."""
        skipped, kept = self._before(first), self._before(last)
        return self.table.slice(skipped, kept - skipped)

    def _before(self, position: int) -> int:
        """How many of them stand before a position."""
        import pyarrow.compute as pc

        before = pc.less(self.table["position"], position)
        return int(pc.sum(before).as_py() or 0)


def new_facts(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, source: str
) -> NewFacts:
    """The rows that say what the store does not have yet, of those that say the same
    the first one."""
    import numpy as np
    import pyarrow as pa

    kinds = [FactKind(kind) for kind in sorted(rows["kind"].unique().to_pylist())]
    connection.register("incoming", rows)
    try:
        hashes = connection.execute(
            f"SELECT {fact_hash_expression('$source')} AS fact_hash FROM incoming",
            {"source": source},
        ).to_arrow_table()["fact_hash"]
        hashed = rows.append_column(
            "position", pa.array(np.arange(rows.num_rows))
        ).append_column("fact_hash", hashes)
        suspects = _suspects(connection, kinds, hashes)
        if suspects.num_rows:
            connection.register("incoming", hashed)
            connection.register("suspects", suspects)
            hashed = _without(hashed, _told_before(connection, kinds, source))
    finally:
        connection.unregister("incoming")
        connection.unregister("suspects")
    return NewFacts(hashed)


def _suspects(
    connection: duckdb.DuckDBPyConnection,
    kinds: Collection[FactKind],
    hashes: pa.ChunkedArray,
) -> pa.Table:
    """The hashes that are there more than once, or in the store.

    The few that come are kept at hand, and the many that are there run past them.
    """
    import pyarrow as pa

    found = [_repeated(hashes)]
    connection.register("incoming", pa.table({"fact_hash": hashes}))
    for kind in kinds:
        table = table_name(kind)
        if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall():
            stored_hashes = connection.execute(
                f"SELECT DISTINCT fact_hash FROM {table} WHERE fact_hash IN "
                "(SELECT fact_hash FROM incoming)"
            ).to_arrow_table()
            found += stored_hashes["fact_hash"].chunks
    return pa.table({"fact_hash": pa.chunked_array(found, pa.int64())})


def _repeated(hashes: pa.ChunkedArray) -> pa.Array:
    """The hashes that are there more than once."""
    import numpy as np
    import pyarrow as pa

    ordered = np.sort(hashes.to_numpy())
    return pa.array(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))


def _told_before(
    connection: duckdb.DuckDBPyConnection, kinds: Collection[FactKind], source: str
) -> pa.ChunkedArray:
    """Positions of the suspects that say what is in the store, or what an earlier one
    says."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE suspected AS "
        f"SELECT fact_hash, position, {_NAMES} FROM incoming "
        "WHERE fact_hash IN (SELECT fact_hash FROM suspects)"
    )
    same = ", ".join(map(quoted_name, IDENTITY))
    again = (
        "SELECT position FROM suspected QUALIFY row_number() OVER "
        f"(PARTITION BY fact_hash, {same} ORDER BY position) > 1"
    )
    known = " ".join(
        f"UNION SELECT suspected.position FROM suspected JOIN (SELECT * FROM "
        f"({told_rows(kind)}) WHERE source = $source AND fact_hash IN "
        "(SELECT fact_hash FROM suspects)) AS known "
        f"ON known.fact_hash = suspected.fact_hash AND {alike('known', 'suspected')}"
        for kind in kinds
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE dropped AS {again} {known}", {"source": source}
    )
    found = connection.execute("SELECT position FROM dropped").to_arrow_table()
    connection.execute("DROP TABLE suspected")
    connection.execute("DROP TABLE dropped")
    return found["position"]


def _without(hashed: pa.Table, dropped: pa.ChunkedArray) -> pa.Table:
    import pyarrow.compute as pc

    return hashed.filter(pc.invert(pc.is_in(hashed["position"], dropped)))


def insert_facts(
    connection: duckdb.DuckDBPyConnection, fresh: pa.Table, index: int, source: str
) -> None:
    """Insert facts that the store does not have, and what they correct."""
    connection.register("incoming", fresh)
    try:
        for name in sorted(fresh["kind"].unique().to_pylist()):
            kind = FactKind(name)
            columns = ", ".join(stored(kind, column) for column in kept_columns(kind))
            connection.execute(
                f"INSERT INTO {table_name(kind)} "
                f"SELECT $index, fact_hash, $source, {columns} FROM incoming "
                "WHERE kind = $kind",
                {"index": index, "source": source, "kind": name},
            )
        insert_corrections(connection, index, source)
    finally:
        connection.unregister("incoming")


def counted(column: pa.ChunkedArray) -> Counter[str]:
    """How often each text is there."""
    return Counter(
        {row["values"]: row["counts"] for row in column.value_counts().to_pylist()}
    )
