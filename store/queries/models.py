"""Registered models, their versions, aliases and files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from store.facts import FactKind, Relation
from store.identifiers import split_key
from store.queries.presence import Certainty, had_begun, presence
from store.queries.sql import Row, fetch, last_heard, latest, without_zone
from store.queries.tenures import (
    Change,
    Held,
    alias_changes,
    deletions_of,
    held_at,
    spans,
    stage_changes,
)

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
    seen_until: datetime | None = None
    """Last seen so."""
    not_after: datetime | None = None
    """It cannot have ended later; None: it is not known to have ended."""
    certainty: Certainty | None = None
    """How sure it is that it was so at the moment that was asked for."""
    instead: str | None = None
    """When unobserved: the version that was seen next; empty for none."""


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
    deleted: Change | None = None
    """When its source was first seen to have deleted it."""
    certainty: Certainty | None = None
    """Whether it had been made at the moment that was asked for."""

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


def list_models(
    connection: duckdb.DuckDBPyConnection, *, as_of: datetime | None = None
) -> list[Model]:
    """All registered models, by source and name; at `as_of` with the versions that had
    been made, or may have been, and what aliases pointed at."""
    rows = fetch(
        connection,
        "SELECT m.subject, m.source, m.name, count(v.subject) AS versions, "
        "coalesce(arg_max(v.name, try_cast(v.name AS BIGINT)), max(v.name), '') AS "
        f"newest FROM {latest(FactKind.MODEL)} m LEFT JOIN (SELECT subject, object, "
        f"name FROM {latest(FactKind.MODEL_VERSION)} "
        f"WHERE {had_begun('started', '$1::TIMESTAMP')}) v ON v.object = m.subject "
        "GROUP BY ALL ORDER BY m.source, m.name, m.subject",
        without_zone(as_of),
    )
    aliases = aliases_held(connection, as_of=as_of)
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
    """Aliases in force, by model and name; at `as_of`, as they had last been seen."""
    held = aliases_held(connection, as_of=as_of)
    return [
        alias
        for alias in held
        if alias.version_key
        and (as_of is None or (alias.high is not None and alias.high <= as_of))
    ]


def aliases_held(
    connection: duckdb.DuckDBPyConnection, *, as_of: datetime | None = None
) -> list[Alias]:
    """Aliases that point, or at `as_of` pointed or may have pointed, at a version."""
    heard: dict[str, datetime | None] = {}
    found = []
    for (model, name), changes in sorted(alias_changes(connection).items()):
        source = split_key(model)[1][0]
        if source not in heard:
            heard[source] = last_heard(connection, source)
        held = held_at(spans(changes, heard[source]), as_of)
        if held is not None and (held.value or held.instead):
            found.append(_alias(model, name, held))
    return found


def stages_held(
    connection: duckdb.DuckDBPyConnection, *, as_of: datetime | None = None
) -> dict[str, Held]:
    """The stage of every version that is in one, by the version's key."""
    heard: dict[str, datetime | None] = {}
    found = {}
    for (key, _), changes in stage_changes(connection).items():
        source = split_key(key)[1][0]
        if source not in heard:
            heard[source] = last_heard(connection, source)
        held = held_at(spans(changes, heard[source]), as_of)
        if held is not None and (held.value or held.instead):
            found[key] = held
    return found


def current_stages(
    connection: duckdb.DuckDBPyConnection, *, as_of: datetime | None = None
) -> dict[str, str]:
    """The stage that every version is in, or was last seen in by `as_of`."""
    held = stages_held(connection, as_of=as_of)
    return {key: stage.value for key, stage in held.items() if stage.value}


def _alias(model: str, name: str, held: Held) -> Alias:
    return Alias(
        model=model,
        name=name,
        version=_number(held.value),
        version_key=held.value,
        low=held.not_before,
        high=held.seen_from,
        seen_until=held.seen_until,
        not_after=held.not_after,
        certainty=held.certainty,
        instead=None if held.instead is None else _number(held.instead),
    )


def _number(version_key: str) -> str:
    return split_key(version_key)[1][-1] if version_key else ""


def list_versions(
    connection: duckdb.DuckDBPyConnection,
    *,
    model_key: str = "",
    key: str = "",
    as_of: datetime | None = None,
) -> list[ModelVersion]:
    """Versions of one model, one version by its key, or all; newest first.

    At `as_of` those that had been made, or may have been.
    """
    rows = fetch(
        connection,
        "SELECT v.subject, v.object, v.source, v.name, v.started, v.status, "
        "v.location, v.digest, r.run_key FROM "
        f"{latest(FactKind.MODEL_VERSION)} v "
        "LEFT JOIN (SELECT object, min(subject) AS run_key FROM edge WHERE name = "
        f"'{Relation.PRODUCED.value}' GROUP BY object) r ON r.object = v.subject "
        "WHERE ($1 = '' OR v.object = $1) AND ($2 = '' OR v.subject = $2) "
        f"AND {had_begun('v.started', '$3::TIMESTAMP')} "
        "ORDER BY v.source, v.object, try_cast(v.name AS BIGINT) DESC NULLS LAST, "
        "v.name DESC",
        model_key,
        key,
        without_zone(as_of),
    )
    names: dict[str, list[str]] = {}
    for alias in aliases_held(connection, as_of=as_of):
        names.setdefault(alias.version_key, []).append(alias.name)
    stages = current_stages(connection, as_of=as_of)
    gone = deletions_of(connection, [row["subject"] for row in rows])
    return [
        _version(
            row,
            tuple(names.get(row["subject"], ())),
            stages.get(row["subject"], ""),
            gone.get(row["subject"]),
            presence(row["started"], None, as_of) if as_of else None,
        )
        for row in rows
    ]


def _version(
    row: Row,
    aliases: tuple[str, ...],
    stage: str,
    deleted: Change | None,
    certainty: Certainty | None,
) -> ModelVersion:
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
        stage=stage,
        deleted=deleted,
        certainty=certainty,
    )


def files_of(
    connection: duckdb.DuckDBPyConnection, version_key: str
) -> list[ModelFile]:
    """Files of a version as first read, by path: the manifest that was registered.

    First in the log, whatever time its reader claims: nobody gets before it later.
    """
    rows = fetch(
        connection,
        "SELECT name, digest, number, told FROM file LEFT JOIN "
        "(SELECT name AS path, min(text) AS told FROM format WHERE subject = $1 "
        "GROUP BY name) ON path = name WHERE subject = $1 QUALIFY row_number() "
        "OVER (PARTITION BY name ORDER BY entry_index, digest) = 1 ORDER BY name",
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
        f"SELECT text FROM {latest(FactKind.SIGNATURE, among='subject = ?')}",
        version_key,
    )
    return str(rows[0]["text"] or "") if rows else ""


def flavours_of(
    connection: duckdb.DuckDBPyConnection, version_key: str
) -> list[tuple[str, str]]:
    """Flavours of a version and the version of what loads each."""
    rows = fetch(
        connection,
        f"SELECT name, text FROM {latest(FactKind.FLAVOUR, 'subject, name')} "
        "WHERE subject = ? ORDER BY name",
        version_key,
    )
    return [(row["name"], row["text"] or "") for row in rows]


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
