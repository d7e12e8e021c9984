"""One thing in detail: its facts and its lineage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from console.services.catalogue import caught_up
from console.services.commit_signatures import commit_fields, commit_signatures
from console.services.gathering import provenance_of
from console.services.opened import OpenStore
from console.services.told_models import told_of_model
from policies.evidence import Gap
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
from store.queries.lineage import Closure, Direction, Edge, neighbours, walk
from store.queries.models import flavours_of, signature_of
from store.queries.resolve import resolve, resolve_version
from store.queries.runs import (
    LoggedMetric,
    Run,
    list_runs,
    metrics_of,
    params_of,
    tags_of,
)
from store.queries.sql import fetch
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


def details(store: OpenStore, text: str, known_at: int | None = None) -> Details:
    """Everything about the one thing a reference names."""
    caught_up(store)
    reference = parse_reference(text, default_kind=ReferenceKind.MODEL)
    with store.projection.reading(known_at) as connection:
        if reference.kind is ReferenceKind.MODEL:
            return _version_details(connection, store, reference)
        if dataset := dataset_told(connection, reference):
            return _dataset_details(connection, dataset)
        key = resolve(connection, reference)
        fields: tuple[tuple[str, str], ...] = ()
        if reference.kind is ReferenceKind.RUN:
            fields = _run_fields(list_runs(connection, limit=1, key=key)[0])
        elif reference.kind is ReferenceKind.COMMIT:
            fields = commit_fields(connection, store, split_key(key)[1][0])
        elif reference.kind is ReferenceKind.DATASET:
            fields = _first_row(connection, FactKind.DATASET_VERSION, key)
            fields += _also_called(connection, dataset_key(split_key(key)[1][0]))
        is_run = reference.kind is ReferenceKind.RUN
        is_data = reference.kind is ReferenceKind.DATASET
        columns: tuple[ColumnLink, ...] = ()
        if is_run or is_data:
            asked = {"run": key} if is_run else {"version": key}
            columns = columns_of(connection, **asked)
        return Details(
            key=key,
            kind=kind_of(key),
            title=readable_reference(key),
            fields=fields,
            metrics=tuple(metrics_of(connection, key)),
            params=tuple(params_of(connection, key)),
            tags=tuple(tags_of(connection, key)),
            edges=_edges(connection, key),
            gaps=(),
            columns=columns,
            facets=facets_of(connection, key),
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


def _dataset_details(
    connection: duckdb.DuckDBPyConnection, dataset: ToldDataset
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
        tags=tuple(tags_of(connection, key)),
        edges=_edges(connection, key),
        gaps=(),
    )


def _first_row(
    connection: duckdb.DuckDBPyConnection, kind: FactKind, key: str
) -> tuple[tuple[str, str], ...]:
    rows = fetch(
        connection,
        f'SELECT name, digest, actor, started, location, source FROM "{kind.value}" '  # noqa: S608 - a fact kind
        "WHERE subject = ? ORDER BY entry_index LIMIT 1",
        key,
    )
    return tuple(
        (name, str(value)) for row in rows for name, value in row.items() if value
    )


def _run_fields(run: Run) -> tuple[tuple[str, str], ...]:
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
    connection: duckdb.DuckDBPyConnection, store: OpenStore, reference: Reference
) -> Details:
    version = resolve_version(connection, reference)
    provenance = provenance_of(connection, version)
    code = commit_signatures(connection, store, provenance.lineage)
    values = {
        "source": version.source,
        "model": version.model,
        "version": version.version,
        "created": _time(version.created),
        "status": version.status,
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
    return Details(
        key=version.key,
        kind="model-version",
        title=version.reference,
        fields=tuple((n, v) for n, v in values.items() if v)
        + tuple((f"commit {sha[:12]}", said) for sha, said, _ in code)
        + files,
        metrics=tuple(metrics_of(connection, version.run_key)),
        params=provenance.measured.params,
        tags=tuple(tags_of(connection, version.key)),
        edges=_edges(connection, version.key),
        gaps=provenance.lineage.gaps + tuple(gap for *_, gap in code if gap),
    )


def _edges(connection: duckdb.DuckDBPyConnection, key: str) -> tuple[Edge, ...]:
    found = [
        edge
        for direction in Direction
        for _, edge in neighbours(connection, [key], direction)
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
    as_of: datetime | None = None,
    known_at: int | None = None,
) -> Closure:
    """What a thing came from, or what came of it."""
    caught_up(store)
    reference = parse_reference(text, default_kind=ReferenceKind.MODEL)
    with store.projection.reading(known_at) as connection:
        key = resolve(connection, reference)
        return walk(connection, key, direction, depth=depth, as_of=as_of)
