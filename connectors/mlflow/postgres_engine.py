"""MLflow's tables in Postgres, by ADBC: rows become Arrow in C, a part at a time.

Everything read within one `moment` is of one snapshot, in a read-only transaction.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.mlflow.bulk_reading import usual
from connectors.mlflow.client import Secret
from connectors.mlflow.database_address import DatabaseAddress
from connectors.mlflow.engines import POSTGRES, Read
from connectors.mlflow.patience import Patience, Stalled

if TYPE_CHECKING:
    import pyarrow as pa

CONNECT_SECONDS = 10
SILENT_SECONDS = 60
"""How long a connection may be dead before that is noticed."""
STALLED_SECONDS = 120
"""How long a server that is there may send no part of an answer."""
LOCK_SECONDS = 15
STATEMENT_SECONDS = 3600
"""A table is one statement, and what is made of its rows takes longer than they do."""
PART_BYTES = 16 * 1024**2
_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS:d}s'",
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS:d}s'",
)
_COLUMNS = (
    "SELECT a.attname FROM pg_catalog.pg_attribute a "
    "JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
    "WHERE c.oid = pg_catalog.to_regclass(?) AND c.relkind IN ('r', 'p') "
    "AND a.attnum > 0 AND NOT a.attisdropped"
)
_NOT_ALLOWED = "42501"
_NO_SUCH = ("42P01", "42703")
_LIBRARY = re.compile(r"^[A-Z_]+: (\[libpq\] )?(Failed to connect: )?")
_CREDENTIALS_HINT = (
    "Check the user, the password ($PGPASSWORD, or password = in countersign.toml), "
    "the database's name, and pg_hba.conf."
)


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection, and how long each answer of it is waited for."""

    connection: Any
    patience: Patience

    @contextlib.contextmanager
    def cursor(self) -> Iterator[Any]:
        """A cursor; one that an answer is still awaited on is left alone."""
        cursor = self.connection.cursor()
        try:
            yield cursor
        finally:
            if self.patience.is_free:
                cursor.close()


