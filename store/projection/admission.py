"""Whether the object of an accepted batch can be used: a matter of its bytes alone.

Anybody with a role may commit a batch, so its bytes are a stranger's. A batch is taken
whole or left out whole: the same bytes get the same answer, for the same reason, on
every machine. A missing object is another thing: it may still come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from store.errors import StoreUnavailable
from store.facts import TEXT_COLUMNS
from store.projection.batches import ROWS_PER_GROUP, batch_schema
from store.projection.fact_checks import UnusableBatch, check_facts

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MOST_ROWS = 50_000_000
MOST_BYTES = 4 * 1024**3
"""Of text in one batch, once it is unpacked."""
_OF_ODD_BYTES = (ValueError, LookupError, TypeError, OverflowError)
"""What Arrow's Python side raises on names and numbers that it did not expect."""


def admit_batch(data: bytes, rows: int | None) -> pa.Table:
    """The table of a batch object; see check_batch for the rest."""
    import pyarrow as pa

    parts: list[pa.RecordBatch] = []
    check_batch(data, rows, lambda part: parts.append(part.cast(batch_schema())))
    return pa.Table.from_batches(parts, batch_schema())


def read_batch(data: bytes) -> pa.Table:
    """The table of a batch object that this process has admitted before."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(data)).cast(batch_schema())


def check_batch(
    data: bytes, rows: int | None, take: Callable[[pa.RecordBatch], None] | None = None
) -> None:
    """Say whether an object is a batch; `take` is given its parts as they are found
    good, their texts as dictionaries.

    `rows` is what its statement promises, or None where nothing does.

    Raises:
        UnusableBatch: it is none that every machine could take in whole.
        StoreUnavailable: this machine lacks the memory to tell.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        plain = pq.ParquetFile(pa.BufferReader(data), arrow_extensions_enabled=False)
        _check_form(plain, rows)
        packed = pq.ParquetFile(
            pa.BufferReader(data),
            read_dictionary=[name for name in TEXT_COLUMNS if name != "text"],
            arrow_extensions_enabled=False,
        )
        for part in _parts(packed):
            check_facts(part)
            if take is not None:
                take(part)
    except MemoryError as cause:
        raise StoreUnavailable(
            "this machine lacks the memory to read a batch of facts",
            hint="End other programs, or read this store on a larger machine.",
        ) from cause
    except (pa.ArrowException, OSError, *_OF_ODD_BYTES) as cause:
        raise UnusableBatch("it is no Parquet file that can be read") from cause


def _check_form(file: pq.ParquetFile, rows: int | None) -> None:
    """What the file says of itself, before any of it is unpacked."""
    told = file.metadata
    if told.num_rows > MOST_ROWS:
        raise UnusableBatch(f"it has more than {MOST_ROWS} rows")
    if rows is not None and told.num_rows != rows:
        raise UnusableBatch(f"it has {told.num_rows} rows; its statement says {rows}")
    if told.num_columns != len(batch_schema()):
        raise UnusableBatch("its columns are not those of a batch")
    if file.schema_arrow.remove_metadata() != batch_schema():
        raise UnusableBatch("its columns are not those of a batch")
    if sum(told.row_group(g).num_rows for g in range(told.num_row_groups)) != (
        told.num_rows
    ):
        raise UnusableBatch("its row groups do not add up")
    if sum(told.row_group(g).total_byte_size for g in range(told.num_row_groups)) > (
        MOST_BYTES
    ):
        raise UnusableBatch(f"it unpacks to more than {MOST_BYTES} bytes")


def _parts(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Unpack the file part by part; one that grows without end is left."""
    unpacked = rows = 0
    for part in file.iter_batches(batch_size=ROWS_PER_GROUP):
        part.validate(full=True)
        unpacked += sum(_bytes_of_text(column) for column in part.columns)
        if unpacked > MOST_BYTES:
            raise UnusableBatch(f"it unpacks to more than {MOST_BYTES} bytes of text")
        rows += part.num_rows
        yield part
    if rows != file.metadata.num_rows:
        raise UnusableBatch("it has other rows than it says")


def _bytes_of_text(column: pa.Array) -> int:
    """How long the texts of a column are once each row has its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        return int(pc.sum(pc.binary_length(column)).as_py() or 0)
    if not pa.types.is_dictionary(column.type):
        return 0
    column.dictionary.validate(full=True)
    lengths = pc.binary_length(column.dictionary)
    return int(pc.sum(pc.take(lengths, column.indices)).as_py() or 0)
