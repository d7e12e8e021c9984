"""Commands that look at pipelines: list, show, watch, logs."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from console.cli.context import Context, span_of
from console.cli.output import (
    moment,
    say,
    show,
    show_json,
    show_json_line,
    show_table,
)
from console.cli.pipeline_recording import record_end
from console.cli.pipeline_schedules import list_schedules, tell_objections
from console.rendering import one_line, printable, span

if TYPE_CHECKING:
    from connectors.pipelines.protocols import (
        LaunchPlan,
        LogLine,
        PipelineRun,
        StepRun,
    )
    from console.services.pipelines.viewing import LaunchLine
    from console.services.signing import Acting

MOST_LINES = 100_000
MOST_LISTED = 100
STATES = (
    "pending",
    "suspended",
    "running",
    "succeeded",
    "failed",
    "cancelled",
    "unknown",
)


def add_views(whats: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare them."""
    formats = ("table", "json")
    parser = whats.add_parser("list", help="every launch, newest first")
    parser.add_argument("--pipeline", default="", metavar="NAME")
    parser.add_argument(
        "--state",
        action="append",
        default=[],
        choices=STATES,
        help="only those in that state; repeatable",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=MOST_LISTED,
        metavar="N",
        help=f"the newest N, by default {MOST_LISTED}; 0: all",
    )
    parser.add_argument(
        "--schedules", action="store_true", help="only those, with next and last times"
    )
    parser.add_argument("--format", choices=formats, default="table")
    parser.set_defaults(handler=list_all)
    parser = whats.add_parser("show", help="one launch: state, steps, plan, verdict")
    parser.add_argument("launch", metavar="LAUNCH")
    parser.add_argument("--plan", action="store_true", help="only the plan, as sent")
    parser.add_argument("--format", choices=formats, default="table")
    parser.set_defaults(handler=show_one)
    parser = whats.add_parser("watch", help="say what changes until it has ended")
    parser.add_argument("launch", metavar="LAUNCH")
    parser.add_argument("--every", default="1s", metavar="TIME")
    parser.add_argument("--timeout", default="", metavar="TIME")
    parser.add_argument("--format", choices=formats, default="table")
    parser.set_defaults(handler=watch)
    parser = whats.add_parser("logs", help="what a run prints")
    parser.add_argument("launch", metavar="LAUNCH")
    parser.add_argument("--follow", action="store_true", help="until it has ended")
    parser.add_argument("--grep", default="", metavar="TEXT", help="lines with TEXT")
    parser.add_argument("--tail", type=int, default=0, metavar="N", help="the last N")
    parser.add_argument("--step", default="", metavar="STEP")
    parser.add_argument("--times", action="store_true", help="when, and which stream")
    parser.add_argument("--format", choices=formats, default="table")
    parser.set_defaults(handler=logs)


def list_all(context: Context) -> int:
    """`pipeline list`"""
    from console.services.pipelines.launch_log import launch_names
    from console.services.pipelines.launch_words import to_do_lines
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.schedules import schedules_objected_to
    from console.services.pipelines.viewing import list_launches
    from console.services.problems import Misuse

    given, store = context.arguments, context.store
    if given.schedules:
        return list_schedules(context)
    if given.limit < 0:
        raise Misuse("--limit takes a number of launches, or 0 for all")
    launcher = launcher_of_all(store)
    newest = 0 if given.state else given.limit
    lines = list_launches(store, launcher, newest=newest, pipeline=given.pipeline)
    if given.state:
        lines = [line for line in lines if line.run.state.value in given.state]
        is_cut = 0 < given.limit < len(lines)
        lines = lines[: given.limit] if is_cut else lines
    else:
        is_cut = 0 < given.limit == sum(not line.run.schedule for line in lines)
    if given.format == "json":
        show_json("pipeline-list", launches=lines)
        return 0
    show_table(
        (
            "LAUNCH",
            "PIPELINE",
            "ENVIRONMENT",
            "STATE",
            "SEEN",
            "STEPS",
            "CLAIMED",
            "TOOK",
            "BY",
        ),
        [
            (
                f"  {line.launch}" if line.run.schedule else line.launch,
                line.pipeline,
                line.environment,
                line.run.state.value,
                line.seen.value,
                line.steps_done,
                moment(line.run.claimed),
                span(line.elapsed_seconds),
                line.requester_name,
            )
            for line in lines
        ],
    )
    total = len(launch_names(store))
    if is_cut and total > given.limit:
        say(f"The newest {given.limit} of those asked for. All: --limit 0")
    for text in to_do_lines(lines):
        say(one_line(text))
    tell_objections(schedules_objected_to(store, launcher))
    return 0


