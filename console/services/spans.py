"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

from console.services.problems import Misuse

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def span_of(given: str, what: str) -> timedelta:
    """A length of time: seconds, or a number with s, m, h or d.

    Raises:
        Misuse: it is none, or longer than a calendar holds.
    """
    number, unit = (given, "s") if given[-1:].isdecimal() else (given[:-1], given[-1:])
    hint = "Write 30s, 15m, 2h or 1d."
    if not (number.isascii() and number.isdecimal() and unit in _UNIT_SECONDS):
        raise Misuse(f"{given[:40]!r} is no {what}", hint=hint)
    try:
        return timedelta(seconds=int(number) * _UNIT_SECONDS[unit])
    except (OverflowError, ValueError) as cause:
        raise Misuse(
            f"{given[:40]!r} is no {what} that a clock could keep", hint=hint
        ) from cause
