"""What imports told of one dataset version: rows, columns, licence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.identifiers import dataset_key
from store.queries.sql import fetch

if TYPE_CHECKING:
    import duckdb

_MOST_COLUMNS = 10_000
_LICENCE = ("croissant.license", "license", "licence")
"""Tags of a dataset that name its licence, the first that is there."""


@dataclass(frozen=True, slots=True)
class ToldVersion:
    """A dataset version as far as anybody told."""

    rows: int | None
    columns: tuple[tuple[str, str], ...]
    """Name and type, as the source spells it."""
    licence: str


def version_told(
    connection: duckdb.DuckDBPyConnection, name: str, digest: str
) -> ToldVersion:
    """Rows and columns of the bytes with a digest, and the licence of the dataset."""
    rows = fetch(
        connection,
        "SELECT max(number) AS size, min(text) AS columns FROM dataset_version "
        "WHERE name = $1 AND digest = $2",
        name,
        digest,
    )
    found = rows[0] if rows else {"size": None, "columns": None}
    return ToldVersion(
        rows=None if found["size"] is None else int(found["size"]),
        columns=_columns(found["columns"] or ""),
        licence=_licence(connection, name),
    )


def _licence(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    rows = fetch(
        connection,
        "SELECT name, text FROM tag WHERE subject = $1 AND name IN (SELECT unnest($2)) "
        "ORDER BY list_position($2, name), entry_index DESC LIMIT 1",
        dataset_key(name),
        list(_LICENCE),
    )
    return str(rows[0]["text"] or "") if rows else ""


def _columns(text: str) -> tuple[tuple[str, str], ...]:
    try:
        told = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return ()
    if not isinstance(told, list):
        return ()
    return tuple(
        (str(column.get("name", "")), str(column.get("type", "")))
        for column in told[:_MOST_COLUMNS]
        if isinstance(column, dict)
    )
