"""Batches of facts as Parquet: written once from an iterator, read back as tables.

A batch is a plain table with the columns of store.facts.Fact, so any engine can read
it. Which source told it stands in the statement that commits it, not in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from store.facts import COLUMNS, TEXT_COLUMNS, TIME_COLUMNS, Fact, FactKind

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_PER_GROUP = 65_536
"""What admission looks at together, so the texts of a group are looked at once."""
_ALL_FIELDS: Callable[[Fact], tuple[Any, ...]] = attrgetter(*COLUMNS)


def batch_schema() -> pa.Schema:
    """The Arrow schema of a batch."""
    import pyarrow as pa

    types: dict[str, Any] = dict.fromkeys(COLUMNS, pa.string())
    types |= dict.fromkeys(TIME_COLUMNS, pa.timestamp("us"))
    types |= {"number": pa.float64(), "step": pa.int64()}
    return pa.schema([pa.field(name, types[name]) for name in COLUMNS])


class IdleColumns:
    """Columns in which many facts say the same or nothing: made once, and shared."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], pa.Array] = {}

    def completed(self, kind: FactKind, columns: pa.Table) -> pa.Table:
        """Facts of a kind, of which only some columns are given."""
        import pyarrow as pa

        schema, rows = batch_schema(), columns.num_rows
        arrays = [
            columns[name].cast(schema.field(name).type)
            if name in columns.column_names
            else self._of(name, kind.value if name == "kind" else "", rows)
            for name in COLUMNS
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def _of(self, name: str, text: str, rows: int) -> pa.Array:
        import pyarrow as pa

        made = self._made.get((name, text))
        if made is None or len(made) < rows:
            wanted = batch_schema().field(name).type
            is_text = name in TEXT_COLUMNS and name != "text"
            made = (
                pa.repeat(pa.scalar(text, wanted), rows)
                if is_text
                else pa.nulls(rows, wanted)
            )
            self._made[name, text] = made
        return made.slice(0, rows)


def fact_tables(
    facts: Iterable[Fact], most_rows: int = ROWS_PER_GROUP
) -> Iterator[pa.Table]:
    """Facts as tables of a bounded number of rows."""
    import pyarrow as pa

    schema, rest = batch_schema(), iter(facts)
    while pending := list(islice(rest, most_rows)):
        yield pa.Table.from_pydict(_columns(pending), schema)


def batch_writer(path: Path | BinaryIO) -> pq.ParquetWriter:
    """Writes tables of facts to one Parquet file, which is only ever read whole."""
    import pyarrow.parquet as pq

    repeating = [name for name in TEXT_COLUMNS if name != "text"]
    return pq.ParquetWriter(
        path,
        batch_schema(),
        compression="zstd",
        use_dictionary=repeating,
        write_statistics=False,
    )


def write_facts(facts: Iterable[Fact], path: Path) -> int:
    """Write facts to a Parquet file, a bounded number in memory; return how many."""
    written = 0
    with batch_writer(path) as writer:
        for table in fact_tables(facts):
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
            written += table.num_rows
    return written


def _columns(facts: list[Fact]) -> dict[str, list[object]]:
    """The facts column by column; times as UTC without a zone."""
    values = zip(*map(_ALL_FIELDS, facts), strict=True)
    columns = {name: list(column) for name, column in zip(COLUMNS, values, strict=True)}
    for name in TIME_COLUMNS:
        columns[name] = [
            moment and moment.astimezone(UTC).replace(tzinfo=None)
            for moment in columns[name]
        ]
    return columns
