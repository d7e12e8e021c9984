"""Tables of MLflow's SQLite database as Arrow, part by part, no Python object a value.

A part is read in one short transaction, in the order in which the rows lie, so a server
that writes to the same file is not kept waiting. What SQLite's loose typing allows and
MLflow never writes is not guessed at: it is left to the reader that goes row by row.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorUnavailable
from connectors.mlflow.rows import UnusualValue

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 250_000
_BUSY_MS = 10_000
one_library = threading.RLock()
"""Two copies of SQLite in one process drop each other's locks on a file when either
closes it: whoever has a file open through one holds this."""


class DatabaseParts:
    """Reads rows of one database file, in the order of their row ids."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.resolve().as_uri()}?mode=ro"
        self._path = path

    def parts(
        self,
        table: str,
        columns: str,
        where: str = "true",
        most_rows: int | None = None,
    ) -> Iterator[pa.Table]:
        """The columns (SQL, each of one type in all rows) of the rows of a table.

        A column named `odd`, where there is one, says whether a row is unusual. Parts
        end at row ids that are multiples of `most_rows`, so a table that grows, or
        loses a row, keeps its other parts as they were.

        Raises:
            UnusualValue: a row of the part is; the parts before it stand.
            ConnectorUnavailable: the file cannot be read now.
        """
        last, rows = -(2**63), most_rows or ROWS_AT_ONCE
        while True:
            part = self._read(
                f"SELECT rowid AS place, {columns} FROM {table} WHERE rowid > {last:d} "
                f"AND {where} ORDER BY rowid LIMIT {rows:d}"
            )
            is_last = part.num_rows < rows
            if not is_last:
                part = _cut(part, last, rows)
            if not part.num_rows:
                return
            last = part["place"][-1].as_py()
            yield usual(part.drop_columns(["place"]))
            if is_last:
                return

    def _read(self, query: str) -> pa.Table:
        from adbc_driver_manager import Error

        try:
            with (
                one_library,
                _connected(self._uri) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS:d}")
                cursor.execute("PRAGMA trusted_schema = OFF")
                cursor.adbc_statement.set_options(
                    **{"adbc.sqlite.query.batch_rows": str(ROWS_AT_ONCE)}
                )
                cursor.execute(query)
                return cursor.fetch_arrow_table()
        except (Error, OSError) as cause:
            raise ConnectorUnavailable(
                f"cannot read {self._path}: {str(cause)[:200]}",
                hint="Check that the file is there and may be read.",
            ) from cause


def _cut(part: pa.Table, last: int, rows: int) -> pa.Table:
    """The part up to the last multiple of `rows` among its places, if there is one."""
    import pyarrow.compute as pc

    end = part["place"][-1].as_py() // rows * rows
    if end <= last:
        return part
    return part.slice(0, pc.sum(pc.less_equal(part["place"], end)).as_py())


@contextlib.contextmanager
def _connected(uri: str) -> Iterator[Any]:
    from adbc_driver_sqlite.dbapi import connect

    connection = connect(uri)
    try:
        yield connection
    finally:
        connection.close()


def usual(part: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        part.validate(full=True)
    except pa.ArrowInvalid as cause:
        raise UnusualValue(str(cause)[:200]) from cause
    if "odd" in part.column_names:
        if pc.any(pc.not_equal(part["odd"], 0)).as_py():
            raise UnusualValue("a value has another type than MLflow gives it")
        part = part.drop_columns(["odd"])
    return part
