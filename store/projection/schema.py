"""Tables and views of the projection.

One table a fact kind, all with the columns of a fact, each row with the index of the
entry that brought it. The views show rows below the horizon that a connection set, so
`known at` and `not yet applied` are the same filter. A table keeps 128 bits of each
fact id, to find what is told again; a view computes the id where somebody asks for it.
The state row names the projection, so that what was made of another is told apart.
"""

from __future__ import annotations

from store.facts import COLUMNS, TIME_COLUMNS, FactKind
from store.projection.identity import Idle, fact_id_expression, netstring_of

SCHEMA_VERSION = 6
"""Raised with any change of this file; another version on disk is rebuilt."""

_SQL_TYPES = {"number": "DOUBLE", "step": "BIGINT"}


def sql_type(column: str) -> str:
    """DuckDB type of a fact column. Times are UTC without a zone."""
    if column in TIME_COLUMNS:
        return "TIMESTAMP"
    return _SQL_TYPES.get(column, "VARCHAR")


def table_name(kind: FactKind) -> str:
    """Table that holds the facts of a kind; the view has the kind's own name."""
    return f"{kind.value}_rows"


def create_statements() -> list[str]:
    """SQL that makes an empty projection."""
    columns = ", ".join(
        f'"{name}" {sql_type(name)}' for name in COLUMNS if name != "kind"
    )
    statements = [
        "CREATE TABLE state (schema_version INTEGER, applied BIGINT, "
        "partial_rows BIGINT, root VARCHAR, made VARCHAR)",
        "CREATE TABLE left_out (entry_index BIGINT, digest VARCHAR, reason VARCHAR)",
        f"INSERT INTO state VALUES ({SCHEMA_VERSION}, 0, 0, '', uuid())",
    ]
    for kind in FactKind:
        table = table_name(kind)
        fact_id = fact_id_expression(
            netstring_of("source"), Idle(same={"kind": kind.value})
        )
        names = ", ".join(f'"{name}"' for name in COLUMNS if name != "kind")
        statements += [
            f"CREATE TABLE {table} (entry_index BIGINT, fact_key UHUGEINT, "
            f"source VARCHAR, {columns})",
            f'CREATE VIEW "{kind.value}" AS SELECT entry_index, {fact_id} AS fact_id, '
            f"source, {names} FROM {table} WHERE entry_index < getvariable('horizon')",
        ]
    return statements
