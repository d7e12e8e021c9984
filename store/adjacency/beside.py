"""What is read from DuckDB and kept in memory: what entries brought since the file was
made, and the links of things of which the file does not say all that counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from store.adjacency.base import Base
from store.adjacency.counting import NEVER, Direction, Mark
from store.adjacency.told import links_between, told_between
from store.queries.versionless import OF_DATA, VERSIONLESS, superseded_by

if TYPE_CHECKING:
    import duckdb

Links = dict[str, list[tuple[str, int]]]
"""Key of a thing -> its neighbours' keys, each with the number of a mark."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Links by their ends. Not to change."""

    marks: list[Mark] = field(default_factory=list)
    links: dict[Direction, Links] = field(
        default_factory=lambda: {direction: {} for direction in Direction}
    )


@dataclass(frozen=True, slots=True)
class Beside:
    """What entries from `first` on, before `end`, brought. Not to change."""

    first: int
    end: int
    noted: Noted
    told: dict[str, int]
    """Key of a thing -> the first entry of these that describes it."""


@dataclass(frozen=True, slots=True)
class Revised:
    """All links of some subjects as they count for one horizon, for what is noted of
    them elsewhere."""

    subjects: frozenset[str] = frozenset()
    noted: Noted = field(default_factory=Noted)


def read_beside(connection: duckdb.DuckDBPyConnection, first: int, end: int) -> Beside:
    """Read what some entries brought: a run of rows at the end of each table."""
    rows = connection.execute(links_between(first, end)).fetchall()
    told: dict[str, int] = dict(
        connection.execute(told_between(first, end, "min")).fetchall()
    )
    return Beside(first, end, _noted(rows), told)


def read_revised(
    connection: duckdb.DuckDBPyConnection, subjects: frozenset[str]
) -> Revised:
    """Read the links of some subjects that the connection's horizon shows."""
    rows = connection.execute(
        "SELECT subject, object, name, strength, text, -1, 0, 0 FROM edge "
        "WHERE subject IN (SELECT unnest($1))",
        [sorted(subjects)],
    ).fetchall()
    return Revised(subjects, _noted(rows))


def corrected_subjects(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Things of whose links one was corrected below the connection's horizon."""
    rows = connection.execute(
        "SELECT DISTINCT subject FROM replaced WHERE kind = 'edge' "
        "AND entry_index < getvariable('horizon')"
    ).fetchall()
    return frozenset(str(subject) for (subject,) in rows)


def told_in_parts(base: Base, beside: Beside) -> frozenset[str]:
    """Runs with links both in the file and beside it, some of data without a version:
    neither alone says which of them a version supersedes."""
    found = set()
    for direction, links in beside.noted.links.items():
        for subject, others in links.items():
            touched = [other for other, mark in others if _tells(beside, mark)]
            thing = base.find(subject) if touched else None
            if thing is None:
                continue
            offsets = base.offsets[direction]
            inside = base.neighbours[direction][offsets[thing] : offsets[thing + 1]]
            if any(k.endswith(VERSIONLESS) for k in (*touched, *map(base.key, inside))):
                found.add(subject)
    return frozenset(found)


def _tells(beside: Beside, mark: int) -> bool:
    return beside.noted.marks[mark].relation in OF_DATA


def _noted(rows: Iterable[tuple[Any, ...]]) -> Noted:
    found, numbers, untils = Noted(), dict[Mark, int](), dict[tuple[str, ...], int]()
    rows = list(rows)
    for subject, object_, relation, _, _, entry, *_ in rows:
        if bare := superseded_by((subject, relation, object_)):
            untils[bare] = min(entry, untils.get(bare, NEVER))
    for subject, object_, *said in rows:
        mark = Mark(*said)
        until = untils.get((subject, mark.relation, object_), NEVER)
        mark = replace(mark, until=until)
        number = numbers.setdefault(mark, len(numbers))
        for direction in Direction:
            is_subject = mark.is_subject(direction)
            origin, other = (subject, object_) if is_subject else (object_, subject)
            found.links[direction].setdefault(origin, []).append((other, number))
    found.marks.extend(numbers)
    return found
