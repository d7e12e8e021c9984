"""From what a person typed to the one thing it names, or the nearest ones."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import TYPE_CHECKING

from store.errors import UnknownReference
from store.identifiers import EntityKey
from store.queries.facets import dataset_called
from store.queries.models import ModelVersion, aliases_held, list_versions
from store.queries.sql import fetch
from store.references import Reference, ReferenceKind

if TYPE_CHECKING:
    import duckdb

_MOST_CANDIDATES = 8


def resolve(
    connection: duckdb.DuckDBPyConnection,
    reference: Reference,
    *,
    as_of: datetime | None = None,
) -> EntityKey:
    """The key of the one thing a reference names; a model version as of a moment.

    Raises:
        UnknownReference: nothing or several things answer to it.
    """
    match reference.kind:
        case ReferenceKind.MODEL:
            return EntityKey(resolve_version(connection, reference, as_of=as_of).key)
        case ReferenceKind.RUN:
            return _by_prefix(connection, "run", reference)
        case ReferenceKind.COMMIT:
            return _by_prefix(connection, "commit", reference)
        case ReferenceKind.EXPERIMENT:
            return _by_name(connection, "experiment", reference)
        case ReferenceKind.DATASET:
            return _dataset(connection, reference)
        case _:
            raise UnknownReference(f"{reference} names a statement, not a thing")


def resolve_version(
    connection: duckdb.DuckDBPyConnection,
    reference: Reference,
    *,
    as_of: datetime | None = None,
) -> ModelVersion:
    """The model version a reference names: by number, by alias, or the newest.

    At `as_of` among those that may have been made by then, and an alias as it had last
    been seen, or else was seen first.

    Raises:
        UnknownReference: see resolve.
    """
    versions = list_versions(connection, as_of=as_of)
    matching = [v for v in versions if reference.name in _model_names(v)]
    keys = {v.model_key for v in matching}
    if len(keys) != 1:
        names = {f"model:{name}" for v in versions for name in _model_names(v)}
        among = {f"model:{v.source}/{v.model}" for v in matching}
        raise _unknown(reference, among or names, is_ambiguous=len(keys) > 1)
    if not reference.selector:
        return matching[0]
    aliases = {
        alias.name: alias.version
        for alias in aliases_held(connection, as_of=as_of)
        if alias.model in keys and alias.version
    }
    wanted = aliases.get(reference.selector, reference.selector)
    for version in matching:
        if version.version == wanted:
            return version
    candidates = {v.version for v in matching} | set(aliases)
    raise _unknown(reference, {f"model:{reference.name}@{c}" for c in candidates})


def _model_names(version: ModelVersion) -> tuple[str, str]:
    return version.model, f"{version.source}/{version.model}"


def _by_prefix(
    connection: duckdb.DuckDBPyConnection, view: str, reference: Reference
) -> EntityKey:
    """Runs and commits: by the beginning of their id, or a run by its whole name.

    The id of a run may be a UUID, which has no hyphens here, or a name that has them.
    """
    last = reference.name.split("/")[-1]
    rows = fetch(
        connection,
        f"SELECT DISTINCT subject, name FROM {view} WHERE "
        "starts_with(regexp_extract(subject, '[^:/]*$'), $1) OR name = $2 "
        "OR starts_with(regexp_extract(subject, '[^:/]*$'), $3) "
        "ORDER BY subject LIMIT 50",
        last.lower().replace("-", "") if view == "run" else reference.name.lower(),
        reference.name if view == "run" else "",
        last if view == "run" else reference.name.lower(),
    )
    keys = sorted({str(row["subject"]) for row in rows})
    if len(keys) == 1:
        return EntityKey(keys[0])
    among = {_tail(reference.kind, key) for key in keys}
    if not among:
        everything = fetch(
            connection,
            f"SELECT DISTINCT subject FROM {view} LIMIT 1000",
        )
        among = {_tail(reference.kind, row["subject"]) for row in everything}
    raise _unknown(reference, among, is_ambiguous=len(keys) > 1)


def _tail(kind: ReferenceKind, key: str) -> str:
    return f"{kind.value}:{key.rpartition('/')[2].rpartition(':')[2][:16]}"


def _by_name(
    connection: duckdb.DuckDBPyConnection, view: str, reference: Reference
) -> EntityKey:
    rows = fetch(connection, f"SELECT DISTINCT subject, source, name FROM {view}")
    keys = {
        row["subject"]
        for row in rows
        if reference.name in (row["name"], f"{row['source']}/{row['name']}")
    }
    if len(keys) == 1:
        return EntityKey(keys.pop())
    names = {f"{reference.kind.value}:{row['source']}/{row['name']}" for row in rows}
    raise _unknown(reference, names, is_ambiguous=len(keys) > 1)


def _dataset(connection: duckdb.DuckDBPyConnection, reference: Reference) -> EntityKey:
    rows = fetch(
        connection,
        "SELECT subject, name, digest FROM dataset_version "
        "GROUP BY ALL ORDER BY name, digest",
    )
    prefix, called = reference.selector, dataset_called(connection, reference.name)
    keys = {
        row["subject"]
        for row in rows
        if row["name"] == called
        and (row["digest"].startswith(prefix) or prefix in _bare(row["digest"], prefix))
    }
    if len(keys) == 1:
        return EntityKey(keys.pop())
    near = [row for row in rows if row["name"] == called] or rows
    names = {f"dataset:{row['name']}@{row['digest'][:23]}" for row in near}
    raise _unknown(reference, names, is_ambiguous=len(keys) > 1)


def _bare(digest: str, prefix: str) -> tuple[str, ...]:
    """The digest's value cut to the prefix's length, so hex alone suffices."""
    return (digest.partition(":")[2][: len(prefix)],) if prefix else ()


def _unknown(
    reference: Reference, names: set[str], *, is_ambiguous: bool = False
) -> UnknownReference:
    near = (
        difflib.get_close_matches(
            str(reference), sorted(names), n=_MOST_CANDIDATES, cutoff=0.3
        )
        or sorted(names)[:_MOST_CANDIDATES]
    )
    what = "names more than one thing" if is_ambiguous else "names nothing here"
    listed = ", ".join(near)
    hint = f"Nearest: {listed}" if near else "Import a source: countersign import ..."
    return UnknownReference(f"{reference} {what}", candidates=tuple(near), hint=hint)
