"""The SQL form of a fact id, no dearer than what the facts of a kind say.

Most columns of most kinds hold nothing. What holds nothing is looked for once, and its
part of the id is then a constant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from store.facts import COLUMNS, TEXT_COLUMNS, TIME_COLUMNS

if TYPE_CHECKING:
    import duckdb

_IDENTITY = (*TEXT_COLUMNS, *TIME_COLUMNS, "step")


@dataclass(frozen=True, slots=True)
class Idle:
    """Columns of which it is known that they hold the same in every row."""

    blank: Collection[str] = field(default=())
    """Only empty text."""
    absent: Collection[str] = field(default=())
    """Only nulls."""
    full: Collection[str] = field(default=())
    """No null."""
    same: Mapping[str, str] = field(default_factory=dict)
    """One text in every row."""


def fact_id_expression(source: str, idle: Idle | None = None) -> str:
    """SQL that computes store.facts.fact_id over the columns of a batch.

    `source` is SQL for the netstring of the source's name (see `netstring_of`).
    """
    idle = idle or Idle()
    known = dict.fromkeys(idle.absent, "'-'") | dict.fromkeys(idle.blank, "'0:'")
    known |= {name: _constant(text) for name, text in idle.same.items()}
    parts = [source]
    parts += [
        known.get(name) or _netstring(_as_text(name), is_full=name in idle.full)
        for name in _IDENTITY
    ]
    return f"sha256({_joined(parts)})"


def fact_key(fact_id: str) -> str:
    """SQL for 128 bits of a fact id: who wants two alike must try 2^64 facts."""
    return f"md5_number({fact_id})"


KEY_HALVES = (
    "(fact_key >> 64)::UBIGINT AS key_high, "
    "(fact_key & 18446744073709551615::UHUGEINT)::UBIGINT AS key_low"
)
"""SQL for a fact key as two columns that Arrow can hold."""
KEY_OF_HALVES = "(key_high::UHUGEINT * 18446744073709551616::UHUGEINT + key_low)"
"""SQL for the fact key of two such columns."""


def netstring_of(expression: str) -> str:
    """SQL for the netstring of a text that is never null."""
    return _netstring(expression, is_full=True)


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


def _constant(text: str) -> str:
    return quoted(f"{len(text.encode())}:{text}")


def identified(
    connection: duckdb.DuckDBPyConnection, relation: str, source: str
) -> str:
    """SQL for the rows of a relation that a source told, each with its fact key.

    `relation` has the columns of a batch and `position`.
    """
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    return " UNION ALL ".join(
        f"SELECT {fact_key(fact_id_expression(_constant(source), idle))} AS fact_key, "
        f"position, {names} FROM {relation} WHERE kind = {quoted(kind)}"
        for kind, idle in _idle_by_kind(connection, relation)
    )


def _idle_by_kind(
    connection: duckdb.DuckDBPyConnection, relation: str
) -> list[tuple[str, Idle]]:
    """The kinds that are told, and what is idle in the facts of each."""
    counts = ", ".join(f'count("{name}")' for name in _IDENTITY)
    lengths = ", ".join(f'coalesce(max(strlen("{name}")), 0)' for name in TEXT_COLUMNS)
    rows = connection.execute(
        f"SELECT kind, count(*), {counts}, {lengths} FROM {relation} "
        "GROUP BY kind ORDER BY kind"
    ).fetchall()
    found = []
    for kind, total, *rest in rows:
        told = dict(zip(_IDENTITY, rest, strict=False))
        longest = dict(zip(TEXT_COLUMNS, rest[len(_IDENTITY) :], strict=True))
        full = {name for name, count in told.items() if count == total}
        absent = {name for name, count in told.items() if count == 0}
        blank = {name for name in full & longest.keys() if longest[name] == 0}
        found.append((str(kind), Idle(blank, absent, full, {"kind": str(kind)})))
    return found


def _as_text(name: str) -> str:
    if name in TIME_COLUMNS:
        return f'epoch_us("{name}")::VARCHAR'
    return '"step"::VARCHAR' if name == "step" else f'"{name}"'


def _netstring(expression: str, *, is_full: bool) -> str:
    whole = f"strlen({expression}) || ':' || {expression}"
    if is_full:
        return whole
    return f"(CASE WHEN {expression} IS NULL THEN '-' ELSE {whole} END)"


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    whole = text.replace("'", "''").replace("\0", "' || chr(0) || '")
    return f"'{whole}'"
