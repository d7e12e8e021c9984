"""The command that shows one launch: state, steps, plan, statements, verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.cli.context import Context
from console.cli.output import say, show, show_json
from console.cli.pipeline_schedules import tell_objections
from console.cli.pipeline_words import expected, state_line
from console.rendering import one_line, printable, span

if TYPE_CHECKING:
    from connectors.pipelines.protocols import LaunchPlan, PipelineRun, StepRun
    from console.services.pipelines.viewing import LaunchLine


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
    show(one_line(f"asked by   {sheet.requester}; cause: {line.cause}"))
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
    show(f"took       {span(line.elapsed_seconds)}{expected(line)}")
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


def _seen(line: LaunchLine) -> Iterable[str]:
    """By whose word it is in its state, where its place was not looked at."""
    if line.unseen_because:
        yield f"seen       {line.seen.value}: {line.unseen_because}"


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
