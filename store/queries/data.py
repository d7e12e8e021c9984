"""What imports told of the rows of a dataset version: profiles and checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from store.facts import Strength
from store.identifiers import EntityKey
from store.queries.facets import dataset_called
from store.queries.presence import accounts_of_runs, had_begun
from store.queries.sql import Row, fetch, without_zone
from store.references import Reference, ReferenceKind

if TYPE_CHECKING:
    import duckdb

MOST_VERSIONS = 1_000
_SAME_BYTES = "(SELECT subject FROM dataset_version WHERE digest = $1)"


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """A snapshot of a dataset and how many runs read it."""

    key: str
    name: str
    digest: str
    location: str
    readers: int


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


def list_dataset_versions(
    connection: duckdb.DuckDBPyConnection, *, as_of: datetime | None = None
) -> list[DatasetVersion]:
    """Dataset versions by name and digest; at `as_of` those that had been made, or may
    have been, with the runs that had begun."""
    readers = "(SELECT subject, object FROM edge WHERE name = 'read')"
    if as_of is not None:
        readers = (
            f"(SELECT e.subject, e.object FROM {readers} e "
            f"LEFT JOIN {accounts_of_runs()} r ON r.subject = e.subject "
            f"WHERE {had_begun('r.started', '$1::TIMESTAMP')})"
        )
    rows = fetch(
        connection,
        "SELECT d.subject, d.name, d.digest, max(d.location) AS location, "
        "count(DISTINCT e.subject) AS readers FROM dataset_version d "
        f"LEFT JOIN {readers} e ON e.object = d.subject "
        "GROUP BY d.subject, d.name, d.digest "
        f"HAVING {had_begun('min(d.started)', '$1::TIMESTAMP')} "
        "ORDER BY d.name, d.digest, d.subject",
        without_zone(as_of),
    )
    return [
        DatasetVersion(
            row["subject"],
            row["name"],
            row["digest"],
            row["location"] or "",
            row["readers"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class ToldDataset:
    """A dataset with its versions, a line each, oldest first."""

    key: EntityKey
    versions: tuple[str, ...]
    """Digest, and when it was made and how many rows it has, where that is told."""


def dataset_told(
    connection: duckdb.DuckDBPyConnection,
    reference: Reference,
    *,
    as_of: datetime | None = None,
) -> ToldDataset | None:
    """The dataset that a reference names without saying which version.

    None where it has one version, or the reference names something else.
    """
    if reference.kind is not ReferenceKind.DATASET or reference.selector:
        return None
    rows = fetch(
        connection,
        "SELECT d.subject, v.digest, max(v.number) AS size, min(v.started) AS made "
        "FROM dataset d LEFT JOIN dataset_version v ON v.object = d.subject "
        "WHERE d.name = $1 GROUP BY d.subject, v.digest "
        f"HAVING {had_begun('made', '$3::TIMESTAMP')} "
        "ORDER BY made NULLS FIRST, v.digest LIMIT $2",
        dataset_called(connection, reference.name),
        MOST_VERSIONS,
        without_zone(as_of),
    )
    keys = {row["subject"] for row in rows}
    versions = tuple(_line(row) for row in rows if row["digest"] is not None)
    if len(keys) != 1 or len(versions) == 1:
        return None
    return ToldDataset(EntityKey(keys.pop()), versions)


def _line(row: Row) -> str:
    made = "" if row["made"] is None else f", made {row['made']:%Y-%m-%dT%H:%M:%SZ}"
    rows = "" if row["size"] is None else f", {row['size']:.0f} rows"
    return f"{row['digest']}{rows}{made}"
