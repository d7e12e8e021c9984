"""What imports told of the rows of a dataset version: profiles and checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.facts import Strength
from store.queries.sql import fetch

if TYPE_CHECKING:
    import duckdb

_SAME_BYTES = "(SELECT subject FROM dataset_version WHERE digest = $1)"


@dataclass(frozen=True, slots=True)
class ToldCheck:
    """A named check of a dataset version, as one or more runs told of it."""

    name: str
    column: str
    is_passed: bool


def profiles_of(connection: duckdb.DuckDBPyConnection, digest: str) -> tuple[str, ...]:
    """Every different profile of bytes with that digest that an import computed."""
    rows = fetch(
        connection,
        f"SELECT DISTINCT text FROM data_profile WHERE subject IN {_SAME_BYTES} "
        "AND strength = $2 AND text IS NOT NULL ORDER BY text",
        digest,
        Strength.REREAD.value,
    )
    return tuple(row["text"] for row in rows)


def checks_of(
    connection: duckdb.DuckDBPyConnection, digest: str
) -> tuple[ToldCheck, ...]:
    """Every check of bytes with that digest; both answers if runs differ."""
    rows = fetch(
        connection,
        "SELECT DISTINCT name, coalesce(text, '') AS about, status FROM assertion "
        f"WHERE subject IN {_SAME_BYTES} ORDER BY ALL",
        digest,
    )
    return tuple(
        ToldCheck(row["name"], row["about"], row["status"] == "passed") for row in rows
    )
