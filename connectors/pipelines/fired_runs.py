"""What a run that a schedule started is called, and what it was started for.

The id joins the schedule's with a sign that no launch's own id may hold, so that
neither can be taken for the other.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from connectors.pipelines.cron_times import CronTimes

SIGN = "~"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2300, 1, 1, tzinfo=UTC)
_TIMELY = re.compile(r"\d{8}T\d{4}Z")


def fired_id(
    schedule: str, keeper: str, job: str, times: CronTimes, unit: timedelta
) -> str:
    """The id of the run of a job, by its name and that of what keeps the schedule.

    The controller names a job by the time for which it starts it, as so many units
    since 1970. One of another name, or for what is none of the times, was started by
    hand.
    """
    said = job.removeprefix(f"{keeper}-")
    is_named = said != job and said.isascii() and said.isdecimal()
    if is_named and len(said) <= len(str((_LATEST - _EPOCH) // unit)):
        due = min(_EPOCH + int(said) * unit, _LATEST)
        if f"{int(said)}" == said and not due.second and times.includes(due):
            return timely_id(schedule, due)
    return f"{schedule}{SIGN}{job}"


def timely_id(schedule: str, due: datetime) -> str:
    """The id of the run that a schedule starts for one of its times."""
    return f"{schedule}{SIGN}{due:%Y%m%dT%H%MZ}"


def schedule_of(run: str) -> str:
    """The schedule that an id of a run names; empty: it names none."""
    schedule, sign, _ = run.partition(SIGN)
    return schedule if sign else ""


def cause_of(run: str) -> str:
    """What a run was started for, by its id."""
    schedule, _, what = run.partition(SIGN)
    by_hand = "" if _TIMELY.fullmatch(what) else ", by hand"
    return f"schedule {schedule}{by_hand}"
