"""What the queries share: which account of a thing holds now, and UTC times.

Which of several facts holds is never a matter of how the log is ordered, but for one
case: two looks at one source within the same second.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from store.facts import FactKind

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]

MOMENT = "coalesce(high, heard)"
"""SQL for when a fact was first seen to be so: its own bound, or when its source was
heard telling it."""
IS_OWN = "(split_part(split_part(subject, ':', 2), '/', 1) = source)"
"""SQL: the source tells of something of its own."""
_CONTENT = "object, name, text, status, started, ended, actor, digest, location, step"
LAST_FIRST = (
    f"{IS_OWN} DESC, source, {MOMENT} DESC, low DESC NULLS LAST, "
    "CASE WHEN high IS NULL THEN entry_index END DESC NULLS FIRST, "
    + ", ".join(f"{column} DESC NULLS LAST" for column in _CONTENT.split(", "))
)
"""SQL that puts the account first that holds now.

A source goes first in what is its own, then by its name, so that which of two was
imported later decides nothing. Of one source, what it was last seen or heard to say.
"""


def latest(
    kind: FactKind, keys: str = "subject", *, prefer: str = "", among: str = ""
) -> str:
    """SQL for the fact of a kind that holds now, one for each value of `keys`.

    `prefer` is what they are ordered by before anything else; `among`, a condition on
    the keys, leaves out what nobody asks for. What was told once is not ordered at all:
    that is nearly everything.
    """
    order = ", ".join(filter(None, [prefer, LAST_FIRST]))
    told = f'SELECT * FROM "{kind.value}"'
    first = f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {order}) = 1"
    if among:
        return f"({told} WHERE {among} {first})"
    several = f"SELECT {keys} FROM ({told}) GROUP BY {keys} HAVING count(*) > 1"
    return (
        f"({told} WHERE ({keys}) NOT IN ({several}) UNION ALL "
        f"(SELECT * FROM ({told} WHERE ({keys}) IN ({several})) {first}))"
    )


def without_zone(moment: datetime | None) -> datetime | None:
    """A time as the projection keeps it: UTC, and no zone."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, *values: object
) -> list[Row]:
    """Run one query and return its rows by column name, times as aware UTC."""
    cursor = connection.execute(sql, list(values))
    names = [column[0] for column in cursor.description or ()]
    return [
        {
            name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in cursor.fetchall()
    ]


def last_heard(connection: duckdb.DuckDBPyConnection, source: str) -> datetime | None:
    """When a source last told anything new; None if it never did."""
    rows = fetch(
        connection,
        "SELECT max(heard) AS heard FROM heard "
        "WHERE source = ? AND entry_index < getvariable('horizon')",
        source,
    )
    moment = rows[0]["heard"] if rows else None
    return moment if isinstance(moment, datetime) else None
