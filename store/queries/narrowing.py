"""Questions about a few things, asked of their facts alone.

One question about one thing runs past every fact of its kind. Where hundreds of things
are asked about one after the other, their facts are first set aside together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from store.facts import FactKind, Relation
from store.queries.sql import fetch

if TYPE_CHECKING:
    import duckdb

_OF_MANY = (
    FactKind.RUN,
    FactKind.PARAM,
    FactKind.METRIC,
    FactKind.TAG,
    FactKind.FILE,
    FactKind.FORMAT,
    FactKind.SIGNATURE,
    FactKind.COMMIT,
    FactKind.DATASET_VERSION,
    FactKind.EDGE,
)
"""Kinds of which a history has very many facts."""


@contextlib.contextmanager
def narrowed_to(
    connection: duckdb.DuckDBPyConnection, version_keys: Iterable[str]
) -> Iterator[None]:
    """Within it, the views of a connection show of such kinds only the facts about some
    model versions, the runs that produced them, and what those read and used.

    Only for questions that go no further than that.
    """
    keys = _keys(connection, list(version_keys))
    try:
        for kind in _OF_MANY:
            about = "subject IN (SELECT unnest($1))"
            if kind is FactKind.EDGE:
                about += " OR object IN (SELECT unnest($1))"
            connection.execute(
                f'CREATE TEMP TABLE "{kind.value}" AS '
                f'SELECT * FROM main."{kind.value}" WHERE {about}',
                [keys],
            )
        yield
    finally:
        for kind in _OF_MANY:
            connection.execute(f'DROP TABLE IF EXISTS temp."{kind.value}"')


def _keys(connection: duckdb.DuckDBPyConnection, versions: list[str]) -> list[str]:
    runs = [
        row["subject"]
        for row in fetch(
            connection,
            "SELECT DISTINCT subject FROM edge WHERE name = $1 "
            "AND object IN (SELECT unnest($2))",
            Relation.PRODUCED.value,
            versions,
        )
    ]
    touched = [
        row["object"]
        for row in fetch(
            connection,
            "SELECT DISTINCT object FROM edge WHERE subject IN (SELECT unnest($1))",
            runs,
        )
    ]
    return sorted({*versions, *runs, *touched})
