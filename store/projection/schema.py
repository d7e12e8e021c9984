"""Tables and views of the projection, and the SQL form of a fact id.

One table a fact kind, all with the columns of a fact, each row with the index of the
entry that brought it. The views show rows below the horizon that a connection set, so
`known at` and `not yet applied` are the same filter.
"""

from __future__ import annotations

from collections.abc import Collection

from store.facts import COLUMNS, TEXT_COLUMNS, TIME_COLUMNS, FactKind

SCHEMA_VERSION = 3
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
        "partial_rows BIGINT, root VARCHAR)",
        "CREATE TABLE left_out (entry_index BIGINT, digest VARCHAR, reason VARCHAR)",
        f"INSERT INTO state VALUES ({SCHEMA_VERSION}, 0, 0, '')",
    ]
    for kind in FactKind:
        table = table_name(kind)
        statements += [
            f"CREATE TABLE {table} (entry_index BIGINT, fact_id VARCHAR, "
            f"source VARCHAR, {columns})",
            f'CREATE VIEW "{kind.value}" AS SELECT * FROM {table} '
            "WHERE entry_index < getvariable('horizon')",
        ]
    return statements


def _netstring(expression: str) -> str:
    return (
        f"CASE WHEN {expression} IS NULL THEN '-' "
        f"ELSE strlen({expression}) || ':' || {expression} END"
    )


def fact_id_expression(
    source: str, *, blank: Collection[str] = (), absent: Collection[str] = ()
) -> str:
    """SQL that computes store.facts.fact_id over the columns of a batch.

    `source` is a SQL expression for the source's name. Columns known to hold nothing
    but empty text (`blank`) or nulls (`absent`) are not looked at, which is faster.
    """
    forms = {name: f'"{name}"' for name in TEXT_COLUMNS}
    forms |= {name: f'epoch_us("{name}")::VARCHAR' for name in TIME_COLUMNS}
    forms["step"] = '"step"::VARCHAR'
    known = dict.fromkeys(blank, "'0:'") | dict.fromkeys(absent, "'-'")
    parts = [_netstring(source)]
    parts += [known.get(name) or _netstring(form) for name, form in forms.items()]
    return "sha256(" + " || ".join(f"({part})" for part in parts) + ")"
