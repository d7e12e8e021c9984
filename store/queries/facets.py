"""What events told beside the links: other names, columns, and facets as they came."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.errors import UnknownReference
from store.identifiers import split_key
from store.queries.sql import Row, fetch

if TYPE_CHECKING:
    import duckdb

MOST_COLUMNS = 2_000
"""Links between columns that are shown of one thing."""
MOST_FACETS = 500
_MARKS = ("_producer", "_schemaURL")


@dataclass(frozen=True, slots=True)
class ColumnLink:
    """One column of data that was written came of one of data that was read."""

    wrote: str
    """Key of the dataset version that was written."""
    column: str
    """Empty where all of it depends."""
    read: str
    """Name of the dataset that was read."""
    read_column: str
    """Empty where it is all of it."""
    transformations: tuple[str, ...]
    """Such as `DIRECT IDENTITY`, or `DIRECT AGGREGATION masked`."""
    strength: str


@dataclass(frozen=True, slots=True)
class ToldFacet:
    """A facet as it was told, without secrets."""

    name: str
    text: str
    run: str
    """Key of the run, where it is about what that run did with the data."""
    is_deleted: bool
    """The event took it away."""

    @property
    def said(self) -> str:
        """The text without who made it, and without the schema that it names."""
        try:
            value = json.loads(self.text)
        except (ValueError, RecursionError):
            return self.text
        if not isinstance(value, dict):
            return self.text
        plain = {name: said for name, said in value.items() if name not in _MARKS}
        return json.dumps(plain, ensure_ascii=False)


def other_names(
    connection: duckdb.DuckDBPyConnection, dataset_key: str
) -> tuple[tuple[str, str], ...]:
    """What else a dataset is called, each name with its type."""
    rows = fetch(
        connection,
        "SELECT DISTINCT name, status FROM symlink WHERE subject = ? ORDER BY ALL",
        dataset_key,
    )
    return tuple((row["name"], row["status"]) for row in rows)


def dataset_called(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The name under which a dataset is recorded that was asked for by some name.

    A dataset's own name goes before what others are also called. Two that share another
    name are not taken for one.

    Raises:
        UnknownReference: several datasets are also called so.
    """
    own = fetch(
        connection,
        "SELECT 1 FROM dataset WHERE name = $1 UNION ALL "
        "SELECT 1 FROM dataset_version WHERE name = $1 LIMIT 1",
        name,
    )
    if own:
        return name
    rows = fetch(
        connection, "SELECT DISTINCT subject FROM symlink WHERE name = ? LIMIT 9", name
    )
    found = sorted(split_key(row["subject"])[1][0] for row in rows)
    if len(found) > 1:
        among = tuple(f"dataset:{other}" for other in found)
        raise UnknownReference(
            f"several datasets are also called {name}",
            candidates=among,
            hint=f"Say which: {', '.join(among)}",
        )
    return found[0] if found else name


def columns_of(
    connection: duckdb.DuckDBPyConnection, *, version: str = "", run: str = ""
) -> tuple[ColumnLink, ...]:
    """Where the columns of a dataset version came from, or of all that a run wrote."""
    rows = fetch(
        connection,
        "SELECT DISTINCT subject, name, object, location, text, strength "
        "FROM column_lineage c "
        "WHERE ($1 = '' OR c.subject = $1) AND ($2 = '' OR EXISTS (SELECT 1 "
        "FROM column_map m WHERE m.subject = $2 AND m.object = c.subject "
        "AND m.digest = c.digest)) "
        "ORDER BY subject, name, object, location, text, strength LIMIT $3",
        version,
        run,
        MOST_COLUMNS,
    )
    return tuple(_link(row) for row in rows)


def facets_of(
    connection: duckdb.DuckDBPyConnection, subject: str
) -> tuple[ToldFacet, ...]:
    """Every facet of a run, job or dataset version, by name."""
    rows = fetch(
        connection,
        "SELECT DISTINCT name, text, object, status FROM facet WHERE subject = ? "
        "ORDER BY name, object, text, status LIMIT ?",
        subject,
        MOST_FACETS,
    )
    return tuple(
        ToldFacet(row["name"], row["text"], row["object"], row["status"] == "deleted")
        for row in rows
    )


def _link(row: Row) -> ColumnLink:
    return ColumnLink(
        wrote=row["subject"],
        column=row["name"],
        read=split_key(row["object"])[1][0],
        read_column=row["location"],
        transformations=tuple(_transformations(row["text"] or "")),
        strength=row["strength"],
    )


def _transformations(text: str) -> list[str]:
    """In words; a stranger's batch may hold anything here."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(told, list):
        return []
    words = []
    for given in told:
        if isinstance(given, dict):
            parts = [given.get("type"), given.get("subtype")]
            parts.append("masked" if given.get("masking") is True else "")
            words.append(
                " ".join(part for part in parts if isinstance(part, str) and part)
            )
    return words
