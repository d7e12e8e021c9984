"""Registered models, their versions, aliases and files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from store.facts import FactKind, Relation
from store.identifiers import split_key
from store.queries.sql import Row, fetch, latest

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that the registry points at one version, and since when it is known."""

    model: str
    name: str
    version: str
    """Version number; empty when the alias was taken away."""
    version_key: str
    low: datetime | None
    """Last seen otherwise."""
    high: datetime | None
    """First seen so."""


@dataclass(frozen=True, slots=True)
class Model:
    """One registered model of one source."""

    key: str
    source: str
    name: str
    version_count: int
    newest_version: str
    aliases: tuple[Alias, ...]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model, as the registry tells it."""

    key: str
    model_key: str
    source: str
    model: str
    version: str
    created: datetime | None
    status: str
    location: str
    manifest_digest: str
    run_key: str
    aliases: tuple[str, ...]
    stage: str

    @property
    def reference(self) -> str:
        """How a person names it."""
        return f"model:{self.source}/{self.model}@{self.version}"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model version, as it was when it was read."""

    path: str
    sha256: str
    size: int
    format: str = ""
    """How the MLmodel file says that it is loaded, or empty."""


def list_models(connection: duckdb.DuckDBPyConnection) -> list[Model]:
    """All registered models, by source and name."""
    rows = fetch(
        connection,
        f"SELECT m.subject, m.source, m.name, count(v.subject) AS versions, "
        "coalesce(arg_max(v.name, try_cast(v.name AS BIGINT)), max(v.name), '') AS "
        f"newest FROM {latest(FactKind.MODEL)} m LEFT JOIN "
        f"{latest(FactKind.MODEL_VERSION)} v ON v.object = m.subject "
        "GROUP BY ALL ORDER BY m.source, m.name",
    )
    aliases = current_aliases(connection)
    return [
        Model(
            key=row["subject"],
            source=row["source"],
            name=row["name"],
            version_count=row["versions"],
            newest_version=row["newest"],
            aliases=tuple(a for a in aliases if a.model == row["subject"]),
        )
        for row in rows
    ]


def model_sources(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Sources that told of a registered model."""
    rows = fetch(connection, "SELECT DISTINCT source FROM model ORDER BY source")
    return [row["source"] for row in rows]


def current_aliases(
    connection: duckdb.DuckDBPyConnection, *, as_of: datetime | None = None
) -> list[Alias]:
    """Aliases in force, by model and name; at `as_of` if given, by event time."""
    moment = None if as_of is None else as_of.replace(tzinfo=None)
    rows = fetch(
        connection,
        "SELECT subject, name, object, low, high FROM alias "
        "WHERE $1::TIMESTAMP IS NULL OR high <= $1 QUALIFY row_number() OVER "
        "(PARTITION BY subject, name ORDER BY high DESC NULLS LAST, entry_index DESC) "
        "= 1 ORDER BY subject, name",
        moment,
    )
    return [_alias(row) for row in rows if row["object"]]


def current_stages(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The stage of every version that is in one, by the version's key."""
    rows = fetch(connection, f"SELECT subject, name FROM {latest(FactKind.STAGE)}")
    return {row["subject"]: row["name"] for row in rows if row["name"]}


def _alias(row: Row) -> Alias:
    version = split_key(row["object"])[1][-1] if row["object"] else ""
    return Alias(
        model=row["subject"],
        name=row["name"],
        version=version,
        version_key=row["object"],
        low=row["low"],
        high=row["high"],
    )


def list_versions(
    connection: duckdb.DuckDBPyConnection,
    *,
    model_key: str = "",
    key: str = "",
    among: Iterable[str] | None = None,
) -> list[ModelVersion]:
    """Versions of one model, one or some by their keys, or all; newest first."""
    wanted = (
        "($1 = '' OR object = $1) AND ($2 = '' OR subject = $2) "
        "AND ($3 OR subject IN (SELECT unnest($4::VARCHAR[])))"
    )
    is_everything = not model_key and not key and among is None
    produced = "true" if is_everything else "object IN (SELECT subject FROM v)"
    rows = fetch(
        connection,
        f"WITH v AS MATERIALIZED {latest(FactKind.MODEL_VERSION, among=wanted)} "
        "SELECT v.*, r.run_key, s.name AS stage FROM v "
        "LEFT JOIN (SELECT object, min(subject) AS run_key FROM edge WHERE name = "
        f"'{Relation.PRODUCED.value}' AND {produced} GROUP BY object) r "
        "ON r.object = v.subject "
        f"LEFT JOIN {latest(FactKind.STAGE)} s ON s.subject = v.subject "
        "ORDER BY v.source, v.object, try_cast(v.name AS BIGINT) DESC NULLS LAST, "
        "v.name DESC",
        model_key,
        key,
        among is None,
        list(among or ()),
    )
    names: dict[str, list[str]] = {}
    for alias in current_aliases(connection):
        names.setdefault(alias.version_key, []).append(alias.name)
    return [_version(row, tuple(names.get(row["subject"], ()))) for row in rows]


def _version(row: Row, aliases: tuple[str, ...]) -> ModelVersion:
    return ModelVersion(
        key=row["subject"],
        model_key=row["object"],
        source=row["source"],
        model=split_key(row["object"])[1][-1],
        version=row["name"],
        created=row["started"],
        status=row["status"],
        location=row["location"],
        manifest_digest=row["digest"],
        run_key=row["run_key"] or "",
        aliases=aliases,
        stage=row["stage"] or "",
    )


def files_of(
    connection: duckdb.DuckDBPyConnection, version_key: str
) -> list[ModelFile]:
    """Files of a version as first read, by path: the manifest that was registered."""
    rows = fetch(
        connection,
        "SELECT name, digest, number, told FROM file LEFT JOIN "
        "(SELECT name AS path, min(text) AS told FROM format WHERE subject = $1 "
        "GROUP BY name) ON path = name WHERE subject = $1 QUALIFY row_number() "
        "OVER (PARTITION BY name ORDER BY entry_index) = 1 ORDER BY name",
        version_key,
    )
    return [
        ModelFile(
            row["name"], row["digest"], int(row["number"] or 0), row["told"] or ""
        )
        for row in rows
    ]


def signature_of(connection: duckdb.DuckDBPyConnection, version_key: str) -> str:
    """The MLmodel signature of a version as JSON, or empty."""
    rows = fetch(
        connection,
        f"SELECT text FROM {latest(FactKind.SIGNATURE)} WHERE subject = ?",
        version_key,
    )
    return str(rows[0]["text"] or "") if rows else ""


def model_signatures_of(
    connection: duckdb.DuckDBPyConnection, version_key: str
) -> list[str]:
    """Every text that an import found in the file with a version's signature."""
    rows = fetch(
        connection,
        "SELECT DISTINCT text FROM model_signature WHERE subject = ? ORDER BY text",
        version_key,
    )
    return [str(row["text"] or "") for row in rows]
