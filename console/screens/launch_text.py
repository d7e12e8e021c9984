"""One launch in words: how it goes, what it is made of, what it waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.pipelines.protocols import PipelineRun, StepRun
from console.rendering import span
from console.services.pipelines.launch_sheet import LaunchSheet
from console.services.pipelines.schedule_words import objection_lines, schedule_lines
from console.services.pipelines.schedules import ScheduleLine
from policies.verdict import Verdict, tree_lines

MOST_STEPS = 40


def launch_lines(
    sheet: LaunchSheet,
    seen: tuple[PipelineRun | None, int | None] | None,
    schedule: ScheduleLine | None,
    *,
    missed: str,
    seen_at: datetime,
    now: datetime,
) -> list[str]:
    """Everything that is known of a launch: what was seen of it, with its age where its
    place does not answer now, and what the log has."""
    run, expected = seen or (None, None)
    lines: list[str] = []
    if run is not None:
        lines.append(headline(run, expected, now))
    elif seen is not None:
        lines.append(sheet.unseen)
    elif not missed:
        lines.append("looking…")
    if missed:
        ago = round((now - seen_at).total_seconds())
        since = f"as seen {ago} s ago" if seen is not None else "not seen yet"
        lines.append(f"{since}; {missed}")
    lines += step_lines(run.steps, now) if run is not None else []
    if schedule is not None:
        lines += schedule_lines(replace(schedule, fired=()))
        lines += objection_lines(schedule)
    return lines + sheet_lines(sheet)


def fired_rows(
    schedule: ScheduleLine | None, now: datetime
) -> list[tuple[str, tuple[str, ...]]]:
    """What a schedule started, a row for each."""
    return [
        (
            run.launch,
            (run.launch, run.state.value, _clock(run.started), _took(run, now)),
        )
        for run in (schedule.fired if schedule else ())
    ]


def _clock(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"


def _took(run: PipelineRun, now: datetime) -> str:
    elapsed = run.elapsed(now)
    return "-" if elapsed is None else span(round(elapsed.total_seconds()))


def headline(run: PipelineRun, expected_seconds: int | None, now: datetime) -> str:
    """State, why, how far, and how long it took or takes."""
    elapsed = run.elapsed(now)
    took = "not begun" if elapsed is None else span(round(elapsed.total_seconds()))
    if expected_seconds is not None:
        took += f" of about {span(expected_seconds)}"
    reason = f": {run.reason}" if run.reason not in ("", run.state.value) else ""
    return f"{run.state.value.upper()}{reason}   {took}"


def step_lines(steps: Iterable[StepRun], now: datetime) -> list[str]:
    """A line for each step, those within it moved to the right."""
    lines = list(_steps(steps, now, 0))
    if len(lines) <= MOST_STEPS:
        return lines
    left = len(lines) - MOST_STEPS
    return [*lines[:MOST_STEPS], f"and {left} more: countersign pipeline show"]


def _steps(steps: Iterable[StepRun], now: datetime, depth: int) -> Iterator[str]:
    for step in steps:
        taken: timedelta | None = None
        if step.started is not None:
            taken = (step.ended or now) - step.started
        said = [step.state.value]
        said += [span(round(taken.total_seconds()))] if taken is not None else []
        if step.exit_status is not None:
            said.append(f"exit status {step.exit_status}")
        yield f"  {'  ' * depth}{step.name}: {', '.join(said)}"
        yield from _steps(step.steps, now, depth + 1)


def sheet_lines(sheet: LaunchSheet) -> list[str]:
    """What is known of it without asking the place where it runs."""
    plan, intent, code = sheet.plan, sheet.record.intent, sheet.plan.code
    asked = f"asked for by {sheet.requester}; cause: {intent.cause}"
    lines: list[str] = []
    if sheet.judged is not None:
        tree = tree_lines(sheet.judged.tree)
        may_go = sheet.judged.tree.verdict is Verdict.YES
        lines = ["it may be started: countersign pipeline show"] if may_go else tree
    lines += [f"{intent.pipeline} in {intent.environment}, {asked}"]
    if code.commit:
        dirty = ", with changes" if code.is_dirty else ""
        where = code.repository or plan.project
        lines.append(f"commit {code.commit[:12]}{dirty} of {where}")
    lines += [f"image {image}" for image in plan.images]
    lines += [
        f"leads to {led.kind} {led.name}, generation {led.generation}"
        for led in plan.resolved
    ]
    given = ", ".join(f"{name}={value}" for name, value in plan.parameters)
    lines += [f"with {given}"] if given else []
    return lines + [f"entry {one.entry}: {one.words}" for one in sheet.said]
