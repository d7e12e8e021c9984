"""What the queries share: the latest fact of each subject, and UTC times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from store.facts import FactKind

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]


def latest(
    kind: FactKind, keys: str = "subject", prefer: str = "true", *, among: str = "true"
) -> str:
    """SQL for the fact of a kind that holds now, one for each value of `keys`.

    `among`, a condition on the keys, leaves out what nobody asks for.

    Facts for which the condition `prefer` holds go first, then the later event time
    wins, then the later entry.
    """
    return (
        f'(SELECT * FROM "{kind.value}" WHERE {among} QUALIFY row_number() OVER '
        f"(PARTITION BY {keys} ORDER BY ({prefer}) DESC, "
        "coalesce(high, ended, started) DESC NULLS LAST, entry_index DESC) = 1)"
    )


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
