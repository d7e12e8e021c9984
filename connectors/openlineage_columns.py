"""Which columns came of which, as the facets `columnLineage` and `lineage` tell it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.openlineage_names import LONGEST_NAME, dataset_name
from connectors.openlineage_parsing import canonical
from store.identifiers import dataset_key

MOST_COLUMNS = 10_000
"""Links between columns that one facet may tell of; the facet itself is kept."""
COLUMN_LINEAGE = "columnLineage"
LINEAGE = "lineage"


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How the columns of one dataset came to be, by one facet."""

    digest: str
    """SHA-256 of the facet's text."""
    links: tuple[tuple[str, str, str, str], ...]
    """Dataset read, column written, column read, transformations as JSON."""


def column_map(name: str, facet: object, text: str) -> ColumnMap | None:
    """What a facet of a dataset says of its columns; None if it says nothing.

    `text` is the facet as it is kept.
    """
    if not isinstance(facet, dict) or name not in (COLUMN_LINEAGE, LINEAGE):
        return None
    found = _column_lineage(facet) if name == COLUMN_LINEAGE else _lineage(facet)
    return _mapped(found, text)


def entry_maps(facet: object, text: str) -> list[tuple[str, ColumnMap]]:
    """What the lineage facet of a job says of datasets, each by its name."""
    entries = facet.get("entries") if isinstance(facet, dict) else None
    found = []
    for entry in _objects(entries):
        mapped = _mapped(_lineage(entry), text) if _is_dataset(entry) else None
        if mapped is not None:
            found.append((dataset_name(entry), mapped))
    return found


def _mapped(links: Iterator[tuple[str, str, str, str]], text: str) -> ColumnMap | None:
    unique: dict[tuple[str, str, str, str], None] = {}
    for link in links:
        if len(unique) >= MOST_COLUMNS:
            break
        unique[link] = None
    digest = hashlib.sha256(text.encode()).hexdigest()
    return ColumnMap(digest, tuple(sorted(unique))) if unique else None


def _column_lineage(facet: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for column, told in _members(facet.get("fields")):
        for given in _objects(told.get("inputFields")):
            yield from _link(column, given, _transformed(given, told))
    for given in _objects(facet.get("dataset")):
        yield from _link("", given, given.get("transformations"))


def _lineage(facet: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for given in _objects(facet.get("inputs")):
        if _is_dataset(given):
            yield from _link("", given, given.get("transformations"))
    for column, told in _members(facet.get("fields")):
        for given in _objects(told.get("inputs")):
            if _is_dataset(given):
                yield from _link(column, given, given.get("transformations"))


def _transformed(given: Mapping[str, Any], told: Mapping[str, Any]) -> object:
    """The transformations; older producers tell one for all inputs of a column."""
    if given.get("transformations"):
        return given["transformations"]
    kind, description = (
        told.get("transformationType"),
        told.get("transformationDescription"),
    )
    if not isinstance(kind, str) or not kind:
        return None
    return [{"type": kind, "description": description or ""}]


def _link(
    column: str, given: Mapping[str, Any], transformations: object
) -> Iterator[tuple[str, str, str, str]]:
    if not isinstance(given.get("name"), str) or not given["name"]:
        return
    source = given.get("field") or ""
    if not isinstance(source, str) or max(len(source), len(column)) > LONGEST_NAME:
        return
    text = canonical(_objects(transformations))
    yield dataset_key(dataset_name(given)), column, source, text


def _is_dataset(given: Mapping[str, Any]) -> bool:
    return given.get("type", "DATASET") == "DATASET" and isinstance(
        given.get("name"), str
    )


def _members(value: object) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(value, dict):
        return []
    return [(name, told) for name, told in value.items() if isinstance(told, dict)]


def _objects(value: object) -> list[dict[str, Any]]:
    return [e for e in value if isinstance(e, dict)] if isinstance(value, list) else []
