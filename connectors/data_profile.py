"""What is in a file of data, column by column: numbers that rules about data judge.

Only counts, types and the extremes of numbers; no text of any row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

MOST_COLUMNS = 1_000
"""A wider file is told of without a profile."""


def profile_of(
    schema: pa.Schema, rows: int, column_of: Callable[[str], pa.ChunkedArray]
) -> str | None:
    """Rows and columns as JSON, the same on any machine; None for a file too wide."""
    if len(schema) > MOST_COLUMNS or len(set(schema.names)) < len(schema):
        return None
    columns = [
        {"name": field.name, "type": str(field.type)} | _column(column_of(field.name))
        for field in schema
    ]
    return json.dumps({"rows": rows, "columns": columns}, sort_keys=True)


def _column(column: pa.ChunkedArray) -> dict[str, object]:
    import polars as pl
    import pyarrow as pa

    missing = int(column.null_count)
    try:
        values = pl.Series(pl.from_arrow(column)).drop_nulls()
        if values.dtype.is_float():
            present = values.drop_nans()
            missing, values = missing + len(values) - len(present), present
        distinct: int | None = int(values.n_unique())
    except (pa.ArrowException, pl.exceptions.PolarsError, TypeError, ValueError):
        return {"missing": missing, "distinct": None, "least": "", "most": ""}
    least, most = _extremes(values)
    return {"missing": missing, "distinct": distinct, "least": least, "most": most}


def _extremes(values: pl.Series) -> tuple[str, str]:
    """The smallest and the largest number, or nothing."""
    if not values.dtype.is_numeric() or values.is_empty():
        return "", ""
    return str(values.min()), str(values.max())
