"""Values that came back: a tag or a status that is again what it was once before.

Telling it as before would be telling a fact that is known, and the value between would
seem to hold for ever. So it is told as a change, with the times between which it was:
from when the source was last heard to when it is heard now.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Changed:
    """What a source told of things that it told of differently."""

    told: Mapping[FactKind, pa.Table]
    """Its facts of each kind, the present one of each thing in place 1."""
    last_heard: datetime | None


def changed_before(connection: duckdb.DuckDBPyConnection, source: str) -> Changed:
    """What a source told otherwise before than it told last."""
    told = {kind: _changed(connection, kind, source) for kind in _TRACKS}
    return Changed(
        {kind: table for kind, table in told.items() if table.num_rows},
        last_heard(connection, source),
    )


def _changed(
    connection: duckdb.DuckDBPyConnection, kind: FactKind, source: str
) -> pa.Table:
    """Of what changed, something was told after the source's first batch, so most of
    what it told is not looked at."""
    keys, condition = _TRACKS[kind]
    told = f'"{kind.value}" WHERE source = $1 AND {condition}'
    first = "(SELECT min(entry_index) FROM heard WHERE source = $1)"
    later = f"SELECT {keys} FROM {told} AND entry_index > {first}"
    several = (
        f"SELECT {keys} FROM {told} AND ({keys}) IN ({later}) "
        f"GROUP BY {keys} HAVING count(*) > 1"
    )
    return connection.execute(
        "SELECT * EXCLUDE (fact_id), row_number() OVER (PARTITION BY "
        f"{keys} ORDER BY {LAST_FIRST}) AS place FROM {told} AND ({keys}) IN "
        f"({several})",
        [source],
    ).to_arrow_table()


def with_returned(
    tables: Iterable[pa.Table], changed: Changed, now: datetime
) -> Generator[pa.Table]:
    """What a source tells, and behind each table what of it came back by now."""
    if not changed.told:
        yield from tables
        return
    import duckdb

    with duckdb.connect(":memory:") as connection:
        for kind, table in changed.told.items():
            connection.register(f"changed_{kind.value}", table)
        for table in tables:
            yield table
            for kind in changed.told:
                yield from _returned(connection, kind, table, changed, now)


def _returned(
    connection: duckdb.DuckDBPyConnection,
    kind: FactKind,
    table: pa.Table,
    changed: Changed,
    now: datetime,
) -> Iterator[pa.Table]:
    import pyarrow.compute as pc

    told = table.filter(pc.equal(table["kind"], kind.value))
    if not told.num_rows:
        return
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
    connection.register("told_now", told)
    found = connection.execute(
        f"SELECT DISTINCT {columns} FROM told_now now "
        f"WHERE {condition} AND low IS NULL AND high IS NULL AND replaces = '' "
        f"AND EXISTS ({known} AND place > 1 AND {same}) "
        f"AND NOT EXISTS ({known} AND place = 1 AND {same})",
        {"low": without_zone(changed.last_heard), "high": without_zone(now)},
    ).to_arrow_table()
    connection.unregister("told_now")
    if found.num_rows:
        yield found.cast(batch_schema())
