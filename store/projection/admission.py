"""Whether the object of an accepted batch can be used: a matter of its bytes alone.

Anybody with a role may commit a batch, so its bytes are a stranger's. A batch is taken
whole or left out whole: the same bytes get the same answer, for the same reason, on
every machine. A missing object is another thing: it may still come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.errors import StoreUnavailable
from store.facts import TEXT_COLUMNS, TIME_COLUMNS, FactKind, Relation, Strength
from store.projection.batches import batch_schema

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MOST_ROWS = 50_000_000
MOST_BYTES = 4 * 1024**3
"""Of text in one batch, once it is unpacked."""
_MOST_ROWS_AT_ONCE = 65_536
_LARGEST_NUMBER = 2.0**53
_OF_ODD_BYTES = (ValueError, LookupError, TypeError, OverflowError)
"""What Arrow's Python side raises on names and numbers that it did not expect."""
_FIRST_YEAR, _LAST_YEAR = -62_135_596_800_000_000, 253_402_300_799_999_999
"""0001-01-01 and 9999-12-31 in microseconds since 1970: what a date can say."""

_PART = r"[A-Za-z0-9_.~%-]*"
_PARTS_OF = {
    "experiment": 2,
    "run": 2,
    "model": 2,
    "model-version": 3,
    "job": 3,
    "dataset": 1,
    "dataset-version": 2,
    "commit": 1,
    "repository": 1,
}
_SUBJECT_OF = {
    FactKind.EXPERIMENT: "experiment",
    FactKind.RUN: "run",
    FactKind.JOB: "job",
    FactKind.DATASET: "dataset",
    FactKind.DATASET_VERSION: "dataset-version",
    FactKind.DATA_PROFILE: "dataset-version",
    FactKind.ASSERTION: "dataset-version",
    FactKind.COMMIT: "commit",
    FactKind.MODEL: "model",
    FactKind.MODEL_VERSION: "model-version",
    FactKind.FILE: "model-version",
    FactKind.SIGNATURE: "model-version",
    FactKind.ALIAS: "model",
    FactKind.STAGE: "model-version",
}
_OBJECT_OF = {
    Relation.READ: "dataset-version",
    Relation.WROTE: "dataset-version",
    Relation.USED: "commit",
    Relation.PRODUCED: "model-version",
    Relation.SERVES: "model-version",
    Relation.CONTAINS: "run",
}


class UnusableBatch(Exception):
    """The bytes are no batch, and never will be; the message says why."""


def admit_batch(data: bytes, rows: int | None) -> pa.Table:
    """The table of a batch object.

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
            read_dictionary=list(TEXT_COLUMNS),
            arrow_extensions_enabled=False,
        )
        table = _read(packed)
        _check_facts(table)
    except MemoryError as cause:
        raise StoreUnavailable(
            "this machine lacks the memory to read a batch of facts",
            hint="End other programs, or read this store on a larger machine.",
        ) from cause
    except (pa.ArrowException, OSError, *_OF_ODD_BYTES) as cause:
        raise UnusableBatch("it is no Parquet file that can be read") from cause
    return table


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


def _read(file: pq.ParquetFile) -> pa.Table:
    """Unpack the file part by part; one that grows without end is left."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[pa.RecordBatch] = []
    unpacked = 0
    for part in file.iter_batches(batch_size=_MOST_ROWS_AT_ONCE):
        part.validate(full=True)
        for column in part.columns:
            if pa.types.is_dictionary(column.type):
                column.dictionary.validate(full=True)
                lengths = pc.binary_length(column.dictionary)
                spread = pc.sum(pc.take(lengths, column.indices)).as_py()
                unpacked += int(spread or 0)
        if unpacked > MOST_BYTES:
            raise UnusableBatch(f"it unpacks to more than {MOST_BYTES} bytes of text")
        parts.append(part.cast(batch_schema()))
    table = pa.Table.from_batches(parts, batch_schema())
    if table.num_rows != file.metadata.num_rows:
        raise UnusableBatch("it has other rows than it says")
    return table


def _check_facts(table: pa.Table) -> None:
    """Every row is a fact that the readers of the projection can bear."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in TEXT_COLUMNS:
        if name != "text" and table[name].null_count:
            raise UnusableBatch(f"a fact lacks its {name}")
    for name in TIME_COLUMNS:
        _require(
            _within(table[name].cast(pa.int64()), _FIRST_YEAR, _LAST_YEAR),
            f"a time in {name} is outside the years 1 to 9999",
        )
    kinds = pa.array([kind.value for kind in FactKind])
    _require(pc.is_in(table["kind"], kinds), "it holds facts of an unknown kind")
    _require(_is_key(table["subject"]), "a subject is no key of a thing")
    _require(
        pc.or_(pc.equal(table["object"], ""), _is_key(table["object"])),
        "an object is no key of a thing",
    )
    replaced = table["replaces"].filter(pc.not_equal(table["replaces"], ""))
    _require(
        pc.match_substring_regex(replaced, r"\A[0-9a-f]{64}\z"),
        "what a fact replaces is no id of a fact",
    )
    for kind, wanted in _SUBJECT_OF.items():
        rows = table.filter(pc.equal(table["kind"], kind.value))
        _require(
            pc.starts_with(rows["subject"], f"{wanted}:"),
            f"a fact of kind {kind.value} is about something else",
        )
    _check_edges(table.filter(pc.equal(table["kind"], FactKind.EDGE.value)))
    files = table.filter(pc.equal(table["kind"], FactKind.FILE.value))
    _require(
        _within(files["number"], 0.0, _LARGEST_NUMBER), "the size of a file is no size"
    )


def _check_edges(edges: pa.Table) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    relations = pa.array([relation.value for relation in Relation])
    strengths = pa.array([strength.value for strength in Strength])
    _require(pc.is_in(edges["name"], relations), "it holds links of an unknown kind")
    _require(
        pc.is_in(edges["strength"], strengths),
        "a link does not say how it came to be known",
    )
    for relation, wanted in _OBJECT_OF.items():
        rows = edges.filter(pc.equal(edges["name"], relation.value))
        _require(
            pc.starts_with(rows["object"], f"{wanted}:"),
            f"a link of kind {relation.value} leads to something else",
        )


def _is_key(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each text is a key, with as many parts as its kind has."""
    import pyarrow.compute as pc

    known = "|".join(
        f"{kind}:" + "/".join([_PART] * parts) for kind, parts in _PARTS_OF.items()
    )
    other = rf"\A[a-z][a-z0-9-]*:{_PART}(/{_PART})*\z"
    return pc.or_(
        pc.match_substring_regex(column, rf"\A(?:{known})\z"),
        pc.and_not(
            pc.match_substring_regex(column, other),
            pc.match_substring_regex(column, rf"\A(?:{'|'.join(_PARTS_OF)}):"),
        ),
    )


def _within(column: pa.ChunkedArray, lowest: float, highest: float) -> pa.ChunkedArray:
    """Whether each number lies between two others; what is absent does."""
    import pyarrow.compute as pc

    between = pc.and_(pc.greater_equal(column, lowest), pc.less_equal(column, highest))
    return pc.fill_null(between, True)


def _require(holds: pa.ChunkedArray, otherwise: str) -> None:
    import pyarrow.compute as pc

    if pc.all(holds, min_count=0).as_py() is False:
        raise UnusableBatch(otherwise)