def show_one(context: Context) -> int:
    """`pipeline show`"""
    from console.services.pipelines.launch_sheet import launch_sheet
    from console.services.pipelines.launch_words import to_do_lines
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.schedule_words import schedule_lines
    from console.services.pipelines.schedules import schedule_line
    from console.services.pipelines.viewing import launch_line
    from policies.verdict import tree_lines

    given, store = context.arguments, context.store
    launcher = launcher_of_all(store)
    line = launch_line(store, launcher, given.launch)
    sheet = launch_sheet(store, line.launch)
    if given.plan:
        data = store.objects.get(sheet.record.intent.definition)
        show(printable(data.decode("utf-8", "replace")))
        return 0
    plan, judged = sheet.plan, sheet.judged
    is_fired = bool(line.run.schedule)
    kept = None if is_fired else schedule_line(store, launcher, line.launch)
    if given.format == "json":
        show_json(
            "pipeline-show",
            launch=line,
            plan=plan,
            statements=sheet.said,
            tree=judged.tree.to_json() if judged else None,
            schedule=kept,
        )
        return 0
    run = line.run
    show(one_line(f"{line.launch}: {line.pipeline} in {line.environment}"))
    show(one_line(f"state      {state_line(run)}"))
    for text in _seen(line):
        show(one_line(text))
    show(one_line(f"asked by   {sheet.requester}, for {line.cause}"))
    code = plan.code
    dirty = {None: "", True: ", with changes", False: ""}[code.is_dirty]
    what = f"commit {code.commit[:12]}{dirty}" if code.commit else f"tree {code.tree}"
    show(one_line(f"code       {what} of {code.repository or plan.project}"))
    for text in _runtime(plan, run):
        show(one_line(text))
    if plan.images:
        show(one_line(f"runs at    {plan.place}"))
    for image in plan.images:
        show(one_line(f"image      {image}"))
    for led in plan.resolved:
        what = f"{led.kind} {led.name}, generation {led.generation}"
        show(one_line(f"leads to   {what}, sha256:{led.sha256[:16]}"))
    for name, value in plan.parameters:
        show(one_line(f"parameter  {name} = {value}"))
    for text in schedule_lines(kept) if kept else ():
        show(one_line(text))
    show(f"took       {span(line.elapsed_seconds)}{_expected(line)}")
    for text in _tree(run.steps):
        show(one_line(text))
    for made in run.outputs:
        show(
            one_line(f"made       {made.path} sha256:{made.sha256[:16]} {made.size} B")
        )
    for name, text in run.told:
        show(one_line(f"told       {name} {text}"))
    for tracked in run.tracked:
        where = tracked.url or tracked.run_id
        show(one_line(f"told       {tracked.plugin} run {where}"))
    for touched in run.artifacts:
        what = touched.address or f"artifact {touched.artifact_id}"
        way = "wrote" if touched.is_output else "read"
        show(one_line(f"told       {touched.step} {way} {touched.name} {what}"))
    for one in sheet.said:
        show(one_line(f"entry {one.entry:<5}{one.words}"))
    if kept is not None:
        tell_objections([kept])
    for text in to_do_lines([line] if kept is None else []):
        say(one_line(text))
    if judged is not None:
        show(printable("\n".join(tree_lines(judged.tree))))
    return 0


def _runtime(plan: LaunchPlan, run: PipelineRun) -> Iterable[str]:
    """What it runs with, and what was in the environment that was built for it."""
    if not plan.virtualenv:
        yield f"runs with  {plan.runtime}"
    for built in plan.virtualenv:
        locked = f"not locked: {built.unlocked}" if built.unlocked else "locked"
        yield f"runs with  {plan.runtime} {built.key[:16]} of {built.python}, {locked}"
        where = ", ".join(built.indexes) or "the project alone"
        yield f"packages   from {where}"
    if run.packages:
        listed = ", ".join(f"{one.name} {one.version}" for one in run.packages)
        yield f"contains   {len(run.packages)} packages: {listed}"


