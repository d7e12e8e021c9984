"""MLflow's tables in a SQLite file, read-only.

Each reading is one short transaction, so a server that writes to the same file is never
kept waiting for long; what is read is therefore not of one moment.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ConnectorUnavailable, MalformedInput
from connectors.mlflow.bulk_reading import DatabaseParts, one_library
from connectors.mlflow.engines import SQLITE, Read
from store.ahead import ahead

if TYPE_CHECKING:
    import pyarrow as pa

BUSY_SECONDS = 10
_TRANSIENT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
}


class SqliteEngine:
    """One SQLite backend database. See Engine."""

    dialect = SQLITE
    not_mlflow_hint = "Give the file of --backend-store-uri, such as mlflow.db."
    lacking_hint = ""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def place(self) -> str:
        """See Engine."""
        return str(self.path)

    def columns_of(self, table: str) -> set[str]:
        """See Engine."""
        with self.reading() as read:
            rows = read(
                "SELECT c.name FROM sqlite_master m, pragma_table_info(m.name) c "
                "WHERE m.type = 'table' AND m.name = ?",
                table,
            )
        return {str(row[0]) for row in rows}

    @contextlib.contextmanager
    def reading(self) -> Iterator[Read]:
        """See Engine."""
        with self._connected() as connection, one_library, self._problems():
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")
            yield lambda query, *values: connection.execute(query, values).fetchall()
            connection.execute("COMMIT")

    def parts(
        self,
        table: str,
        columns: str,
        where: str = "true",
        most_rows: int | None = None,
    ) -> Iterator[pa.Table]:
        """See Engine. A part is read while the one before it is used."""
        return ahead(DatabaseParts(self.path).parts(table, columns, where, most_rows))

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """See Engine: a long transaction would keep SQLite's one writer waiting."""
        yield

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        uri = f"{self.path.resolve().as_uri()}?mode=ro"
        with self._problems():
            connection = sqlite3.connect(
                uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None
            )
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            yield connection
        finally:
            with one_library:
                connection.close()

    @contextlib.contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as cause:
            code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
            if code in _TRANSIENT:
                raise ConnectorUnavailable(
                    f"cannot read {self.path}: {cause}",
                    hint="Check that the file is there and may be read.",
                ) from cause
            raise MalformedInput(
                f"{self.path} is damaged or no SQLite database: {cause}",
                hint="Check it: sqlite3 FILE 'PRAGMA integrity_check'",
            ) from cause
