"""From a connection to the graph that fits it: mapped, made anew where none fits.

A file belongs to one projection, whose rows never change: it stays right when entries
follow, and what they bring is read beside it until that grows too long. Whoever makes
a file waits for another one who does; readers of the file before keep theirs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from store.adjacency.base import Base
from store.adjacency.beside import (
    Beside,
    Revised,
    corrected_subjects,
    read_beside,
    read_revised,
    told_in_parts,
)
from store.adjacency.building import build
from store.adjacency.counting import Counting
from store.adjacency.graph import Graph
from store.adjacency.layout import AdjacencyDamaged, Made, Mapped
from store.adjacency.told import Account, at_horizon, count_between, read_accounts
from store.errors import StoreUnavailable
from store.facts import Strength, microseconds

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")

FEWEST_ROWS = 10_000
"""So many are read from DuckDB in a few hundredths of a second, without a file."""
_ROWS_OF_ONE_BESIDE = 100
"""Beside a file may lie one row for so many in it."""
_MOST_OPEN = 4
_OF_DAMAGE = (AdjacencyDamaged, IndexError, ValueError, OverflowError)
"""What reading an array raises that holds other numbers than were written."""


@dataclass(frozen=True, slots=True)
class _Projected:
    """The projection that a connection reads."""

    made: Made
    horizon: int
    path: Path | None

    @property
    def file(self) -> Path | None:
        return adjacency_path(self.path) if self.path else None


@dataclass(frozen=True, slots=True)
class _Opened:
    base: Base | None
    beside: Beside
    in_parts: frozenset[str]
    """Subjects whose links neither the file nor what lies beside it knows alone."""
    revised: dict[int, Revised] = field(default_factory=dict)
    """By horizon, the links that are read from the views, once they were."""


_lock = threading.RLock()
_opened: dict[tuple[Path | None, str], _Opened] = {}
"""What this process has open, by file and projection."""


def adjacency_path(projection: Path) -> Path:
    """Where the file of a projection lies."""
    return projection.with_name("adjacency")


def ask(
    connection: duckdb.DuckDBPyConnection,
    question: Callable[[Graph], T],
    *,
    as_of: datetime | None = None,
    ignored: Collection[Strength] = (),
    takes_superseded: bool = False,
) -> T:
    """Ask the graph that a connection's projection is, at the connection's horizon.

    Without what began after `as_of`, and without links known in an `ignored` way.
    What was superseded is left out unless it is asked for.

    Raises:
        StoreUnavailable: the file cannot be written.
    """
    projected = projected_by(connection)
    moment = None if as_of is None else microseconds(as_of)
    counts = Counting(projected.horizon, moment, ignored, takes_superseded)
    try:
        return question(_graph(connection, projected, counts))
    except _OF_DAMAGE:
        if not _was_damaged(projected):
            raise
    return question(_graph(connection, projected, counts))


def projected_by(connection: duckdb.DuckDBPyConnection) -> _Projected:
    row = connection.execute(
        "SELECT made, applied, root, getvariable('horizon'), (SELECT path FROM "
        "duckdb_databases() WHERE database_name = current_database()) FROM state"
    ).fetchone()
    if row is None:
        raise StoreUnavailable("the projection has no state", hint="Try again.")
    made, applied, root, horizon, path = row
    return _Projected(
        Made(str(made), int(applied), str(root)),
        int(applied if horizon is None else horizon),
        Path(path) if path else None,
    )


def _graph(
    connection: duckdb.DuckDBPyConnection, projected: _Projected, counts: Counting
) -> Graph:
    def accounts(keys: list[str]) -> dict[str, Account]:
        with at_horizon(connection, projected.horizon) as own:
            return read_accounts(own, keys)

    with _lock:
        opened = _fitting(connection, projected)
        revised = _revised(connection, projected, opened)
    return Graph(opened.base, opened.beside, revised, counts, accounts)


def _revised(
    connection: duckdb.DuckDBPyConnection, projected: _Projected, opened: _Opened
) -> Revised:
    """The links of which the file does not say whether they count: corrected ones, and
    those of runs that are told in parts."""
    found = opened.revised.get(projected.horizon)
    if found is None:
        with at_horizon(connection, projected.horizon) as own:
            subjects = corrected_subjects(own) | opened.in_parts
            found = read_revised(own, subjects) if subjects else Revised()
        opened.revised[projected.horizon] = found
    return found


def _fitting(connection: duckdb.DuckDBPyConnection, projected: _Projected) -> _Opened:
    """What this process has open, if it still fits; else the file that does."""
    place = (projected.file, projected.made.projection)
    opened = _opened.pop(place, None)
    base = opened.base if opened else None
    if projected.file and not (base and base.file.is_at(projected.file)):
        base = _mapped(projected, projected.file)
    if opened is None or not _covers(opened, base, projected):
        if not _is_near(connection, projected, base):
            base = _made(connection, projected)
        first, end = _first(base), projected.made.applied
        beside = read_beside(connection, first, end)
        in_parts = told_in_parts(base, beside) if base else frozenset()
        opened = _Opened(base, beside, in_parts)
    while len(_opened) >= _MOST_OPEN:
        _opened.pop(next(iter(_opened)))
    _opened[place] = opened
    return opened


def _first(base: Base | None) -> int:
    """The first entry that a file knows nothing of."""
    return base.made.applied if base else 0


def _covers(opened: _Opened, base: Base | None, projected: _Projected) -> bool:
    beside = opened.beside
    wanted = (_first(base), projected.made.applied)
    return opened.base is base and (beside.first, beside.end) == wanted


def _mapped(projected: _Projected, file: Path) -> Base | None:
    """The file that is there, if it is of this projection."""
    try:
        base = Base(file)
    except AdjacencyDamaged:
        return None
    fits = base.made.projection == projected.made.projection
    return base if fits and base.made.applied <= projected.made.applied else None


def _is_near(
    connection: duckdb.DuckDBPyConnection, projected: _Projected, base: Base | None
) -> bool:
    """Whether little enough lies beside the file to be read for each question."""
    row = connection.execute(
        count_between(_first(base), projected.made.applied)
    ).fetchone()
    allowed = max(FEWEST_ROWS, base.rows // _ROWS_OF_ONE_BESIDE if base else 0)
    return row is not None and int(row[0]) <= allowed


def _made(connection: duckdb.DuckDBPyConnection, projected: _Projected) -> Base | None:
    """The file, made anew unless somebody else just did."""
    if projected.file is None:
        return None
    try:
        with _making(projected.file) as aside:
            base = _mapped(projected, projected.file)
            if base is None or not _is_near(connection, projected, base):
                build(connection, projected.made, aside)
                os.replace(aside, projected.file)
                base = Base(projected.file)
    except OSError as cause:
        raise StoreUnavailable(
            f"cannot write {projected.file}: {cause.strerror}",
            hint="Check the disk's space and rights; the log itself is untouched.",
        ) from cause
    return base


@contextlib.contextmanager
def _making(file: Path) -> Iterator[Path]:
    """Where to write a file aside, while nobody else on this machine makes it."""
    with open(file.with_name(f"{file.name}.lock"), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        aside = file.with_name(f"{file.name}.new")
        try:
            yield aside
        finally:
            aside.unlink(missing_ok=True)


def _was_damaged(projected: _Projected) -> bool:
    """Read the whole file; one that is not as it was written is taken away."""
    if projected.file is None:
        return False
    with _lock:
        try:
            Mapped(projected.file).require_sound()
        except AdjacencyDamaged:
            projected.file.unlink(missing_ok=True)
            _opened.pop((projected.file, projected.made.projection), None)
            return True
    return False
