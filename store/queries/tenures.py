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

from store.facts import FactKind
from store.queries.presence import Certainty
from store.queries.sql import IS_OWN, MOMENT, fetch

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


@dataclass(frozen=True, slots=True)
class Held:
    """What held at a moment, and what is known of since when and until when."""

    value: str
    """What was last seen by then; if nothing was, what was seen first."""
    certainty: Certainty | None
    """None when no past moment was asked for."""
    not_before: datetime | None
    seen_from: datetime | None
    seen_until: datetime | None
    not_after: datetime | None
    instead: str | None = None
    """When unobserved: what was seen next, and may have held already."""


def held_at(track: Sequence[Span], as_of: datetime | None) -> Held | None:
    """What a track held at a moment, or holds now; None if it cannot have held a thing.

    Nothing is known of the time before something else was seen for the first time.
    """
    if not track:
        return None
    if as_of is None:
        return _held(track[-1], None)
    seen = [span for span in track if span.seen_from and span.seen_from <= as_of]
    if not seen:
        first = track[0]
        if first.not_before is None:
            return _held(first, Certainty.POSSIBLE)
        if as_of <= first.not_before:
            return None
        return replace(_held(first, Certainty.UNOBSERVED), instead="")
    last = seen[-1]
    if last.seen_until is not None and as_of <= last.seen_until:
        return _held(last, Certainty.CERTAIN)
    following = track[len(seen) :]
    if not following:
        return _held(last, Certainty.POSSIBLE)
    return replace(_held(last, Certainty.UNOBSERVED), instead=following[0].value)


def _held(span: Span, certainty: Certainty | None) -> Held:
    return Held(
        span.value,
        certainty,
        span.not_before,
        span.seen_from,
        span.seen_until,
        span.not_after,
    )


def alias_changes(
    connection: duckdb.DuckDBPyConnection, model_key: str = ""
) -> dict[tuple[str, str], list[Change]]:
    """Changes of each alias, by the model and the alias; of one model or of all."""
    return _by_track(
        connection,
        f"SELECT subject, name, object AS value, {_TIMES} FROM alias "
        "WHERE $1 = '' OR subject = $1",
        model_key,
    )


def stage_changes(
    connection: duckdb.DuckDBPyConnection, version_keys: Sequence[str] | None = None
) -> dict[tuple[str, str], list[Change]]:
    """Changes of the stage of each of some versions, or of all, by the version's key
    and an empty name."""
    return _by_track(
        connection,
        f"SELECT subject, '' AS name, name AS value, {_TIMES} FROM stage "
        "WHERE $1::VARCHAR[] IS NULL OR list_contains($1::VARCHAR[], subject)",
        None if version_keys is None else list(version_keys),
    )


def tags_held(
    connection: duckdb.DuckDBPyConnection,
    kind: FactKind,
    subject: str,
    as_of: datetime | None,
) -> dict[str, Held]:
    """What the tags or parameters of a subject held, by their names.

    Each as the source that goes first tells it: see store.queries.sql.
    """
    tracks = _by_track(
        connection,
        f"SELECT subject, name, coalesce(text, '') AS value, {_TIMES} "
        f'FROM "{kind.value}" WHERE subject = $1 QUALIFY dense_rank() OVER '
        f"(PARTITION BY name ORDER BY {IS_OWN} DESC, source) = 1",
        subject,
    )
    found = {
        name: held_at(spans(changes, None), as_of)
        for (_, name), changes in tracks.items()
    }
    return {name: held for name, held in found.items() if held is not None}


def deleted_among(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str]
) -> frozenset[str]:
    """Those of some things that their source says are deleted."""
    return frozenset(deletions_of(connection, keys))


def deletions_of(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str]
) -> dict[str, Change]:
    """When some things were first seen to be deleted, by their keys."""
    rows = fetch(
        connection,
        f"SELECT subject, min(low) AS low, min({MOMENT}) AS high FROM deletion "
        "WHERE list_contains(?::VARCHAR[], subject) GROUP BY subject",
        list(keys),
    )
    return {row["subject"]: Change("deleted", row["low"], row["high"]) for row in rows}


_TIMES = f"low, high, {MOMENT} AS seen, entry_index"
_ORDER = (
    "ORDER BY subject, name, seen, low NULLS FIRST, "
    "CASE WHEN high IS NULL THEN entry_index END NULLS LAST, value"
)
"""As LAST_FIRST in store.queries.sql orders them, the other way about."""


def _by_track(
    connection: duckdb.DuckDBPyConnection, told: str, *values: object
) -> dict[tuple[str, str], list[Change]]:
    found: dict[tuple[str, str], list[Change]] = {}
    for row in fetch(connection, f"FROM ({told}) {_ORDER}", *values):
        change = Change(row["value"], row["low"], row["seen"])
        found.setdefault((row["subject"], row["name"]), []).append(change)
    return found
