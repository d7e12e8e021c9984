"""What is wrong with a draft while somebody fills it in, and when it would be due."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.errors import ConnectorError
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.declarations import Declaration
from connectors.pipelines.protocols import Times
from console.services.pipelines.drafting import Draft, why_no_schedule
from console.services.problems import Misuse
from console.services.spans import span_of

NEXT_TIMES = 3
_OWN_ZONE = "/etc/localtime"


def span_problem(text: str) -> str:
    """Why a text is no length of time; empty: it is one, or none is given."""
    try:
        if text.strip():
            span_of(text.strip(), "time")
    except Misuse as problem:
        return f"{problem}. {problem.hint}"
    return ""


def steps_problem(declared: Declaration, steps: tuple[str, ...]) -> str:
    """Which step a project has not; empty: it has all of them."""
    known = declared.entry_points
    strange = [step for step in steps if known and step not in known]
    if not strange:
        return ""
    return f"there is no step {strange[0][:80]}; there are {', '.join(known)}"


def times_said(draft: Draft, now: datetime) -> tuple[str, bool]:
    """When a draft would be due next, and whether it would at all; or what is wrong."""
    if draft.times is None:
        return "", True
    zone = zone_of_times(draft)
    try:
        due = next_times(replace(draft.times, time_zone=zone or "Etc/UTC"), now)
    except ConnectorError as problem:
        return str(problem), False
    if not due:
        return "never for years", False
    if not zone:
        return "by the clock of this machine", True
    times = [f"{at:%a %Y-%m-%d %H:%M} {zone}, {utc:%H:%M} UTC" for at, utc in due]
    return "\n".join(times), True


def zone_of_times(draft: Draft) -> str:
    """The zone in which a draft's times are meant: cron has that of its machine.

    Empty: nobody can tell how that is called.
    """
    if draft.times is None or not why_no_schedule(draft.backend):
        return draft.times.time_zone if draft.times else ""
    _, zones, name = os.path.realpath(_OWN_ZONE).rpartition("/zoneinfo/")
    return name if zones else ""


def next_times(times: Times, after: datetime) -> list[tuple[datetime, datetime]]:
    """When it would be due next: as its zone has it, and in UTC.

    Raises:
        MalformedInput: they are no times.
    """
    found, zone = cron_times(times.cron, times.time_zone), ZoneInfo(times.time_zone)
    due: list[tuple[datetime, datetime]] = []
    at: datetime | None = after
    for _ in range(NEXT_TIMES):
        at = found.after(at) if at else None
        if at is None:
            break
        due.append((at.astimezone(zone), at))
    return due
