"""Tables and views of the projection.

One table a fact kind, all with the columns of a fact, each row with the index of the
entry that brought it and when its source was heard. The views show rows below the
horizon that a connection set, so `known at` and `not yet applied` are the same filter.
A table keeps 128 bits of each fact id, to find what is told again; a view computes the
id where somebody asks for it.

A kind of which no fact was ever corrected has a view that looks for no corrections: the
first one that is taken in changes the view.
"""

from __future__ import annotations

from store.facts import COLUMNS, TIME_COLUMNS, FactKind
from store.projection.identity import Idle, fact_id_expression, netstring_of

SCHEMA_VERSION = 6
"""Raised with any change of this file; another version on disk is rebuilt."""

_COLUMNS = tuple(name for name in COLUMNS if name != "kind")
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
    columns = ", ".join(f'"{name}" {sql_type(name)}' for name in _COLUMNS)
    statements = [
        "CREATE TABLE state (schema_version INTEGER, applied BIGINT, "
        "partial_rows BIGINT, root VARCHAR)",
        "CREATE TABLE left_out (entry_index BIGINT, digest VARCHAR, reason VARCHAR)",
        "CREATE TABLE heard (entry_index BIGINT, source VARCHAR, heard TIMESTAMP)",
        "CREATE TABLE replaced (entry_index BIGINT, kind VARCHAR, source VARCHAR, "
        "subject VARCHAR, fact_id VARCHAR)",
        f"INSERT INTO state VALUES ({SCHEMA_VERSION}, 0, 0, '')",
    ]
    for kind in FactKind:
        statements += [
            f"CREATE TABLE {table_name(kind)} (entry_index BIGINT, "
            f"fact_key UHUGEINT, source VARCHAR, heard TIMESTAMP, {columns})",
            view_statement(kind, is_corrected=False),
        ]
    return statements


def view_statement(kind: FactKind, *, is_corrected: bool) -> str:
    """SQL that makes the view of a kind, with or without a look at corrections."""
    fact_id = fact_id_expression(
        netstring_of("source"), Idle(same={"kind": kind.value})
    )
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    told = (
        f"SELECT entry_index, {fact_id} AS fact_id, source, heard, {names} "
        f"FROM {table_name(kind)} WHERE entry_index < getvariable('horizon')"
    )
    shown = _without_replaced(told, kind) if is_corrected else told
    return f'CREATE OR REPLACE VIEW "{kind.value}" AS {shown}'


def _without_replaced(told: str, kind: FactKind) -> str:
    """SQL for the rows of which no entry below the horizon has a correction.

    One that was corrected itself still counts: what it replaced stays away. Ids are
    computed for what is told of the subjects of corrections, and for nothing else.
    """
    replaced = (
        f"FROM replaced WHERE kind = '{kind.value}' "
        "AND entry_index < getvariable('horizon')"
    )
    return (
        f"{told} AND subject NOT IN (SELECT subject {replaced}) UNION ALL "
        f"(SELECT * FROM ({told} AND subject IN (SELECT subject {replaced})) "
        f"WHERE (source, fact_id) NOT IN (SELECT source, fact_id {replaced}))"
    )