class PostgresEngine:
    """One Postgres backend database. See Engine."""

    dialect = POSTGRES
    not_mlflow_hint = (
        "Give the database of --backend-store-uri; where its tables lie in a schema of "
        "their own, add ?options=-csearch_path%3DSCHEMA"
    )
    lacking_hint = ""

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._open: _Session | None = None

    @property
    def place(self) -> str:
        """See Engine."""
        return self._address.shown

    def columns_of(self, table: str) -> set[str]:
        """See Engine."""
        with self.reading() as read:
            return {str(row[0]) for row in read(_COLUMNS, table)}

    @contextlib.contextmanager
    def reading(self) -> Iterator[Read]:
        """See Engine."""
        with self._session() as session:

            def read(query: str, *values: object) -> list[Any]:
                with self._problems(), session.cursor() as cursor:

                    def fetched() -> pa.Table:
                        cursor.execute(_numbered(query), values or None)
                        return cursor.fetch_arrow_table()

                    return _rows(session.patience.wait_for(fetched))

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

        with (
            self._session() as session,
            self._problems(),
            session.cursor() as cursor,
        ):
            cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(PART_BYTES)}
            )

            def opened() -> pa.RecordBatchReader:
                cursor.execute(f"SELECT {columns} FROM {table} WHERE {where}")
                return cursor.fetch_record_batch()

            batches = session.patience.wait_for(opened)

            def following() -> pa.RecordBatch | None:
                return next(batches, None) if cursor else None

            while (batch := session.patience.wait_for(following)) is not None:
                yield usual(pa.Table.from_batches([batch]))

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """See Engine."""
        with self._session() as session:
            before, self._open = self._open, session
            try:
                yield
            finally:
                self._open = before

    @contextlib.contextmanager
    def _session(self) -> Iterator[_Session]:
        """The session of this moment, or one of its own; in a transaction."""
        if self._open is not None:
            yield self._open
            return
        connection = self._connected()
        session = _Session(connection, Patience(STALLED_SECONDS, connection.close))
        try:
            with self._problems():
                for statement in _BEGIN:
                    with session.cursor() as cursor:
                        session.patience.wait_for(partial(cursor.execute, statement))
            yield session
        finally:
            if session.patience.is_free:
                connection.close()

    def _connected(self) -> Any:
        from adbc_driver_manager import Error
        from adbc_driver_postgresql.dbapi import connect

        self._reach()
        try:
            return connect(self._uri().reveal(), autocommit=True)
        except Error as cause:
            said = str(cause)
        raise ConnectorRefused(
            f"{self.place} refused: {_in_one_line(said)}", hint=_CREDENTIALS_HINT
        )

    def _reach(self) -> None:
        """Tell a server that cannot be reached from one that refuses."""
        at = self._address
        try:
            if at.host.startswith("/"):
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.settimeout(CONNECT_SECONDS)
                    probe.connect(f"{at.host}/.s.PGSQL.{at.port}")
            else:
                place = (at.host, at.port)
                socket.create_connection(place, CONNECT_SECONDS).close()
        except (OSError, UnicodeError) as cause:
            raise ConnectorUnavailable(
                f"{self.place} cannot be reached: {cause}",
                hint="Check that the server runs and can be reached from here.",
            ) from cause

    def _uri(self) -> Secret:
        at = self._address
        bounds = {
            "host": at.host,
            "port": str(at.port),
            "connect_timeout": str(CONNECT_SECONDS),
            "keepalives_idle": str(SILENT_SECONDS // 4),
            "keepalives_interval": str(SILENT_SECONDS // 8),
            "keepalives_count": "5",
            "tcp_user_timeout": str(SILENT_SECONDS * 1000),
            "client_encoding": "UTF8",
            "application_name": "countersign",
        }
        if at.user:
            bounds["user"] = at.user
        if at.password is not None:
            bounds["password"] = at.password.reveal()
        query = urlencode({**at.options, **bounds}, quote_via=quote)
        return Secret(f"postgresql:///{quote(at.database, safe='')}?{query}")

    @contextlib.contextmanager
    def _problems(self) -> Iterator[None]:
        from adbc_driver_manager import Error

        try:
            yield
        except (Error, OSError, Stalled) as cause:
            raise self._problem(cause) from cause

    def _problem(self, cause: Exception) -> ConnectorError:
        said = f"{self.place}: {_in_one_line(str(cause))}"
        state = getattr(cause, "sqlstate", None) or ""
        if state == _NOT_ALLOWED:
            return ConnectorRefused(
                said,
                hint="Let this user read: GRANT USAGE ON SCHEMA public TO USER; "
                "GRANT SELECT ON ALL TABLES IN SCHEMA public TO USER;",
            )
        if state in _NO_SUCH:
            return MalformedInput(said)
        return ConnectorUnavailable(
            said, hint="Check that the server runs, and import again."
        )


def _numbered(query: str) -> str:
    """A query with `?` for its values, as Postgres writes those."""
    pieces, numbers = query.split("?"), count(1)
    return pieces[0] + "".join(f"${next(numbers)}{piece}" for piece in pieces[1:])


def _rows(table: pa.Table) -> list[Any]:
    """Rows of plain values; text that is no UTF-8 is told with marks in its place."""
    import pyarrow as pa

    columns: list[list[Any]] = []
    for column in table.columns:
        if pa.types.is_string(column.type):
            found = column.cast(pa.binary()).to_pylist()
            decoded: Callable[[bytes | None], str | None] = _text
            columns.append([decoded(value) for value in found])
        else:
            columns.append(column.to_pylist())
    return list(zip(*columns, strict=True))


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")


def _in_one_line(said: str) -> str:
    """What a library says, bounded, without the names that it gives itself."""
    return _LIBRARY.sub("", " ".join(said.split()))[:300]
