"""SQL over the projection: for reading only, shut off from files, bounded in time.

The views are documented in docs/sql.md. While a question runs nobody can write to the
projection, so it is interrupted after a while.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.services.catalogue import caught_up
from console.services.opened import OpenStore
from console.services.problems import Misuse

if TYPE_CHECKING:
    import duckdb

LONGEST_SECONDS = 30.0
MOST_ROWS = 10_000
_LIMITS = (
    "SET temp_directory = ''",
    "SET memory_limit = '1GB'",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of one question."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    is_cut: bool
    """Whether there are more rows than were asked for."""


def query(
    store: OpenStore,
    text: str,
    *,
    most_rows: int = MOST_ROWS,
    known_at: int | None = None,
    longest_seconds: float = LONGEST_SECONDS,
) -> Answer:
    """The answer to one SQL question.

    Raises:
        Misuse: it is no question, does something other than read, or takes too long.
    """
    import duckdb

    _require_text(text)
    caught_up(store)
    with store.projection.reading(known_at) as connection:
        for limit in _LIMITS:
            connection.execute(limit)
        with _interrupted(connection, longest_seconds):
            try:
                _require_question(connection, text)
                cursor = connection.execute(text)
                rows = cursor.fetchmany(most_rows + 1)
                columns = tuple(column[0] for column in cursor.description or ())
            except duckdb.InterruptException as cause:
                raise Misuse(
                    f"the question took longer than {longest_seconds:g} seconds",
                    hint="Narrow it, or ask for more time: --seconds N. Nobody can "
                    "import meanwhile.",
                ) from cause
            except duckdb.Error as cause:
                raise Misuse(
                    f"DuckDB refuses it: {cause}", hint="The views: docs/sql.md."
                ) from cause
    return Answer(columns, tuple(rows[:most_rows]), len(rows) > most_rows)


def _require_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise Misuse("the question holds half a character") from cause


def _require_question(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Refuse several statements, and one that does not read.

    Raises:
        Misuse: it is none, or not one.
    """
    import duckdb

    reading = (
        duckdb.StatementType.SELECT,
        duckdb.StatementType.EXPLAIN,
    )
    statements = connection.extract_statements(text)
    if len(statements) != 1 or statements[0].type not in reading:
        raise Misuse(
            "that is not one question",
            hint="Ask with SELECT, WITH, DESCRIBE or EXPLAIN; one at a time.",
        )


@contextmanager
def _interrupted(
    connection: duckdb.DuckDBPyConnection, seconds: float
) -> Iterator[None]:
    """Interrupt what runs within after a while."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
