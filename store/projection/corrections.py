"""Corrections: facts that name another one as mistaken: one of the same source, the
same kind and about the same subject.

What a fact replaces is hidden from the fact's own entry on, whether it came before or
comes later. Nothing is taken out: who asks what the log knew earlier is shown it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.facts import FactKind
from store.projection.schema import view_statement

if TYPE_CHECKING:
    import duckdb


def insert_corrections(
    connection: duckdb.DuckDBPyConnection, index: int, source: str
) -> None:
    """Note what the rows of `incoming` replace, and have views look at that.

    A correction that is told twice is one: `incoming` has what the store lacked.
    """
    rows = connection.execute(
        "SELECT DISTINCT kind FROM incoming WHERE replaces <> '' ORDER BY kind"
    ).fetchall()
    for (kind,) in rows:
        is_first = not connection.execute(
            "SELECT 1 FROM replaced WHERE kind = ? LIMIT 1", (kind,)
        ).fetchall()
        connection.execute(
            "INSERT INTO replaced SELECT $index, kind, $source, subject, replaces "
            "FROM incoming WHERE kind = $kind AND replaces <> ''",
            {"index": index, "source": source, "kind": kind},
        )
        if is_first:
            connection.execute(view_statement(FactKind(kind), is_corrected=True))
