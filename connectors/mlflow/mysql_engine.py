"""MLflow's tables in MySQL or MariaDB, by PyMySQL: rows stream in and become Arrow.

Everything read within one `moment` is of one snapshot, in a read-only transaction.
PyMySQL is an extra: whoever has no MySQL needs none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.mlflow.database_address import DatabaseAddress
from connectors.mlflow.engines import MYSQL, Read

if TYPE_CHECKING:
    import pyarrow as pa

CONNECT_SECONDS = 10
SILENT_SECONDS = 60
"""How long the server may send nothing before it is given up."""
LOCK_SECONDS = 15
IDLE_SECONDS = 3600
"""How long the server is to wait while what it sent is worked on."""
ROWS_AT_ONCE = 5_000
PART_ROWS = 50_000
PART_BYTES = 64 * 1024**2
_SETTINGS = (
    "SET SESSION sql_mode = 'ANSI_QUOTES'",
    f"SET SESSION net_write_timeout = {IDLE_SECONDS:d}",
    f"SET SESSION wait_timeout = {IDLE_SECONDS:d}",
    f"SET SESSION lock_wait_timeout = {LOCK_SECONDS:d}",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_COLUMNS = (
    "SELECT c.column_name FROM information_schema.columns c "
    "JOIN information_schema.tables t ON t.table_schema = c.table_schema "
    "AND t.table_name = c.table_name WHERE t.table_schema = DATABASE() "
    "AND t.table_type = 'BASE TABLE' AND t.table_name = ?"
)
_NOT_ALLOWED = {1142, 1143, 1227}
_REFUSED = {1044, 1045, 1049, 1130, 1251, 1698, 2059, 3118, 3159}
"""Credentials, a database or a way of connecting that the server does not take."""
_NO_SUCH = {1054, 1064, 1146}
_GRANT = "Let this user read: GRANT SELECT ON DATABASE.* TO USER;"


class MysqlEngine:
    """One MySQL or MariaDB backend database. See Engine."""

    dialect = MYSQL
    not_mlflow_hint = f"Give the database of --backend-store-uri. {_GRANT}"
    lacking_hint = _GRANT

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._open: Any = None

    @property
    def place(self) -> str:
        """See Engine."""
        return self._address.shown

    def columns_of(self, table: str) -> set[str]:
        """See Engine: of a table that its user may not read, none."""
        with self.reading() as read:
            return {str(row[0]) for row in read(_COLUMNS, table)}

    @contextlib.contextmanager
    def reading(self) -> Iterator[Read]:
        """See Engine."""
        with self._session() as connection:

            def read(query: str, *values: object) -> list[Any]:
                with self._problems(), _cursor(connection) as cursor:
                    cursor.execute(query.replace("?", "%s"), values or None)
                    return list(cursor.fetchall())

            yield read

    def parts(
        self,
        table: str,
        columns: str,
        where: str = "true",
        most_rows: int | None = None,
    ) -> Iterator[pa.Table]:
        """See Engine."""
        import pyarrow as pa

        query = f"SELECT {columns} FROM {table} WHERE {where}"
        with self._session() as connection, _cursor(connection) as cursor:
            with self._problems():
                cursor.execute(query)
            names = [column[0] for column in cursor.description]
            types = [_type_of(column[1]) for column in cursor.description]
            held: list[pa.Table] = []
            while True:
                with self._problems():
                    rows = cursor.fetchmany(ROWS_AT_ONCE)
                if not rows:
                    break
                held.append(_table(rows, names, types))
                size = sum(piece.nbytes for piece in held)
                if len(held) * ROWS_AT_ONCE >= PART_ROWS or size >= PART_BYTES:
                    yield pa.concat_tables(held)
                    held = []
            if held:
                yield pa.concat_tables(held)

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """See Engine."""
        with self._session() as connection:
            before, self._open = self._open, connection
            try:
                yield
            finally:
                self._open = before

    @contextlib.contextmanager
    def _session(self) -> Iterator[Any]:
        """The connection of this moment, or one of its own; in a transaction."""
        if self._open is not None:
            yield self._open
            return
        connection = self._connected()
        try:
            with self._problems(), _cursor(connection) as cursor:
                for statement in _SETTINGS:
                    cursor.execute(statement)
            yield connection
        finally:
            _end(connection)

    def _connected(self) -> Any:
        try:
            import pymysql
            from pymysql.cursors import SSCursor
        except ImportError as cause:
            raise ConnectorRefused(
                "reading MySQL needs PyMySQL, which is not installed",
                hint="Install it: pip install 'countersign[mysql]'",
            ) from cause
        at = self._address
        options = {k: v for k, v in at.options.items() if k != "charset"}
        try:
            return pymysql.connect(
                host=at.host,
                port=at.port,
                user=at.user or None,
                password=at.password.reveal() if at.password else "",
                database=at.database,
                charset="utf8mb4",
                autocommit=True,
                cursorclass=SSCursor,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=SILENT_SECONDS,
                write_timeout=SILENT_SECONDS,
                program_name="countersign",
                **{name: _switch(value) for name, value in options.items()},
            )
        except (pymysql.Error, OSError, RuntimeError, ValueError) as cause:
            problem = self._problem(cause)
        raise problem

    @contextlib.contextmanager
    def _problems(self) -> Iterator[None]:
        from pymysql import Error

        try:
            yield
        except UnicodeDecodeError as cause:
            raise MalformedInput(f"{self.place}: a text is no UTF-8") from cause
        except (Error, OSError) as cause:
            raise self._problem(cause) from cause

    def _problem(self, cause: Exception) -> ConnectorError:
        code = cause.args[0] if cause.args else None
        text = " ".join(str(part) for part in cause.args[-1:])[:300]
        said = f"{self.place}: {text}"
        if code in _NOT_ALLOWED:
            return ConnectorRefused(said, hint=_GRANT)
        if code in _REFUSED or isinstance(cause, (RuntimeError, ValueError)):
            return ConnectorRefused(
                said,
                hint="Check the user, the password ($MYSQL_PWD, or password = in "
                "countersign.toml), the database's name, and TLS (?ssl_ca=FILE).",
            )
        if code in _NO_SUCH:
            return MalformedInput(said)
        return ConnectorUnavailable(
            said, hint="Check that the server runs and can be reached from here."
        )


@contextlib.contextmanager
def _cursor(connection: Any) -> Iterator[Any]:
    """A cursor whose rows are all read, or whose connection is closed.

    PyMySQL would read what nobody wants to its end, and fail where there is no end.
    """
    cursor = connection.cursor()
    try:
        yield cursor
    finally:
        result: Any = getattr(cursor, "_result", None)
        if result is not None and result.unbuffered_active:
            result.unbuffered_active = False
            cursor.connection = None
            _end(connection)
        cursor.close()


def _end(connection: Any) -> None:
    from pymysql import Error

    with contextlib.suppress(Error):  # It was closed before, for rows left unread.
        connection.close()


def _switch(value: str) -> object:
    return {"true": True, "false": False}.get(value.lower(), value)


def _table(
    rows: Sequence[Sequence[Any]], names: list[str], types: list[pa.DataType]
) -> pa.Table:
    import pyarrow as pa

    arrays = [
        pa.array(values, kind)
        for values, kind in zip(zip(*rows, strict=True), types, strict=True)
    ]
    return pa.table(arrays, names)


def _type_of(code: int) -> pa.DataType:
    import pyarrow as pa
    from pymysql.constants import FIELD_TYPE

    if code in (
        FIELD_TYPE.TINY,
        FIELD_TYPE.SHORT,
        FIELD_TYPE.INT24,
        FIELD_TYPE.LONG,
        FIELD_TYPE.LONGLONG,
    ):
        return pa.int64()
    if code in (FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE):
        return pa.float64()
    return pa.string()
