"""Facts as rows of their own kind, which become tables without an object for each.

A kind's rows have the columns that its facts use; the others hold nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from store.facts import COLUMNS, TIME_COLUMNS, Fact, FactKind
from store.projection.batches import ROWS_PER_GROUP, batch_schema

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[str | datetime | None, ...]
"""The values of some columns of a fact; times are aware."""
MOST_CHARACTERS = 64 * 1024**2
"""Of long texts that wait to be passed on."""
_NULLABLE = {"text", "number", "step", *TIME_COLUMNS}


class FactRows:
    """Rows that were told and are not passed on yet."""

    def __init__(self, shapes: dict[FactKind, tuple[str, ...]]) -> None:
        self._shapes = shapes
        self._rows: dict[FactKind, list[Row]] = defaultdict(list)
        self._count = 0
        self._size = 0

    @property
    def is_full(self) -> bool:
        """Whether there is enough to be passed on."""
        return self._count >= ROWS_PER_GROUP or self._size >= MOST_CHARACTERS

    def add(self, kind: FactKind, row: Row, size: int = 0) -> None:
        """One fact, with the values of its kind's columns; `size` if it is long."""
        self._rows[kind].append(row)
        self._count += 1
        self._size += size

    def take_tables(self) -> Iterator[pa.Table]:
        """Everything that was added since, a table for each kind."""
        for kind, rows in self._taken():
            yield _table(kind, self._shapes[kind], rows)

    def take_facts(self) -> Iterator[Fact]:
        """Everything that was added since, a fact for each row."""
        for kind, rows in self._taken():
            for row in rows:
                given: dict[str, Any] = dict(zip(self._shapes[kind], row, strict=True))
                yield Fact(kind=kind, **given)

    def _taken(self) -> list[tuple[FactKind, list[Row]]]:
        taken, self._rows = self._rows, defaultdict(list)
        self._count = self._size = 0
        return list(taken.items())


def _table(kind: FactKind, shape: tuple[str, ...], rows: list[Row]) -> pa.Table:
    import pyarrow as pa

    schema, given = (
        batch_schema(),
        dict(zip(shape, zip(*rows, strict=True), strict=True)),
    )
    columns = []
    for name in COLUMNS:
        wanted = schema.field(name).type
        if name in given and name in TIME_COLUMNS:
            aware = pa.array(given[name], pa.timestamp("us", "UTC"))
            columns.append(aware.cast(wanted))
        elif name in given:
            columns.append(pa.array(given[name], wanted))
        elif name in _NULLABLE:
            columns.append(pa.nulls(len(rows), wanted))
        else:
            constant = kind.value if name == "kind" else ""
            columns.append(pa.repeat(pa.scalar(constant, wanted), len(rows)))
    return pa.Table.from_arrays(columns, schema=schema)
