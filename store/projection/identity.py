"""What tells facts apart, in SQL: their ids, and a hash that finds those alike quickly.

The hash decides nothing: facts whose hashes are alike are compared column by column.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from store.facts import TEXT_COLUMNS, TIME_COLUMNS

IDENTITY = (*TEXT_COLUMNS, *TIME_COLUMNS, "step")
"""The columns that make a fact, beside the name of its source."""


def fact_hash_expression(source: str) -> str:
    """SQL for 63 bits of what a fact says, as this version of DuckDB hashes it.

    `source` is SQL for the name of the source.
    """
    return f"(hash({source}, {', '.join(map(quoted_name, IDENTITY))}) >> 1)::BIGINT"


def alike(one: str, other: str) -> str:
    """SQL for whether two relations' rows, of one source, say the same."""
    return " AND ".join(
        f'{one}."{name}" IS NOT DISTINCT FROM {other}."{name}"' for name in IDENTITY
    )


def fact_id_expression(source: str, constants: Mapping[str, str] | None = None) -> str:
    """SQL that computes store.facts.fact_id over the columns of a batch.

    `source` is SQL for the netstring of the source's name (see `netstring_of`), and
    `constants` SQL literals of columns that hold the same in every row.
    """
    told = constants or {}
    parts = [source]
    for name in IDENTITY:
        literal = told.get(name)
        parts.append(
            _netstring(_as_text(name)) if literal is None else _constant(literal)
        )
    return f"sha256({_joined(parts)})"


def netstring_of(expression: str) -> str:
    """SQL for the netstring of a text that is never null."""
    return f"strlen({expression}) || ':' || {expression}"


def quoted_name(name: str) -> str:
    """A column's name as SQL writes it."""
    return f'"{name}"'


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    whole = text.replace("'", "''").replace("\0", "' || chr(0) || '")
    return f"'{whole}'"


def _joined(parts: list[str]) -> str:
    """The parts joined; constants beside each other become one."""
    runs = (
        (is_constant, list(together))
        for is_constant, together in groupby(parts, lambda part: part.startswith("'"))
    )
    return " || ".join(
        "'" + "".join(part[1:-1] for part in together) + "'"
        if is_constant
        else " || ".join(together)
        for is_constant, together in runs
    )


def _constant(literal: str) -> str:
    """The netstring of NULL or of a quoted text without quotes in it."""
    text = literal.strip("'")
    return "'-'" if literal.startswith("NULL") else f"'{len(text.encode())}:{text}'"


def _as_text(name: str) -> str:
    if name in TIME_COLUMNS:
        return f'epoch_us("{name}")::VARCHAR'
    return '"step"::VARCHAR' if name == "step" else quoted_name(name)


def _netstring(expression: str) -> str:
    whole = netstring_of(expression)
    return f"(CASE WHEN {expression} IS NULL THEN '-' ELSE {whole} END)"
