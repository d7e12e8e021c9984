"""What the queries share: the latest fact of each subject, and UTC times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from store.facts import FactKind

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]


def latest(kind: FactKind, keys: str = "subject", prefer: str = "true") -> str:
    """SQL for the fact of a kind that holds now, one for each value of `keys`.

    Facts for which the condition `prefer` holds go first, then the later event time
    wins, then the later entry.
    """
    return (
        f'(SELECT * FROM "{kind.value}" QUALIFY row_number() OVER '
        f"(PARTITION BY {keys} ORDER BY ({prefer}) DESC, "
        "coalesce(high, ended, started) DESC NULLS LAST, entry_index DESC) = 1)"
    )


def latest_runs(prefer: str = "true") -> str:
    """SQL for each run as it is now; see `latest` for `prefer`.

    What events tell of a run adds up over every import: its earliest start, its last
    end with the state at that end (of two at one time the worse), the first of its
    jobs. A tracking server's own account is whole each time, and the latest one holds.
    """
    told_by_event = "starts_with(object, 'job:')"
    return (
        "(SELECT l.* REPLACE (coalesce(m.started, l.started) AS started, "
        "coalesce(m.object, l.object) AS object, coalesce(m.name, l.name) AS name) "
        'FROM (SELECT * FROM "run" QUALIFY row_number() OVER '
        f"(PARTITION BY subject ORDER BY ({prefer}) DESC, "
        f"({told_by_event} AND status = 'RUNNING'), "
        f"CASE WHEN {told_by_event} THEN ended ELSE coalesce(high, ended, started) END "
        f"DESC NULLS LAST, CASE WHEN {told_by_event} THEN status END, "
        "entry_index DESC) = 1) l LEFT JOIN (SELECT subject, min(started) AS started, "
        'min(object) AS object, arg_min(name, object) AS name FROM "run" '
        f"WHERE {told_by_event} GROUP BY subject HAVING count(*) > 1) m "
        "ON m.subject = l.subject AND starts_with(l.object, 'job:'))"
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
