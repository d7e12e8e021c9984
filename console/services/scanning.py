"""How complete the record of each version is, and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.services.catalogue import caught_up
from console.services.gathering import Provenance, provenance_of
from console.services.opened import OpenStore
from policies.evidence import Gap
from store.queries.models import (
    ModelVersion,
    list_versions,
)
from store.queries.narrowing import narrowed_to

if TYPE_CHECKING:
    import duckdb

_VERSIONS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Scanned:
    """A version in a stage, how complete its record is, and what it lacks."""

    version: ModelVersion
    score: int
    """How many of the seven looked-for facts are recorded with evidence."""
    gaps: tuple[Gap, ...]


def scan(store: OpenStore, *, most: int | None = None) -> list[Scanned]:
    """How complete the record of each version is, those with an alias first.

    With `most`, only so many versions are looked at.
    """
    caught_up(store)
    found = []
    with store.projection.reading() as connection:
        versions = sorted(list_versions(connection), key=lambda v: not v.aliases)
        end = len(versions) if most is None else min(most, len(versions))
        for start in range(0, end, _VERSIONS_AT_ONCE):
            some = versions[start : min(start + _VERSIONS_AT_ONCE, end)]
            with narrowed_to(connection, [version.key for version in some]):
                found += [_scanned(connection, version) for version in some]
    return found


def _scanned(connection: duckdb.DuckDBPyConnection, version: ModelVersion) -> Scanned:
    known = provenance_of(connection, version)
    return Scanned(version, _score(known), known.lineage.gaps)


def _score(known: Provenance) -> int:
    lineage, model = known.lineage, known.model
    training = [u for u in lineage.datasets if u.context != "evaluation"]
    return sum(
        (
            bool(training) and all(u.is_evidence for u in training),
            bool(lineage.evaluation_dataset),
            bool(lineage.commits) and all(c.is_known for c in lineage.commits),
            lineage.is_dirty is False,
            bool(model.has_signature),
            bool(known.measured.metrics),
            bool(model.files)
            and not any(g.code == "altered-after-registration" for g in lineage.gaps),
        )
    )
