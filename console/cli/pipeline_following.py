"""Commands that follow a launch: what changes of it, and what it prints."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from console.cli.context import Context, span_of
from console.cli.output import say, show, show_json_line
from console.cli.pipeline_recording import record_end
from console.cli.pipeline_words import exit_code_of_run, expected, state_line
from console.rendering import one_line, span
from console.services.problems import Misuse

if TYPE_CHECKING:
    from connectors.pipelines.protocols import LogLine, PipelineRun, StepRun
    from console.services.pipelines.viewing import LaunchLine
    from console.services.signing import Acting

MOST_LINES = 100_000
INTERRUPTED = 130


def watch(context: Context) -> int:
    """`pipeline watch`: 0 succeeded, 1 failed or cancelled, 3 not over or unknown."""
    return wait_for(context, context.arguments.launch)[0]


def wait_for(
    context: Context, launch: str, acting: Acting | None = None
) -> tuple[int, PipelineRun]:
    """Say what changes of a launch until it has ended, or the time is up; an end that
    is seen is recorded. The run goes on whatever becomes of whoever waits."""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.viewing import watch_launch

    given, store = context.arguments, context.store
    limit = span_of(given.timeout, "time").total_seconds() if given.timeout else None
    every = span_of(getattr(given, "every", "1s"), "time").total_seconds()
    launcher, line = launcher_of_all(store), None
    is_watching = given.format == "json" and getattr(given, "what", "") == "watch"
    name = launch
    try:
        for line in watch_launch(
            store, launcher, name, every_seconds=every, timeout_seconds=limit
        ):
            if is_watching:
                show_json_line("pipeline-watch", launch=line)
            else:
                say(one_line(_watched(line)))
    except KeyboardInterrupt:
        if line is None:
            raise
        _tell_it_goes_on(line.run)
        return INTERRUPTED, line.run
    assert line is not None  # noqa: S101 - a launch that is not there is an error
    _tell_it_goes_on(line.run)
    is_lacking = line.is_recorded is False
    if is_lacking and record_end(store, launcher, line, acting) and is_watching:
        show_json_line("pipeline-watch", launch=replace(line, is_recorded=True))
    return exit_code_of_run(line.run), line.run


def _tell_it_goes_on(run: PipelineRun) -> None:
    """Nobody who stops waiting is to think that the run has stopped."""
    from connectors.pipelines.protocols import RunState

    if run.state in (RunState.RUNNING, RunState.PENDING):
        say(
            f"{run.launch} goes on. See it: countersign pipeline watch {run.launch}; "
            f"end it: countersign pipeline cancel {run.launch}"
        )


def logs(context: Context) -> int:
    """`pipeline logs`"""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.viewing import launch_line

    given, store = context.arguments, context.store
    launcher = launcher_of_all(store)
    line = launch_line(store, launcher, given.launch)
    if given.tail is not None and not 1 <= given.tail <= MOST_LINES:
        raise Misuse(f"--tail takes 1 to {MOST_LINES} lines")
    found: Iterable[LogLine] = (
        told
        for told in launcher.log_lines(line.launch, follow=given.follow)
        if given.grep in told.text and given.step in ("", told.step)
    )
    if given.tail and not given.follow:
        found = deque(found, maxlen=given.tail)
    is_empty = True
    for told in found:
        is_empty = False
        if given.format == "json":
            show_json_line("pipeline-log", line=told)
            continue
        head = f"{told.at:%Y-%m-%dT%H:%M:%S} {told.step} {told.stream} "
        show(one_line(f"{head if given.times else ''}{told.text}"))
    if is_empty:
        _tell_why_empty(line.run, given.step)
    return 0


def _tell_why_empty(run: PipelineRun, step: str) -> None:
    """Say why nothing was shown, where that can be told.

    Raises:
        Misuse: there is no such step.
    """
    names = list(_names(run.steps))
    if step and names and step not in names:
        raise Misuse(f"{run.launch} has no step {step[:80]!r}: {', '.join(names)}")
    if not run.state.is_final:
        say(one_line(f"nothing was printed yet: {run.launch} is {state_line(run)}"))


def _names(steps: Iterable[StepRun]) -> Iterator[str]:
    for step in steps:
        yield step.name
        yield from _names(step.steps)


def _watched(line: LaunchLine) -> str:
    running = ", ".join(
        f"{step.name} {step.state.value}"
        for step in line.run.steps
        if step.state.value not in ("pending", "succeeded")
    )
    at = f"  {running}" if running else ""
    return (
        f"{line.launch}  {state_line(line.run)}  steps {line.steps_done}{at}  "
        f"{span(line.elapsed_seconds)}{expected(line)}"
    )