def watch(context: Context) -> int:
    """`pipeline watch`: 0 succeeded, 1 failed or cancelled, 3 not over or unknown."""
    return wait_for(context, context.arguments.launch)[0]


def wait_for(
    context: Context, launch: str, acting: Acting | None = None
) -> tuple[int, PipelineRun]:
    """Say what changes of a launch until it has ended, or the time is up; an end that
    is seen is recorded."""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.viewing import watch_launch

    given, store = context.arguments, context.store
    limit = span_of(given.timeout, "time").total_seconds() if given.timeout else None
    every = span_of(getattr(given, "every", "1s"), "time").total_seconds()
    launcher, line = launcher_of_all(store), None
    is_watching = given.format == "json" and getattr(given, "what", "") == "watch"
    name = launch
    for line in watch_launch(
        store, launcher, name, every_seconds=every, timeout_seconds=limit
    ):
        if is_watching:
            show_json_line("pipeline-watch", launch=line)
        else:
            say(one_line(_watched(line)))
    assert line is not None  # noqa: S101 - a launch that is not there is an error
    is_lacking = line.is_recorded is False
    if is_lacking and record_end(store, launcher, line, acting) and is_watching:
        show_json_line("pipeline-watch", launch=replace(line, is_recorded=True))
    return exit_code_of_run(line.run), line.run


def logs(context: Context) -> int:
    """`pipeline logs`"""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.viewing import launch_line
    from console.services.problems import Misuse

    given, store = context.arguments, context.store
    launcher = launcher_of_all(store)
    line = launch_line(store, launcher, given.launch)
    if given.tail < 0 or given.tail > MOST_LINES:
        raise Misuse(f"--tail takes 1 to {MOST_LINES} lines")
    found: Iterable[LogLine] = (
        told
        for told in launcher.log_lines(line.launch, follow=given.follow)
        if given.grep in told.text and given.step in ("", told.step)
    )
    if given.tail and not given.follow:
        found = deque(found, maxlen=given.tail)
    for told in found:
        if given.format == "json":
            show_json_line("pipeline-log", line=told)
            continue
        head = f"{told.at:%Y-%m-%dT%H:%M:%S} {told.step} {told.stream} "
        show(one_line(f"{head if given.times else ''}{told.text}"))
    return 0


def exit_code_of_run(run: PipelineRun) -> int:
    """0 succeeded; 1 failed or cancelled; 3 not over, or not known."""
    from connectors.pipelines.protocols import RunState

    if run.state is RunState.SUCCEEDED:
        return 0
    return 1 if run.state.is_final else 3


def state_line(run: PipelineRun) -> str:
    """The state of a run, and why."""
    return f"{run.state.value}{f': {run.reason}' if run.reason else ''}"


def _seen(line: LaunchLine) -> Iterable[str]:
    """By whose word it is in its state, where its place was not looked at."""
    if line.unseen_because:
        yield f"seen       {line.seen.value}: {line.unseen_because}"


def _watched(line: LaunchLine) -> str:
    running = ", ".join(
        f"{step.name} {step.state.value}"
        for step in line.run.steps
        if step.state.value not in ("pending", "succeeded")
    )
    at = f"  {running}" if running else ""
    return (
        f"{line.launch}  {state_line(line.run)}  steps {line.steps_done}{at}  "
        f"{span(line.elapsed_seconds)}{_expected(line)}"
    )


def _expected(line: LaunchLine) -> str:
    if line.expected_seconds is None:
        return ""
    return f" of about {span(line.expected_seconds)}"


def _tree(steps: Iterable[StepRun], depth: int = 0) -> Iterable[str]:
    for step in steps:
        taken = (
            round((step.ended - step.started).total_seconds())
            if step.started and step.ended
            else None
        )
        status = "" if step.exit_status is None else f", exit status {step.exit_status}"
        indent = "  " * depth
        said = f"{step.state.value}, {span(taken)}{status}"
        yield f"step       {indent}{step.name}: {said}"
        yield from _tree(step.steps, depth + 1)
