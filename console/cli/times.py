"""`--as-of` and `--known-at`, the same for every command that reads, and how what is
known of a past moment is put into words."""

from __future__ import annotations

import argparse
from datetime import datetime

from console.cli.context import Context
from console.cli.output import moment
from console.services.moments import Asked
from console.services.opened import parse_time
from console.services.problems import Misuse
from store.queries.models import Alias
from store.queries.presence import Certainty
from store.queries.tenures import Held


def add_times(parser: argparse.ArgumentParser) -> None:
    """Declare both times; docs/times.md says what each command answers."""
    parser.add_argument(
        "--as-of", metavar="TIME", help="as things were at that time (RFC 3339)"
    )
    add_known_at(parser)


def add_known_at(parser: argparse.ArgumentParser) -> None:
    """Declare the log's time alone."""
    parser.add_argument(
        "--known-at", type=int, metavar="INDEX", help="as the log knew at that entry"
    )


def asked_times(context: Context) -> Asked:
    """The times that were typed.

    Raises:
        Misuse: one is no time, or no entry that the log has.
    """
    arguments = context.arguments
    known_at = known_at_argument(context)
    return Asked(time_argument(arguments.as_of), known_at)


def known_at_argument(context: Context) -> int | None:
    """The entry that was typed.

    Raises:
        Misuse: the log has no such entry.
    """
    known_at: int | None = context.arguments.known_at
    if known_at is None:
        return None
    size = context.store.index.size
    if not 0 <= known_at < size:
        raise Misuse(
            f"the log has no entry {known_at}",
            hint=f"Its last is {size - 1}; see: countersign log show",
        )
    return known_at


def time_argument(text: str | None) -> datetime | None:
    """A time that was typed.

    Raises:
        Misuse: it is none.
    """
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError as cause:
        raise Misuse(
            f"{text!r} is no time", hint="Write 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from cause


def times_of(asked: Asked) -> dict[str, object]:
    """Which times were asked, for an answer in JSON."""
    return {"as_of": asked.as_of, "known_at": asked.known_at}


def alias_words(alias: Alias) -> str:
    """An alias and its version; at a past moment also how sure that is."""
    told = f"{alias.name}={alias.version or 'nothing'}"
    match alias.certainty:
        case Certainty.POSSIBLE:
            return f"{told} (possible)"
        case Certainty.UNOBSERVED:
            return f"{told} or {alias.instead or 'nothing'} (unobserved)"
        case _:
            return told


def held_words(held: Held, as_of: datetime) -> str:
    """What held at a moment, how sure that is, and between which sightings."""
    value = held.value or "nothing"
    is_before = held.seen_from is not None and held.seen_from > as_of
    match held.certainty:
        case Certainty.CERTAIN:
            span = f"{moment(held.seen_from)} to {moment(held.seen_until)}"
            return f"{value}: certain, seen {span}"
        case Certainty.UNOBSERVED:
            start, end = held.seen_until, held.not_after
            if is_before:
                start, end = held.not_before, held.seen_from
            other = held.instead or "nothing"
            return (
                f"{value} or {other}: unobserved from {moment(start)} to {moment(end)}"
            )
        case _ if is_before:
            return f"{value}: possible, first seen {moment(held.seen_from)}"
        case _:
            return f"{value}: possible, last seen {moment(held.seen_until)}"
