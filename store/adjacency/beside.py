"""What entries brought since the file was made, read from DuckDB and kept in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from store.adjacency.counting import Direction, Mark
from store.adjacency.told import links_between, told_between

if TYPE_CHECKING:
    import duckdb

Links = dict[str, list[tuple[str, int]]]
"""Key of a thing -> its neighbours' keys, each with the number of a mark."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Links and sayings of entries from `first` on, before `end`. Not to change."""

    first: int
    end: int
    marks: list[Mark] = field(default_factory=list)
    links: dict[Direction, Links] = field(
        default_factory=lambda: {direction: {} for direction in Direction}
    )
    told: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    """Key of a thing -> entry, moment and label of each saying."""


def read_beside(connection: duckdb.DuckDBPyConnection, first: int, end: int) -> Beside:
    """Read what some entries brought: a run of rows at the end of each table."""
    found = Beside(first, end)
    numbers: dict[Mark, int] = {}
    rows = connection.execute(links_between(first, end)).fetchall()
    for subject, object_, *said in rows:
        mark = Mark(*said)
        number = numbers.setdefault(mark, len(numbers))
        for direction in Direction:
            is_subject = mark.is_subject(direction)
            origin, other = (subject, object_) if is_subject else (object_, subject)
            found.links[direction].setdefault(origin, []).append((other, number))
    found.marks.extend(numbers)
    told = connection.execute(told_between(first, end)).fetchall()
    for key, label, moment, entry in told:
        found.told.setdefault(key, []).append((entry, moment, label))
    return found
