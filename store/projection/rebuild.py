"""A second projection from the same log, and whether it says the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from store.adjacency.comparing import compare_with_made_anew
from store.facts import FactKind
from store.projection.apply import Projection
from store.projection.connection import open_projection
from store.projection.identity import fact_hash_expression
from store.projection.schema import table_name, told_rows

if TYPE_CHECKING:
    import duckdb


def compare_with_rebuilt(projection: Projection) -> list[str]:
    """What differs between the projection, with the adjacency beside it, and one made
    anew from the log."""
    problems: list[str] = []
    with tempfile.TemporaryDirectory(dir=projection.path.parent) as folder:
        again = projection.made_anew(Path(folder) / "again.duckdb")
        with open_projection(projection.path, read_only=True) as connection:
            path = str(again.path).replace("'", "''")
            connection.execute(f"ATTACH '{path}' AS again (READ_ONLY)")
            for kind in FactKind:
                problems += _compare(connection, table_name(kind), kind)
            problems += _compare_left_out(connection)
            problems += _compare_beside(
                connection, "replaced", "corrections, such as one by entry"
            )
            problems += _compare_beside(
                connection, "heard", "times at which a source was heard, such as entry"
            )
            problems += _compare_views(connection)
            connection.execute("DETACH again")
            problems += compare_with_made_anew(connection, projection.path)
    return problems


def _compare_left_out(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Both leave out the same batches, for the same reasons."""
    rows = connection.execute(
        "SELECT DISTINCT entry_index FROM ("
        "(FROM left_out EXCEPT ALL FROM again.left_out) UNION ALL "
        "(FROM again.left_out EXCEPT ALL FROM left_out)) ORDER BY entry_index"
    ).fetchall()
    return [
        f"the batch of entry {row[0]} is left out in one projection and not in the "
        "other, or for another reason"
        for row in rows
    ]


def _compare_beside(
    connection: duckdb.DuckDBPyConnection, table: str, what: str
) -> list[str]:
    """A table that is made from the facts or their statements, row by row."""
    row = connection.execute(
        f"SELECT count(*), min(entry_index) FROM ("
        f"(FROM {table} EXCEPT ALL FROM again.{table}) UNION ALL "
        f"(FROM again.{table} EXCEPT ALL FROM {table}))"
    ).fetchone()
    if not row or not row[0]:
        return []
    return [f"the projection differs from the log in {row[0]} {what} {row[1]}"]


def _compare_views(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """A view that was edited shows rows otherwise than they are."""
    here = "database_name = current_database()"
    rows = connection.execute(
        "SELECT coalesce(one.view_name, other.view_name) AS name FROM "
        f"(FROM duckdb_views() WHERE NOT internal AND {here}) one FULL JOIN "
        "(FROM duckdb_views() WHERE NOT internal AND database_name = 'again') other "
        "ON one.view_name = other.view_name AND one.sql = other.sql "
        "WHERE one.sql IS NULL OR other.sql IS NULL GROUP BY name ORDER BY name"
    ).fetchall()
    return [f"the view {row[0]} of the projection was edited" for row in rows]


def _compare(
    connection: duckdb.DuckDBPyConnection, table: str, kind: FactKind
) -> list[str]:
    sides = (
        (table, f"again.{table}", "has what the log does not say"),
        (f"again.{table}", table, "lacks what the log says"),
    )
    problems = []
    for left, right, what in sides:
        row = connection.execute(
            f"SELECT count(*), min(subject) FROM (SELECT * FROM {left} "
            f"EXCEPT ALL SELECT * FROM {right})"
        ).fetchone()
        if row and row[0]:
            problems.append(
                f"{row[0]} rows of kind {kind.value}: the projection {what}, such as "
                f"{row[1]}"
            )
    wrong = connection.execute(
        f"SELECT count(*), min(subject) FROM ({told_rows(kind)}) WHERE fact_hash <> "
        + fact_hash_expression("source")
    ).fetchone()
    if wrong and wrong[0]:
        problems.append(
            f"{wrong[0]} rows of kind {kind.value} were edited, such as {wrong[1]}"
        )
    return problems
