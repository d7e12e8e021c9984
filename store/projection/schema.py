"""Tables and views of the projection.

One table a fact kind, with the columns in which its facts can say something, each row
with the index of the entry that brought it. The views have all columns of a fact and
show rows below the horizon that a connection set, so `known at` and `not yet applied`
are the same filter. A table keeps a hash of each fact, to find what is told again; a
view computes the id where somebody asks for it. When a source was heard is kept once
an entry, and the views have it in every row.

A kind of which no fact was ever corrected has a view that looks for no corrections: the
first one that is taken in changes the view.
"""

from __future__ import annotations

from store.facts import COLUMNS, NARROW_KINDS, TIME_COLUMNS, FactKind
from store.projection.identity import (
    fact_id_expression,
    netstring_of,
    quoted,
    quoted_name,
)

SCHEMA_VERSION = 10
"""Raised with any change of this file; another version on disk is rebuilt."""

_SQL_TYPES = {"number": "DOUBLE", "step": "BIGINT"}
_NULLABLE = ("text", "number", "step", *TIME_COLUMNS)
_NUMBER_AS_TEXT = '"number"::VARCHAR'


def sql_type(column: str) -> str:
    """DuckDB type of a fact column. Times are UTC without a zone."""
    if column in TIME_COLUMNS:
        return "TIMESTAMP"
    return _SQL_TYPES.get(column, "VARCHAR")


def table_name(kind: FactKind) -> str:
    """Table that holds the facts of a kind; the view has the kind's own name."""
    return f"{kind.value}_rows"


def kept_columns(kind: FactKind) -> tuple[str, ...]:
    """The columns of a fact that the table of its kind has."""
    columns = NARROW_KINDS.get(kind)
    if columns is None:
        return tuple(name for name in COLUMNS if name != "kind")
    return ("subject", *columns)


def stored(kind: FactKind, column: str) -> str:
    """SQL for what the table keeps of a column of a fact.

    A metric's text is mostly how its number is written, and then is not kept.
    """
    name = quoted_name(column)
    if kind is FactKind.METRIC and column == "text":
        return f"CASE WHEN {name} IS DISTINCT FROM {_NUMBER_AS_TEXT} THEN {name} END"
    return name


def told_columns(kind: FactKind) -> dict[str, str]:
    """SQL for every column of a fact over the table of its kind, by its name."""
    kept = kept_columns(kind)
    told = {name: _nothing(name) for name in COLUMNS}
    told |= {name: quoted_name(name) for name in kept}
    told["kind"] = quoted(kind.value)
    if kind is FactKind.METRIC:
        told["text"] = f'coalesce("text", {_NUMBER_AS_TEXT})'
    return told


def _nothing(column: str) -> str:
    return f"NULL::{sql_type(column)}" if column in _NULLABLE else "''"


def told_rows(kind: FactKind) -> str:
    """SQL for the rows of a kind with all columns of a fact, whatever the horizon."""
    names = ", ".join(
        form if form == quoted_name(name) else f"{form} AS {quoted_name(name)}"
        for name, form in told_columns(kind).items()
    )
    return f"SELECT entry_index, fact_hash, source, {names} FROM {table_name(kind)}"


def create_statements() -> list[str]:
    """SQL that makes an empty projection."""
    statements = [
        "CREATE TABLE state (schema_version INTEGER, engine VARCHAR, applied BIGINT, "
        "partial_rows BIGINT, root VARCHAR)",
        "CREATE TABLE left_out (entry_index BIGINT, digest VARCHAR, reason VARCHAR)",
        "CREATE TABLE heard (entry_index BIGINT, source VARCHAR, heard TIMESTAMP)",
        "CREATE TABLE replaced (entry_index BIGINT, kind VARCHAR, source VARCHAR, "
        "subject VARCHAR, fact_id VARCHAR)",
        f"INSERT INTO state VALUES ({SCHEMA_VERSION}, version(), 0, 0, '')",
    ]
    for kind in FactKind:
        kept = kept_columns(kind)
        columns = ", ".join(f'"{name}" {sql_type(name)}' for name in kept)
        statements += [
            f"CREATE TABLE {table_name(kind)} (entry_index BIGINT, fact_hash BIGINT, "
            f"source VARCHAR, {columns})",
            view_statement(kind, is_corrected=False),
        ]
    return statements


def view_statement(kind: FactKind, *, is_corrected: bool) -> str:
    """SQL that makes the view of a kind, with or without a look at corrections."""
    kept = kept_columns(kind)
    idle = {name: _nothing(name) for name in COLUMNS if name not in kept}
    fact_id = fact_id_expression(
        netstring_of("source"), idle | {"kind": quoted(kind.value)}
    )
    names = ", ".join(f'"{name}"' for name in COLUMNS if name != "kind")
    told = (
        f"SELECT entry_index, {fact_id} AS fact_id, source, heard, {names} "
        f"FROM ({told_rows(kind)}) JOIN (SELECT entry_index, heard FROM heard) "
        "USING (entry_index) WHERE entry_index < getvariable('horizon')"
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
