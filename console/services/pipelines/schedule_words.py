"""A schedule in words: when it is due, what it started, and what is against it."""

from __future__ import annotations

from datetime import datetime

from connectors.pipelines.protocols import RunState
from console.services.pipelines.schedules import ScheduleLine


def schedule_lines(line: ScheduleLine) -> list[str]:
    """When, how, and what it started."""
    times = line.times
    late = (
        f", at most {times.deadline_seconds} s late" if times.deadline_seconds else ""
    )
    told = [
        f"times      {times.cron} in {times.time_zone}, overlap {times.overlap}{late}"
    ]
    if line.standing:
        told += [
            f"next       {_said(line.standing.next)}",
            f"last       {_said(line.standing.last)}",
        ]
    told += [f"run        {run.launch}: {run.state.value}" for run in line.fired]
    if line.silent_times:
        told.append(
            f"silent     {line.silent_times} past times of which nothing is there: "
            "left out, too late, or deleted unrecorded"
        )
    return told


def objection_lines(line: ScheduleLine) -> list[str]:
    """Why it should not run as it does, and what to do; none: nothing is against it."""
    told = []
    if line.problem:
        told.append(f"{line.launch}: its place could not be asked: {line.problem}")
    elif line.run is None:
        told.append(f"{line.launch} is gone from where it was launched.")
    elif line.state is RunState.UNKNOWN:
        told.append(f"{line.launch} is not what was let go: {line.run.reason}")
    if line.is_cancelled_in_silence:
        told.append(silent_line(line.launch))
    if line.objection:
        told += [
            f"{line.launch} would not be allowed today: {line.objection}",
            "It runs on until somebody ends it: countersign pipeline cancel "
            f"{line.launch}",
        ]
    return told


def silent_line(launch: str) -> str:
    """That something was cancelled past the log, and what to do."""
    return (
        f"{launch} was cancelled, and the log does not say by whom; log it: "
        f"countersign pipeline cancel {launch}"
    )


def _said(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"
