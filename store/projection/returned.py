"""Values that came back: a tag or a status that is again what it was once before.

Telling it as before would be telling a fact that is known, and the value between would
seem to hold for ever. So it is told as a change, with the times between which it was:
from when the source was last heard to when it is heard now.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from store.facts import COLUMNS, FactKind
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


_SECOND = (
    "(SELECT min(entry_index) FROM heard WHERE source = $1 AND heard <> "
    "(SELECT arg_min(heard, entry_index) FROM heard WHERE source = $1))"
)
"""The first entry of a source, parameter 1, that says when it was heard once more."""


class Returning:
    """Looks, in what one source tells now, for what it told before and since told
    otherwise."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, source: str, now: datetime
    ) -> None:
        self._source = source
        self._now = now
        self._heard = last_heard(connection, source)
        self._has_changed: dict[FactKind, bool] = {}

    def with_returned(
        self, connection: duckdb.DuckDBPyConnection, rows: pa.Table
    ) -> pa.Table:
        """Rows of facts, and behind them those that came back, as changes that took
        place by now.

        Looks at the rows only where something of the source ever changed.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._heard is None:
            return rows
        tables = [rows]
        told = set(rows["kind"].unique().to_pylist())
        for kind in (kind for kind in _TRACKS if kind.value in told):
            if self._changed(connection, kind):
                these = rows.filter(pc.equal(rows["kind"], kind.value))
                tables.append(self._returned(connection, kind, these))
        return pa.concat_tables(tables)

    def _changed(self, connection: duckdb.DuckDBPyConnection, kind: FactKind) -> bool:
        """Whether the source told of anything of a kind differently; asked once.

        Of such a thing something was told after the source was heard first, which may
        be in several batches, so most are not looked at.
        """
        if kind not in self._has_changed:
            keys, _ = _TRACKS[kind]
            later = f"SELECT {keys} FROM {_told(kind)} AND entry_index >= {_SECOND}"
            found = connection.execute(
                f"SELECT 1 FROM {_told(kind)} AND ({keys}) IN ({later}) "
                f"GROUP BY {keys} HAVING count(*) > 1 LIMIT 1",
                [self._source],
            ).fetchone()
            self._has_changed[kind] = found is not None
        return self._has_changed[kind]

    def _returned(
        self, connection: duckdb.DuckDBPyConnection, kind: FactKind, told: pa.Table
    ) -> pa.Table:
        """Those of some facts of a kind that came back."""
        keys, condition = _TRACKS[kind]
        same_thing = " AND ".join(f"now.{k} = known.{k}" for k in keys.split(", "))
        same = " AND ".join(f"now.{n} IS NOT DISTINCT FROM known.{n}" for n in _CONTENT)
        columns = ", ".join(
            {"low": "$low::TIMESTAMP AS low", "high": "$high::TIMESTAMP AS high"}.get(
                name, f'"{name}"'
            )
            for name in told.column_names
        )
        known = f"SELECT 1 FROM changed known WHERE {same_thing}"
        connection.register("told_now", told)
        try:
            self._note_changed(connection, kind)
            found = connection.execute(
                f"SELECT DISTINCT {columns} FROM told_now now "
                f"WHERE {condition} AND low IS NULL AND high IS NULL AND replaces = '' "
                f"AND EXISTS ({known} AND place > 1 AND {same}) "
                f"AND NOT EXISTS ({known} AND place = 1 AND {same})",
                {"low": without_zone(self._heard), "high": without_zone(self._now)},
            ).to_arrow_table()
        finally:
            connection.unregister("told_now")
        return found.cast(told.schema)

    def _note_changed(
        self, connection: duckdb.DuckDBPyConnection, kind: FactKind
    ) -> None:
        """Keep in a table what was told differently of the things in `told_now`."""
        keys, _ = _TRACKS[kind]
        several = (
            f"SELECT {keys} FROM {_told(kind)} AND ({keys}) IN "
            f"(SELECT {keys} FROM told_now) GROUP BY {keys} HAVING count(*) > 1"
        )
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE changed AS SELECT * EXCLUDE (fact_id), "
            f"row_number() OVER (PARTITION BY {keys} ORDER BY {LAST_FIRST}) AS place "
            f"FROM {_told(kind)} AND ({keys}) IN ({several})",
            [self._source],
        )


def _told(kind: FactKind) -> str:
    """SQL for what a source, the first parameter, told of how things are."""
    _, condition = _TRACKS[kind]
    return f'"{kind.value}" WHERE source = $1 AND {condition}'
