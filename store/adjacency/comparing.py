"""Whether the file says what the projection does, by making it once more."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from store.adjacency.building import build
from store.adjacency.layout import AdjacencyDamaged, Mapped
from store.adjacency.opening import adjacency_path, projected_by

if TYPE_CHECKING:
    import duckdb


def compare_with_made_anew(
    connection: duckdb.DuckDBPyConnection, projection: Path
) -> list[str]:
    """What is wrong with the file beside a projection; nothing where there is none, or
    where it is of another projection, which is never read.

    Raises:
        OSError: another one cannot be written.
    """
    file = adjacency_path(projection)
    if not file.exists():
        return []
    wrong = f"the adjacency {file} is not what the projection makes it; delete it"
    try:
        found = Mapped(file)
        found.require_sound()
    except AdjacencyDamaged:
        return [wrong]
    here, made = projected_by(connection).made, found.made
    if made.projection != here.projection or made.applied > here.applied:
        return []
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        again = Path(folder) / "again"
        build(connection, made, again)
        return [] if found.says_as(Mapped(again)) else [wrong]
