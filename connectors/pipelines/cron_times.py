"""The times that five cron fields name, as the controller of a cluster reads them.

A time that the clocks leave out in spring does not come; one that they repeat in autumn
comes twice. `@every` and a zone within the expression name no times and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.errors import MalformedInput

LONGEST_CRON = 200
MOST_DEADLINE_SECONDS = 366 * 24 * 3600
"""What is written where a run may start however late, and something has to be."""
_YEARS_AHEAD = 5
_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY = range(5)
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_NAMES = {
    _MONTH: {name: number for number, name in enumerate(_MONTHS, 1)},
    _WEEKDAY: {name: number for number, name in enumerate(_DAYS)},
}
_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_WORD = r"[0-9A-Za-z]{1,3}"
_PART = re.compile(rf"(\*|\?|{_WORD})(?:-({_WORD}))?(?:/([0-9]{{1,3}}))?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}")
_HINT = 'Write: --cron "0 3 * * *": minute, hour, day, month, day of the week.'


@dataclass(frozen=True, slots=True)
class CronTimes:
    """When something is due."""

    fields: tuple[frozenset[int], ...]
    is_any_day: bool
    """Whether the day of the month is left open, so that the weekday alone decides."""
    is_any_weekday: bool
    zone: ZoneInfo

    def includes(self, moment: datetime) -> bool:
        """Whether a minute is one of the times."""
        local = moment.astimezone(self.zone)
        return (
            self._is_day(local)
            and local.hour in self.fields[_HOUR]
            and local.minute in self.fields[_MINUTE]
        )

    def after(self, moment: datetime) -> datetime | None:
        """The first time after a moment, in UTC; None: none for years."""
        at = moment.astimezone(UTC).replace(second=0, microsecond=0)
        at += timedelta(minutes=1)
        last = at + timedelta(days=366 * _YEARS_AHEAD)
        while at < last:
            local = at.astimezone(self.zone)
            if not self._is_day(local):
                at = _next_day(local, at)
            elif local.hour not in self.fields[_HOUR]:
                at += timedelta(minutes=60 - local.minute)
            elif local.minute not in self.fields[_MINUTE]:
                at += timedelta(minutes=1)
            else:
                return at
        return None

    def between(
        self, after: datetime, until: datetime, most: int
    ) -> Iterator[datetime]:
        """The times after one moment up to another, at most so many."""
        at: datetime | None = after
        for _ in range(most):
            at = self.after(at) if at else None
            if at is None or at > until:
                return
            yield at

    def _is_day(self, local: datetime) -> bool:
        if local.month not in self.fields[_MONTH]:
            return False
        is_day = local.day in self.fields[_DAY]
        is_weekday = local.isoweekday() % 7 in self.fields[_WEEKDAY]
        if self.is_any_day or self.is_any_weekday:
            return is_day and is_weekday
        return is_day or is_weekday


def cron_times(expression: str, time_zone: str) -> CronTimes:
    """Read a cron expression.

    Raises:
        MalformedInput: it is none, or the zone is not known on this machine.
    """
    fields, is_any_day, is_any_weekday = _read(expression)
    return CronTimes(fields, is_any_day, is_any_weekday, zone_of(time_zone))


def check_cron(expression: str, time_zone: str) -> None:
    """Whether they could be times, on any machine: which zones there are, each knows
    by its own list.

    Raises:
        MalformedInput: they could not.
    """
    _read(expression)
    if not _could_be_zone(time_zone):
        raise MalformedInput(f"{time_zone[:80]!r} is no time zone")


def five_fields(expression: str) -> list[str]:
    """The fields of a cron expression, also of a short name.

    Raises:
        MalformedInput: it is none.
    """
    _read(expression)
    return _SHORT.get(expression, expression).split(" ")


def day_numbers(word: str, *, is_weekday: bool) -> str:
    """A field of days in which every star with a step is written one by one.

    Raises:
        MalformedInput: it names no days.
    """
    position = _WEEKDAY if is_weekday else _DAY
    said = []
    for part in word.split(","):
        is_stepped = part[:2] in ("*/", "?/") and part[2:] != "1"
        numbers = sorted(_part(part, position)) if is_stepped else [part]
        said += [str(one) for one in numbers]
    return ",".join(said)


def _read(expression: str) -> tuple[tuple[frozenset[int], ...], bool, bool]:
    if len(expression) > LONGEST_CRON:
        raise MalformedInput("the times are too long", hint=_HINT)
    words = _SHORT.get(expression, expression).split(" ")
    if len(words) != len(_BOUNDS):
        raise MalformedInput(f"{expression[:80]!r} are no times", hint=_HINT)
    fields = tuple(_field(word, position) for position, word in enumerate(words))
    return fields, _is_open(words[_DAY]), _is_open(words[_WEEKDAY])


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name.

    Raises:
        MalformedInput: there is none of that name here.
    """
    problem: Exception | None = None
    if _could_be_zone(name):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError) as cause:
            problem = cause
    raise MalformedInput(
        f"{name[:80]!r} is no time zone that is known here",
        hint="Write Etc/UTC or Europe/Berlin. A machine without a list of zones needs "
        "the package tzdata.",
    ) from problem


def _could_be_zone(name: str) -> bool:
    is_named = _ZONE.fullmatch(name) is not None
    return is_named and name.lower() not in ("local", "localtime")


def _field(word: str, position: int) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        found |= _part(part, position)
    return frozenset(found)


def _part(part: str, position: int) -> set[int]:
    matched = _PART.fullmatch(part)
    least, most = _BOUNDS[position]
    if matched is None:
        raise MalformedInput(f"{part[:40]!r} is no part of times", hint=_HINT)
    first, last, step = matched.groups()
    if first in "*?":
        begin, end = least, most
        is_wrong = last is not None
    else:
        begin = _number(first, position)
        end = begin if last is None else _number(last, position)
        if last is None and step is not None:
            end = most
        is_wrong = not least <= begin <= end <= most
    by = 1 if step is None else int(step)
    if is_wrong or by < 1:
        raise MalformedInput(f"{part[:40]!r} is no part of times", hint=_HINT)
    return set(range(begin, end + 1, by))


def _number(word: str, position: int) -> int:
    named = _NAMES.get(position, {}).get(word.lower())
    if named is not None:
        return named
    return int(word) if word.isascii() and word.isdecimal() else -1


def _is_open(word: str) -> bool:
    """Whether a field names no days: one part of it is every day without a step."""
    return any(part in ("*", "?", "*/1", "?/1") for part in word.split(","))


def _next_day(local: datetime, at: datetime) -> datetime:
    """The beginning of the next day there, and in any case later."""
    midnight = local.replace(hour=0, minute=0, fold=0) + timedelta(days=1)
    return max(midnight.astimezone(UTC), at + timedelta(minutes=1))
