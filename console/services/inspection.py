"""One thing in detail: its facts and its lineage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from console.services.catalogue import caught_up
from console.services.commit_signatures import commit_fields, commit_signatures
from console.services.gathering import provenance_of
from console.services.moments import NOW, Asked
from console.services.opened import OpenStore
from console.services.told_models import told_of_model
from policies.evidence import Gap
from store.errors import UnknownReference
from store.facts import FactKind
from store.identifiers import dataset_key, kind_of, split_key
from store.queries.data import ToldDataset, dataset_told
from store.queries.facets import (
    ColumnLink,
    ToldFacet,
    columns_of,
    facets_of,
    other_names,
)
from store.queries.lineage import (
    Closure,
    Direction,
    Edge,
    describe,
    neighbours,
    walk,
)
from store.queries.models import (
    ModelVersion,
    flavours_of,
    signature_of,
    stages_held,
)
from store.queries.presence import presence
from store.queries.resolve import resolve, resolve_version
from store.queries.runs import (
    LoggedMetric,
    list_runs,
    metrics_of,
    params_of,
    tags_of,
)
from store.queries.sql import fetch, last_heard, latest
from store.queries.tenures import (
    Held,
    alias_changes,
    held_at,
    spans,
    tags_held,
)
from store.references import (
    Reference,
    ReferenceKind,
    parse_reference,
    readable_reference,
)

if TYPE_CHECKING:
    import duckdb


_LONGEST_FACET_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Details:
    """One thing with everything recorded about it."""

    key: str
    kind: str
    title: str
    fields: tuple[tuple[str, str], ...]
    metrics: tuple[LoggedMetric, ...]
    params: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]
    edges: tuple[Edge, ...]
    gaps: tuple[Gap, ...]
    columns: tuple[ColumnLink, ...] = ()
    facets: tuple[ToldFacet, ...] = ()
    held: tuple[tuple[str, Held], ...] = ()
    """What changes, with the times that are known of it, where a moment is asked."""


def details(store: OpenStore, text: str, asked: Asked = NOW) -> Details:
    """Everything about the one thing a reference names.

    Raises:
        UnknownReference: nothing or several things answer to it, or it had not begun.
    """
    caught_up(store)
    as_of = asked.as_of
    reference = parse_reference(text, default_kind=ReferenceKind.MODEL)
    with store.projection.reading(asked.known_at) as connection:
        if reference.kind is ReferenceKind.MODEL:
            return _version_details(connection, store, reference, as_of)
        if dataset := dataset_told(connection, reference, as_of=as_of):
            return _dataset_details(connection, dataset, as_of)
        key = resolve(connection, reference)
        _require_begun(connection, reference, key, as_of)
        fields: tuple[tuple[str, str], ...] = ()
        if reference.kind is ReferenceKind.RUN:
            fields = _run_fields(connection, key, as_of)
        elif reference.kind is ReferenceKind.COMMIT:
            fields = commit_fields(connection, store, split_key(key)[1][0])
        elif reference.kind is ReferenceKind.DATASET:
            fields = _account(connection, FactKind.DATASET_VERSION, key)
            fields += _also_called(connection, dataset_key(split_key(key)[1][0]))
        columns: tuple[ColumnLink, ...] = ()
        if reference.kind is ReferenceKind.RUN:
            columns = columns_of(connection, run=key)
        elif reference.kind is ReferenceKind.DATASET:
            columns = columns_of(connection, version=key)
        return Details(
            key=key,
            kind=kind_of(key),
            title=readable_reference(key),
            fields=fields,
            metrics=tuple(metrics_of(connection, key, as_of=as_of)),
            params=tuple(params_of(connection, key, as_of=as_of)),
            tags=tuple(tags_of(connection, key, as_of=as_of)),
            edges=_edges(connection, key, as_of),
            gaps=(),
            columns=columns,
            facets=facets_of(connection, key),
            held=_held_tags(connection, key, as_of),
        )


def _also_called(
    connection: duckdb.DuckDBPyConnection, key: str
) -> tuple[tuple[str, str], ...]:
    return tuple(
        ("also called", f"{name} ({kind})" if kind else name)
        for name, kind in other_names(connection, key)
    )


def column_lines(found: Details) -> tuple[tuple[str, str], ...]:
    """Each column with what it came of, in words."""
    lines = []
    for link in found.columns:
        how = f" ({', '.join(link.transformations)})" if link.transformations else ""
        source = f"{link.read} {link.read_column}".strip()
        target = f"{readable_reference(link.wrote)} {link.column}".strip()
        lines.append((target, f"<- {source}{how} [{link.strength}]"))
    return tuple(lines)


def facet_lines(found: Details) -> tuple[tuple[str, str], ...]:
    """Each facet with what it says, in short."""
    lines = []
    for facet in found.facets:
        name = facet.name
        if facet.run:
            name = f"{name} by {readable_reference(facet.run)}"
        text = facet.said
        if len(text) > _LONGEST_FACET_SHOWN:
            text = f"{text[:_LONGEST_FACET_SHOWN]}... ({len(text)} characters)"
        lines.append((name, f"taken away: {text}" if facet.is_deleted else text))
    return tuple(lines)


def _require_begun(
    connection: duckdb.DuckDBPyConnection,
    reference: Reference,
    key: str,
    as_of: datetime | None,
) -> None:
    began = describe(connection, [key])[key].moment
    if as_of is not None and presence(began, None, as_of) is None:
        raise UnknownReference(
            f"{reference} had not begun then",
            hint=f"It began {_time(began)}.",
        )


def _held_tags(
    connection: duckdb.DuckDBPyConnection, key: str, as_of: datetime | None
) -> tuple[tuple[str, Held], ...]:
    if as_of is None:
        return ()
    found = tags_held(connection, FactKind.TAG, key, as_of)
    return tuple((f"tag {name}", held) for name, held in sorted(found.items()))


def _dataset_details(
    connection: duckdb.DuckDBPyConnection, dataset: ToldDataset, as_of: datetime | None
) -> Details:
    """A dataset, where the reference does not say which of its versions is meant."""
    key = dataset.key
    return Details(
        key=key,
        kind=kind_of(key),
        title=readable_reference(key),
        fields=tuple(("version", version) for version in dataset.versions)
        + _also_called(connection, key),
        metrics=(),
        params=(),
        tags=tuple(tags_of(connection, key, as_of=as_of)),
        edges=_edges(connection, key, as_of),
        gaps=(),
        held=_held_tags(connection, key, as_of),
    )


def _account(
    connection: duckdb.DuckDBPyConnection, kind: FactKind, key: str
) -> tuple[tuple[str, str], ...]:
    names = ("name", "digest", "actor", "started", "location", "source")
    return tuple(
        (name, str(row[name]))
        for row in fetch(connection, latest(kind, among="subject = ?")[1:-1], key)
        for name in names
        if row[name]
    )


def _run_fields(
    connection: duckdb.DuckDBPyConnection, key: str, as_of: datetime | None
) -> tuple[tuple[str, str], ...]:
    (run,) = list_runs(connection, limit=1, key=key, as_of=as_of)
    values = {
        "source": run.source,
        "id": run.native_id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "started": _time(run.started),
        "ended": _time(run.ended),
        "user (claimed)": run.user,
    }
    return tuple((name, value) for name, value in values.items() if value)


def _version_details(
    connection: duckdb.DuckDBPyConnection,
    store: OpenStore,
    reference: Reference,
    as_of: datetime | None,
) -> Details:
    version = resolve_version(connection, reference, as_of=as_of)
    provenance = provenance_of(connection, version, as_of=as_of)
    code = commit_signatures(connection, store, provenance.lineage)
    described = tags_held(connection, FactKind.MODEL, version.model_key, as_of)
    values = {
        "source": version.source,
        "model": version.model,
        "description": " ".join(held.value for held in described.values()),
        "version": version.version,
        "created": _time(version.created),
        "status": version.status,
        "deleted": _deleted(version, as_of),
        "aliases": ", ".join(version.aliases),
        "stage": version.stage,
        "run": readable_reference(version.run_key) if version.run_key else "",
        "location": version.location,
        "manifest": provenance.model.manifest if provenance.model.files else "",
        **told_of_model(
            flavours_of(connection, version.key),
            signature_of(connection, version.key),
            provenance.model.files,
        ),
    }
    files = tuple((f"file {file.path}", file.sha256) for file in provenance.model.files)
    held = _held_tags(connection, version.key, as_of)
    if as_of is not None:
        held = (
            *(
                ("description", found)
                for found in described.values()
                if found.value or found.instead
            ),
            *_held_places(connection, version, as_of),
            *held,
        )
    return Details(
        key=version.key,
        kind="model-version",
        title=version.reference,
        fields=tuple((n, v) for n, v in values.items() if v)
        + tuple((f"commit {sha[:12]}", said) for sha, said, _ in code)
        + files,
        metrics=tuple(metrics_of(connection, version.run_key, as_of=as_of)),
        params=provenance.measured.params,
        tags=tuple(tags_of(connection, version.key, as_of=as_of)),
        edges=_edges(connection, version.key, as_of),
        gaps=provenance.lineage.gaps + tuple(gap for *_, gap in code if gap),
        held=held,
    )


def _deleted(version: ModelVersion, as_of: datetime | None) -> str:
    """When it was first seen to be deleted; before, it may have been already."""
    if version.deleted is None:
        return ""
    seen = version.deleted.high
    later = as_of is not None and seen is not None and seen > as_of
    return f"{'perhaps by then; ' if later else ''}first seen so {_time(seen)}"


def _held_places(
    connection: duckdb.DuckDBPyConnection, version: ModelVersion, as_of: datetime
) -> Iterator[tuple[str, Held]]:
    """The stage that a version had, and the aliases that pointed at it."""
    stage = stages_held(connection, as_of=as_of).get(version.key)
    if stage is not None:
        yield "stage", stage
    tracks = alias_changes(connection, version.model_key)
    heard = last_heard(connection, version.source)
    for (_, name), changes in sorted(tracks.items()):
        held = held_at(spans(changes, heard), as_of)
        if held is not None and version.key in (held.value, held.instead):
            number, instead = (
                _number(held.value),
                held.instead and _number(held.instead),
            )
            yield f"alias {name}", replace(held, value=number, instead=instead)


def _number(version_key: str) -> str:
    return split_key(version_key)[1][-1] if version_key else ""


def _edges(
    connection: duckdb.DuckDBPyConnection, key: str, as_of: datetime | None
) -> tuple[Edge, ...]:
    found = [
        edge
        for direction in Direction
        for _, edge in neighbours(connection, [key], direction, as_of=as_of)
    ]
    return tuple(dict.fromkeys(found))


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def lineage(
    store: OpenStore,
    text: str,
    direction: Direction,
    *,
    depth: int,
    asked: Asked = NOW,
) -> Closure:
    """What a thing came from, or what came of it."""
    caught_up(store)
    reference = parse_reference(text, default_kind=ReferenceKind.MODEL)
    with store.projection.reading(asked.known_at) as connection:
        key = resolve(connection, reference, as_of=asked.as_of)
        return walk(connection, key, direction, depth=depth, as_of=asked.as_of)
