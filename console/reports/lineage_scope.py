"""Which part of the lineage goes into a file for others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from console.services.problems import Misuse
from store.identifiers import split_key
from store.queries.lineage import Direction, walk

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Scope:
    """Which runs are wanted; runs count by when they started, or else ended."""

    since: datetime | None = None
    until: datetime | None = None
    model: str = ""

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.since is None and self.until is None and not self.model

    def holds(self, moment: datetime) -> bool:
        """Whether a time lies within."""
        return (self.since is None or moment >= self.since) and (
            self.until is None or moment < self.until
        )


def reached_by_model(connection: duckdb.DuckDBPyConnection, model: str) -> set[str]:
    """Keys of everything that any version of a model came from, and of the versions.

    Raises:
        Misuse: there is no such model.
    """
    versions = [
        key
        for (key,) in connection.execute(
            "SELECT DISTINCT subject FROM model_version ORDER BY subject"
        ).fetchall()
        if model in (split_key(key)[1][1], "/".join(split_key(key)[1][:2]))
    ]
    if not versions:
        raise Misuse(f"no model is named {model!r}", hint="See: countersign models")
    reached: set[str] = set()
    for version in versions:
        reached |= set(walk(connection, version, Direction.UP).nodes)
    return reached
