"""Who held what, and when: spans of event time from changes that were seen late.

A registry keeps no history, so a change is known as an interval: between the moment at
which things were last seen otherwise and that at which they were first seen so. What
lies between was observed by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from store.queries.sql import Row, fetch

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Change:
    """A value as it was seen, in order of event time."""

    value: str
    low: datetime | None
    """Last seen otherwise; None if never."""
    high: datetime | None
    """First seen so."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which one value held."""

    value: str
    not_before: datetime | None
    """It cannot have begun earlier; None: nobody looked before."""
    seen_from: datetime | None
    seen_until: datetime | None
    not_after: datetime | None
    """It cannot have ended later; None: it is not known to have ended."""
    is_last: bool = False


def spans(changes: Iterable[Change], last_heard: datetime | None) -> list[Span]:
    """Spans of one track, oldest first, up to when the source was last heard.

    A change is never earlier than the sighting before it, whatever its own bounds say:
    what was seen then was something else.
    """
    found: list[Span] = []
    seen: datetime | None = None
    for change in changes:
        if not found or found[-1].value != change.value:
            low = _latest(change.low, seen)
            if low is not None and change.high is not None:
                low = min(low, change.high)
            if found:
                until = _latest(low, found[-1].seen_from)
                found[-1] = replace(found[-1], seen_until=until, not_after=change.high)
            found.append(Span(change.value, low, change.high, None, None))
        seen = _latest(change.high, seen)
    if found:
        until = _latest(last_heard, seen)
        found[-1] = replace(found[-1], seen_until=until, is_last=True)
    return found


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    given = [moment for moment in (one, other) if moment is not None]
    return max(given, default=None)


def alias_changes(
    connection: duckdb.DuckDBPyConnection, model_key: str
) -> dict[str, list[Change]]:
    """Changes of each alias of a model, by the alias."""
    return _by_track(
        fetch(
            connection,
            "SELECT name AS track, object AS value, low, high FROM alias "
            f"WHERE subject = ? {_ORDER}",
            model_key,
        )
    )


def stage_changes(
    connection: duckdb.DuckDBPyConnection, version_keys: Sequence[str]
) -> dict[str, list[Change]]:
    """Changes of the stage of each of some versions, by the version's key."""
    return _by_track(
        fetch(
            connection,
            "SELECT subject AS track, name AS value, low, high FROM stage "
            f"WHERE list_contains(?::VARCHAR[], subject) {_ORDER}",
            list(version_keys),
        )
    )


def deleted_among(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str]
) -> frozenset[str]:
    """Those of some things that their source says are deleted."""
    rows = fetch(
        connection,
        "SELECT DISTINCT subject FROM deletion "
        "WHERE list_contains(?::VARCHAR[], subject)",
        list(keys),
    )
    return frozenset(row["subject"] for row in rows)


_ORDER = "ORDER BY track, high NULLS FIRST, entry_index"


def _by_track(rows: list[Row]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for row in rows:
        change = Change(row["value"], row["low"], row["high"])
        found.setdefault(row["track"], []).append(change)
    return found
