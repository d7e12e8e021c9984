"""Values that came back: a tag or a status that is again what it was once before.

Telling it as before would be telling a fact that is known, and the value between would
seem to hold for ever. So it is told as a change, with the times between which it was:
from when the source was last heard to when it is heard now.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from store.facts import COLUMNS, FactKind
from store.projection.batches import batch_schema
from store.queries.sql import LAST_FIRST, last_heard, without_zone

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_TRACKS = {
    FactKind.EXPERIMENT: ("subject", "true"),
    FactKind.MODEL: ("subject", "true"),
    FactKind.RUN: ("subject", "starts_with(object, 'experiment:')"),
    FactKind.TAG: ("subject, name", "true"),
}
"""What a source tells of how a thing is now: the columns that name the thing, and
which of the facts do so. What events add up to is no such thing."""
_CONTENT = tuple(
    name
    for name in COLUMNS
    if name not in ("kind", "subject", "number", "low", "high", "replaces")
)
_ROWS_AT_ONCE = 1_000_000


def returned_facts(
    connection: duckdb.DuckDBPyConnection, incoming: Path, source: str, now: datetime
) -> Iterator[pa.Table]:
    """Facts of a Parquet file that a source told before and since told otherwise, as
    changes that took place by now.

    Looks at the file only where something of the source ever changed.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    kinds = [kind for kind in _TRACKS if _has_changed(connection, kind, source)]
    if not kinds:
        return
    with pq.ParquetFile(incoming) as file:
        for part in file.iter_batches(batch_size=_ROWS_AT_ONCE):
            for kind in kinds:
                told = part.filter(pc.equal(part["kind"], kind.value))
                if told.num_rows:
                    yield from _returned(connection, kind, told, source, now)


def _has_changed(
    connection: duckdb.DuckDBPyConnection, kind: FactKind, source: str
) -> bool:
    """Note what a source told of things that it told of differently; whether any.

    Of those, something was told after its first batch, so most are not looked at.
    """
    keys, condition = _TRACKS[kind]
    told = f'"{kind.value}" WHERE source = $1 AND {condition}'
    first = "(SELECT min(entry_index) FROM heard WHERE source = $1)"
    later = f"SELECT {keys} FROM {told} AND entry_index > {first}"
    several = (
        f"SELECT {keys} FROM {told} AND ({keys}) IN ({later}) "
        f"GROUP BY {keys} HAVING count(*) > 1"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE changed_{kind.value} AS SELECT * EXCLUDE "
        f"(fact_id), row_number() OVER (PARTITION BY {keys} ORDER BY {LAST_FIRST}) "
        f"AS place FROM {told} AND ({keys}) IN ({several})",
        [source],
    )
    row = connection.execute(f"SELECT count(*) FROM changed_{kind.value}").fetchone()
    return bool(row and row[0])


def _returned(
    connection: duckdb.DuckDBPyConnection,
    kind: FactKind,
    told: pa.RecordBatch,
    source: str,
    now: datetime,
) -> Iterator[pa.Table]:
    import pyarrow as pa

    keys, condition = _TRACKS[kind]
    same_thing = " AND ".join(f"now.{k} = known.{k}" for k in keys.split(", "))
    same = " AND ".join(f"now.{n} IS NOT DISTINCT FROM known.{n}" for n in _CONTENT)
    columns = ", ".join(
        {"low": "$low::TIMESTAMP AS low", "high": "$high::TIMESTAMP AS high"}.get(
            name, f'"{name}"'
        )
        for name in COLUMNS
    )
    known = f"SELECT 1 FROM changed_{kind.value} known WHERE {same_thing}"
    connection.register("told_now", pa.Table.from_batches([told]))
    try:
        found = connection.execute(
            f"SELECT DISTINCT {columns} FROM told_now now "
            f"WHERE {condition} AND low IS NULL AND high IS NULL AND replaces = '' "
            f"AND EXISTS ({known} AND place > 1 AND {same}) "
            f"AND NOT EXISTS ({known} AND place = 1 AND {same})",
            {
                "low": without_zone(last_heard(connection, source)),
                "high": without_zone(now),
            },
        ).to_arrow_table()
    finally:
        connection.unregister("told_now")
    if found.num_rows:
        yield found.cast(batch_schema())
