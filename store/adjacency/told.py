"""SQL for the rows that the graph is made of: links, and what describes things.

Rows are read from the tables and not the views, whose horizon is that of one question.
Which account of a thing holds is asked of the views, on a connection of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from store.adjacency.counting import NO_TIME
from store.facts import FactKind
from store.identifiers import kind_of
from store.projection.schema import table_name
from store.queries.presence import accounts_of_runs
from store.queries.sql import latest

if TYPE_CHECKING:
    import duckdb

Account = tuple[str, int]
"""What a thing is called, and when it began."""
NO_ACCOUNT: Account = ("", NO_TIME)
_DESCRIBING = {
    "run": FactKind.RUN,
    "commit": FactKind.COMMIT,
    "dataset-version": FactKind.DATASET_VERSION,
    "model-version": FactKind.MODEL_VERSION,
    "job": FactKind.JOB,
}
"""By the kind of a thing, the facts that name it and say when it began to exist."""
_ASKED = "subject IN (SELECT unnest(string_split($1, chr(10))))"


@contextlib.contextmanager
def at_horizon(
    connection: duckdb.DuckDBPyConnection, horizon: int
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same projection before an entry, whatever the connection shows of it."""
    with connection.cursor() as another:
        another.execute(f"SET VARIABLE horizon = {horizon:d}::BIGINT")
        yield another


def links_between(first: int, end: int) -> str:
    """SQL for links that some entries brought, without `end`."""
    return (
        f"SELECT subject, object, name, strength, text, entry_index AS entry, "
        f"{_microseconds('low')} AS low, {_microseconds('high')} AS high "
        f"FROM {table_name(FactKind.EDGE)} "
        f"WHERE entry_index >= {first:d} AND entry_index < {end:d}"
    )


def told_between(first: int, end: int, which: str) -> str:
    """SQL for the things that entries describe: key, and the `min` or `max` of them."""
    return " UNION ALL ".join(
        f"SELECT subject AS key, {which}(entry_index) AS entry FROM {table_name(kind)} "
        f"WHERE entry_index >= {first:d} AND entry_index < {end:d} "
        f"AND starts_with(subject, '{name}:') GROUP BY subject"
        for name, kind in _DESCRIBING.items()
    )


def accounts() -> str:
    """SQL for the account of each thing that holds: key, label, moment."""
    return " UNION ALL ".join(
        f"SELECT * FROM ({_account(kind)}) WHERE starts_with(key, '{name}:')"
        for name, kind in _DESCRIBING.items()
    )


def read_accounts(
    connection: duckdb.DuckDBPyConnection, keys: list[str]
) -> dict[str, Account]:
    """The accounts of some things that hold; none for what nothing describes.

    Keys are one text: DuckDB takes a list of a hundred thousand in ten seconds. No key
    has a line break in it.
    """
    by_kind: dict[str, list[str]] = {}
    for key in keys:
        by_kind.setdefault(kind_of(key), []).append(key)
    return {
        key: (label, moment)
        for name, wanted in by_kind.items()
        if name in _DESCRIBING
        for key, label, moment in connection.execute(
            _account(_DESCRIBING[name], _ASKED), ["\n".join(wanted)]
        ).fetchall()
    }


def _account(kind: FactKind, among: str = "") -> str:
    is_run = kind is FactKind.RUN
    account = accounts_of_runs(among) if is_run else latest(kind, among=among)
    return (
        "SELECT subject AS key, coalesce(name, '') AS label, "
        f"{_microseconds('started')} AS moment FROM {account}"
    )


def count_between(first: int, end: int) -> str:
    """SQL for how many rows both have together."""
    tables = (FactKind.EDGE, *_DESCRIBING.values())
    counts = " + ".join(
        f"(SELECT count(*) FROM {table_name(kind)} "
        f"WHERE entry_index >= {first:d} AND entry_index < {end:d})"
        for kind in tables
    )
    return f"SELECT {counts}"


def _microseconds(column: str) -> str:
    """A time as a number; in SQL the smallest one cannot be written as such."""
    return f"coalesce(epoch_us({column}::TIMESTAMP), {NO_TIME + 1} - 1)"
