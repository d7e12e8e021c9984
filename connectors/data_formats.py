"""What is in one file of data: rows, schema, and a profile of its columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import BinaryIO

from connectors.data_profile import profile_of
from connectors.errors import MalformedInput

PARQUET = ".parquet"
CSV = (".csv", ".csv.gz")
SUFFIXES = (PARQUET, *CSV)
MOST_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Contents:
    """What one file of data holds."""

    rows: int
    schema: str
    """Names and types of its columns, as JSON."""
    profile: str | None


def stem_of(name: str) -> str:
    """The name of a file without the suffix that says its format."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def contents_of(name: str, stream: BinaryIO) -> Contents:
    """Read a file of a kind in SUFFIXES from its beginning.

    Raises:
        MalformedInput: it is not what its name says.
    """
    if name.endswith(PARQUET):
        return _of_parquet(name, stream)
    from connectors.data_csv import csv_contents

    return csv_contents(name, stream)


def rows_of_parquet(name: str, stream: BinaryIO) -> int:
    """How many rows the footer of a Parquet file counts.

    Raises:
        MalformedInput: it is no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(stream).num_rows)
    except (pa.ArrowException, OSError, ValueError) as cause:
        raise _no_parquet(name) from cause


def schema_text(name: str, fields: list[tuple[str, str]]) -> str:
    """Names and types of columns as the JSON of a fact.

    Raises:
        MalformedInput: there are too many.
    """
    if len(fields) > MOST_COLUMNS:
        raise MalformedInput(f"{name} has more than {MOST_COLUMNS} columns")
    return json.dumps([{"name": field, "type": kind} for field, kind in fields])


def _of_parquet(name: str, stream: BinaryIO) -> Contents:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(stream)
        rows, schema = int(file.metadata.num_rows), file.schema_arrow
        profile = profile_of(
            schema,
            rows,
            lambda column: file.read(columns=[column], use_threads=False).column(
                column
            ),
        )
    except (pa.ArrowException, OSError, ValueError) as cause:
        raise _no_parquet(name) from cause
    fields = [(field.name, str(field.type)) for field in schema]
    return Contents(rows, schema_text(name, fields), profile)


def _no_parquet(name: str) -> MalformedInput:
    return MalformedInput(
        f"{name} is no Parquet file, or a damaged one", hint="Give Parquet files."
    )
