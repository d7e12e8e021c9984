"""CSV files: rows, columns and types, read in bounded memory.

Source of the form: RFC 4180, in UTF-8, with commas. The first line names the columns;
where one of them is a number, it is taken for a row, so that no value of a row is
logged as a name.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

from connectors.data_formats import MOST_COLUMNS, Contents, schema_text
from connectors.data_profile import profile_of
from connectors.errors import MalformedInput

MOST_PROFILED_BYTES = 256 * 1024**2
"""A larger file is told of without types of columns and without a profile."""
MOST_BYTES = 256 * 1024**3
"""Of text, once it is unpacked."""
_LONGEST_LINE = 4 * 1024**2
_BLOCK_BYTES = 2 * _LONGEST_LINE


def csv_contents(name: str, stream: BinaryIO) -> Contents:
    """Read a CSV file, or one packed with gzip.

    Raises:
        MalformedInput: it is none.
    """
    import pyarrow as pa

    unpacked = _Bounded(_unpacked(name, stream), name)
    try:
        start = unpacked.read(MOST_PROFILED_BYTES + 1)
        columns = _columns(name, start)
        if len(start) <= MOST_PROFILED_BYTES:
            return _whole(name, start, columns)
        return _streamed(name, start, unpacked, columns)
    except (pa.ArrowException, EOFError, OSError, ValueError, zlib.error) as cause:
        reason = str(cause).partition("\n")[0]
        raise MalformedInput(
            f"{name} is no CSV file that can be read: {_without_values(reason)}",
            hint="Give CSV in UTF-8 with commas, as RFC 4180 has it.",
        ) from cause


def _unpacked(name: str, stream: BinaryIO) -> BinaryIO:
    return gzip.open(stream, "rb") if name.endswith(".gz") else stream  # type: ignore[return-value]  # a GzipFile reads like one


class _Bounded:
    """Reads a stream up to a bound, whatever it unpacks to."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name, self._read = stream, name, 0

    def read(self, size: int) -> bytes:
        piece = bytearray()
        while len(piece) < size and (more := self._stream.read(size - len(piece))):
            piece += more
        self._read += len(piece)
        if self._read > MOST_BYTES:
            raise MalformedInput(
                f"{self._name} unpacks to more than {MOST_BYTES} bytes"
            )
        return bytes(piece)


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the first line says; `names` are our own where it holds values."""

    names: list[str]
    are_given: bool


def _columns(name: str, start: bytes) -> _Columns:
    head = start[:_LONGEST_LINE].decode("utf-8-sig", "replace")
    if not head.strip():
        raise MalformedInput(f"{name} is empty")
    try:
        line = next(csv.reader(io.StringIO(head, newline="")))
    except (csv.Error, StopIteration) as cause:
        raise MalformedInput(f"{name} has no first line of CSV") from cause
    if len(line) > MOST_COLUMNS:
        raise MalformedInput(f"{name} has more than {MOST_COLUMNS} columns")
    if any(_is_number(text) for text in line):
        return _Columns([f"f{position}" for position in range(len(line))], False)
    return _Columns(line, True)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _reading(columns: _Columns, block_bytes: int, **kinds: Any) -> dict[str, Any]:
    from pyarrow import csv as arrow_csv

    return {
        "read_options": arrow_csv.ReadOptions(
            use_threads=False,
            block_size=block_bytes,
            autogenerate_column_names=not columns.are_given,
        ),
        "parse_options": arrow_csv.ParseOptions(newlines_in_values=True),
        "convert_options": arrow_csv.ConvertOptions(**kinds),
    }


def _whole(name: str, data: bytes, columns: _Columns) -> Contents:
    """All of it as one block, so that a type holds for every row."""
    from pyarrow import csv as arrow_csv

    block = max(len(data) + 1, _BLOCK_BYTES)
    table = arrow_csv.read_csv(io.BytesIO(data), **_reading(columns, block))
    fields = [(field.name, str(field.type)) for field in table.schema]
    profile = profile_of(table.schema, table.num_rows, table.column)
    return Contents(table.num_rows, schema_text(name, fields), profile)


def _streamed(name: str, start: bytes, rest: _Bounded, columns: _Columns) -> Contents:
    """Counts rows block by block, every value as text."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    kinds = dict.fromkeys(columns.names, pa.string())
    reader = arrow_csv.open_csv(
        pa.PythonFile(_Joined(start, rest), mode="r"),
        **_reading(columns, _BLOCK_BYTES, column_types=kinds),
    )
    rows = sum(batch.num_rows for batch in reader)
    fields = [(column, "string") for column in columns.names]
    return Contents(rows, schema_text(name, fields), None)


class _Joined(io.RawIOBase):
    """What was read already, then the rest."""

    def __init__(self, start: bytes, rest: _Bounded) -> None:
        self._start, self._rest = io.BytesIO(start), rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most that many bytes."""
        return self._start.read(size) or self._rest.read(max(size, 0))


def _without_values(reason: str) -> str:
    """What Arrow says, without the rows that it cites."""
    return reason.partition(":")[0][:120]
