"""What parts of an event are once they were read, and where those are remembered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from connectors.openlineage_columns import ColumnMap

Piece = TypeVar("Piece")
MOST_PIECES = 50_000
MOST_BYTES = 64 * 1024**2
"""Of parts that are known again by their bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Facet:
    """One facet without secrets."""

    name: str
    value: Any
    text: str
    """Canonical JSON; empty if it is too long to be kept."""
    digest: bytes
    """Of the text, to know it again without holding it."""
    problem: str
    is_deleted: bool


@dataclass(slots=True, eq=False)
class Job:
    """A job as one event tells it."""

    key: str
    namespace: str
    name: str
    facets: tuple[Facet, ...]
    commit: str
    entries: tuple[tuple[str, ColumnMap], ...]
    """What its lineage facet says of datasets, by their names."""
    is_told: bool = False


@dataclass(slots=True, eq=False)
class Dataset:
    """A dataset as events tell it, whatever a run did with it."""

    key: str
    version: str
    """Key of its version."""
    namespace: str
    name: str
    digest: str
    schema: str | None
    facets: tuple[Facet, ...]
    checked: tuple[Facet, ...]
    """Facets among the others that are about one run alone."""
    columns: tuple[ColumnMap, ...]
    symlinks: tuple[tuple[str, str, str], ...]
    """Namespace, full name and type of its other names."""
    is_told: bool = False


@dataclass(slots=True, eq=False)
class Touched:
    """A dataset as one event names it, with what that says of the run."""

    dataset: Dataset
    by_run: tuple[tuple[str, Facet], ...]
    """Facets about the run alone, each with where it stands."""
    checks: tuple[tuple[str, str, bool], ...]


@dataclass(slots=True, eq=False)
class Run:
    """A run as one event tells it."""

    key: str
    facets: tuple[Facet, ...]
    parent: str
    """Key of its parent, or empty."""
    params: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]
    is_told: bool = False


@dataclass(slots=True)
class Remembered(Generic[Piece]):
    """Pieces by their bytes; all are forgotten when there are too many."""

    pieces: dict[bytes, Piece] = field(default_factory=dict)
    size: int = 0

    def keep(self, part: bytes, piece: Piece) -> Piece:
        """Remember a piece, and return it."""
        self.size += len(part)
        if len(self.pieces) >= MOST_PIECES or self.size > MOST_BYTES:
            self.pieces.clear()
            self.size = len(part)
        self.pieces[part] = piece
        return piece
