"""SQL for the rows that the graph is made of: links, and what describes things.

Read from the tables and not the views, whose horizon is that of one question.
"""

from __future__ import annotations

from store.adjacency.counting import NO_TIME
from store.facts import FactKind
from store.projection.schema import table_name

_DESCRIBING = {
    FactKind.RUN: "started",
    FactKind.COMMIT: "started",
    FactKind.DATASET_VERSION: "NULL",
    FactKind.MODEL_VERSION: "started",
    FactKind.JOB: "NULL",
}
"""Kinds whose facts name a thing, each with when the thing began to exist."""


def links_between(first: int, end: int) -> str:
    """SQL for links that some entries brought, without `end`."""
    return (
        f"SELECT subject, object, name, strength, text, entry_index AS entry, "
        f"{_microseconds('low')} AS low, {_microseconds('high')} AS high "
        f"FROM {table_name(FactKind.EDGE)} "
        f"WHERE entry_index >= {first:d} AND entry_index < {end:d}"
    )


def told_between(first: int, end: int) -> str:
    """SQL for what entries say of things: key, label, moment, entry."""
    return " UNION ALL ".join(
        f"SELECT subject AS key, coalesce(name, '') AS label, "
        f"{_microseconds(moment)} AS moment, entry_index AS entry "
        f"FROM {table_name(kind)} "
        f"WHERE entry_index >= {first:d} AND entry_index < {end:d}"
        for kind, moment in _DESCRIBING.items()
    )


def count_between(first: int, end: int) -> str:
    """SQL for how many rows both have together."""
    tables = (FactKind.EDGE, *_DESCRIBING)
    counts = " + ".join(
        f"(SELECT count(*) FROM {table_name(kind)} "
        f"WHERE entry_index >= {first:d} AND entry_index < {end:d})"
        for kind in tables
    )
    return f"SELECT {counts}"


def _microseconds(column: str) -> str:
    """A time as a number; in SQL the smallest one cannot be written as such."""
    return f"coalesce(epoch_us({column}::TIMESTAMP), {NO_TIME + 1} - 1)"
