"""Launches and schedules as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from connectors.pipelines.protocols import PipelineRun, Times
from console.rendering import span
from console.services.pipelines.schedules import ScheduleLine
from console.services.pipelines.viewing import LaunchLine, Seen

Row = tuple[str, tuple[str, ...]]
"""What opening it gives, and its cells."""
LAUNCHES = ("LAUNCH", "STATE", "PIPELINE", "STEPS", "SECONDS", "CLAIMED", "BY")
SCHEDULES = ("SCHEDULE", "STATE", "TIMES", "ZONE", "NEXT", "LAST", "RUNS")


def launch_rows(lines: Iterable[tuple[LaunchLine, str]]) -> Iterator[Row]:
    """A row for each launch; what a schedule started stands under it."""
    for line, state in lines:
        name = f"  {line.launch}" if line.run.schedule else line.launch
        cells = (
            name,
            f"{state} (by the log)" if line.seen is Seen.LOG else state,
            line.pipeline,
            line.steps_done,
            "-" if line.elapsed_seconds is None else _seconds(line),
            moment(line.run.claimed),
            line.requester_name,
        )
        yield line.launch, cells


def schedule_rows(
    schedules: Mapping[str, Times], seen: Mapping[str, ScheduleLine], now: datetime
) -> Iterator[Row]:
    """A row for each schedule as far as its place has answered; what it started stands
    under it."""
    for launch, times in schedules.items():
        line = seen.get(launch)
        standing = line.standing if line else None
        state = "asking…" if line is None else line.state.value
        if line is not None and line.objection:
            state += ", objected to"
        cells = (
            launch,
            state,
            times.cron,
            times.time_zone,
            moment(standing.next) if standing else "-",
            moment(standing.last) if standing else "-",
            str(len(line.fired)) if line else "-",
        )
        yield launch, cells
        for run in line.fired if line else ():
            yield run.launch, _fired(run, now)


def _fired(run: PipelineRun, now: datetime) -> tuple[str, ...]:
    elapsed = run.elapsed(now)
    took = "-" if elapsed is None else span(round(elapsed.total_seconds()))
    return f"  {run.launch}", run.state.value, "", "", "", moment(run.started), took


def moment(at: datetime | None) -> str:
    """A time in a cell, UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"


def _seconds(line: LaunchLine) -> str:
    expected = line.expected_seconds
    about = "" if expected is None else f" of about {expected}"
    return f"{line.elapsed_seconds}{about}"
