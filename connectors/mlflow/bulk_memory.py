"""Parts of an MLflow database that are as they were, known by their content alone.

MLflow marks no run as changed when a tag or a metric of it is, so no time and no number
says what to read again. The digest of what was read does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from connectors.protocols import PartMemory

if TYPE_CHECKING:
    import pyarrow as pa

_TELLING = ("bulk_runs.py", "bulk_telling.py", "columns.py", "meanings.py")
"""The modules that decide which facts a part tells."""


class Parts(Protocol):
    """What reads tables part by part; see Engine."""

    def parts(
        self,
        table: str,
        columns: str,
        where: str = "true",
        most_rows: int | None = None,
    ) -> Iterator[pa.Table]:
        """The rows of a table, in columns of one type each."""
        ...


class KnownParts:
    """Reads tables of one source part by part and knows those that were told."""

    def __init__(self, source: str, reader: Parts, memory: PartMemory) -> None:
        self._about = f"{_telling_code()}\0{source}"
        self._reader = reader
        self._memory = memory

    def all(
        self,
        table: str,
        columns: str,
        where: str = "true",
        most_rows: int | None = None,
    ) -> Iterator[tuple[pa.Table, bool]]:
        """Every part of a table, and whether its facts are in the store.

        See Engine.parts for the rest.
        """
        about = f"{self._about}\0{table}\0{columns}\0{where}\0"
        for part in self._reader.parts(table, columns, where, most_rows):
            yield part, self._memory.is_told(part_digest(part, about))

    def changed(
        self, table: str, columns: str, where: str = "true"
    ) -> Iterator[tuple[pa.Table, bool]]:
        """Those parts whose facts are not known to be in the store."""
        for part, is_told in self.all(table, columns, where):
            if not is_told:
                yield part, is_told


def part_digest(part: pa.Table, about: str) -> str:
    """The SHA-256 (hex) of a table's rows in Arrow's IPC form, and what they are."""
    import pyarrow as pa

    whole = part.combine_chunks()
    columns = [form for column in whole.columns for form in _defined(column)]
    plain = pa.table(columns, names=[str(n) for n in range(len(columns))])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    found = hashlib.sha256(about.encode())
    found.update(sink.getvalue())
    return found.hexdigest()


def _defined(column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """Columns of which every byte is defined: what stands beneath a null, and behind
    the last bit of a row of bits, is left to chance."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(column.type):
        yield pa.chunked_array([pa.array([0] * len(column), pa.uint8())])
        return
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if column.null_count:
        yield pc.is_null(column).cast(pa.uint8())
        column = pc.fill_null(column, "" if pa.types.is_string(column.type) else 0)
    yield column


@cache
def _telling_code() -> str:
    """A digest of the code that tells: what other code told is told again."""
    found = hashlib.sha256()
    for name in _TELLING:
        found.update(Path(__file__).with_name(name).read_bytes())
    return found.hexdigest()
