"""What a run of Kubeflow Pipelines comes to as a pipeline run with its steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from connectors.errors import ConnectorUnavailable
from connectors.kubeflow.objects import KfpRun, Task
from connectors.kubeflow.packages import PackageStep
from connectors.parsing import without_userinfo
from connectors.pipelines.kfp_planning import BACKEND
from connectors.pipelines.protocols import PipelineRun, RunState, StepRun
from connectors.pipelines.told import TrackedRun

MARK = "countersign launch"
_MARKED = re.compile(
    rf"{MARK} ([A-Za-z0-9][A-Za-z0-9._-]{{0,99}}) plan ([0-9a-f]{{64}})"
)
_LONGEST_REASON = 500
_LONG_AGO = datetime.fromtimestamp(0, UTC)
_CANCELLING = "CANCELING"
_UNSAID = ("", "RUNTIME_STATE_UNSPECIFIED")
_CACHED = ("SKIPPED", "CACHED")
_CONTAINER = "executor"
"""What every step's container is called within it."""
_STATES = {
    "PENDING": RunState.PENDING,
    "RUNNING": RunState.RUNNING,
    "SUCCEEDED": RunState.SUCCEEDED,
    "SKIPPED": RunState.SUCCEEDED,
    "CACHED": RunState.SUCCEEDED,
    "FAILED": RunState.FAILED,
    _CANCELLING: RunState.RUNNING,
    "CANCELED": RunState.CANCELLED,
    "PAUSED": RunState.RUNNING,
}
"""What is told as running though it does not run is told with a reason."""
_SAID = {_CANCELLING: "it is being cancelled", "PAUSED": "it is paused there"}


def mark_of(launch: str, plan_digest: str) -> str:
    """What a run of ours says of itself, as its description."""
    return f"{MARK} {launch} plan {plan_digest}"


def marked(run: KfpRun) -> tuple[str, str]:
    """The launch and the plan that a run says that it is of; empty: it says none."""
    found = _MARKED.fullmatch(run.description)
    return (found[1], found[2]) if found and found[1] == run.name else ("", "")


def those_marked(named: Iterable[KfpRun], launch: str) -> list[KfpRun]:
    """The runs that say that they are of a launch, of those that have its name.

    Raises:
        ConnectorUnavailable: one cannot be shown, and may be of it.
    """
    found = []
    for run in named:
        if run.error and not run.name:
            raise ConnectorUnavailable(
                f"Kubeflow Pipelines cannot show its run {run.run_id[:80]}, which "
                f"may be of {launch}: {run.error[:200]}",
                hint="Whoever runs Kubeflow Pipelines can tell what is wrong.",
            )
        if marked(run)[0] == launch:
            found.append(run)
    return found


def run_of(
    run: KfpRun,
    tasks: Sequence[Task],
    steps: Iterable[PackageStep],
    *,
    is_cancelled: bool = False,
) -> PipelineRun:
    """A run with its steps: those that were planned, in their order, each with what is
    within it. `is_cancelled` says that it failed for being cancelled."""
    launch, plan_digest = marked(run)
    state = RunState.CANCELLED if is_cancelled else state_of(run)
    planned = tuple(steps)
    found = tuple(_step(step, tasks, state) for step in planned)
    starts = [at for told, at in run.states if told == "RUNNING" and at]
    starts += [step.started for step in found if step.started]
    claimed = run.created or _LONG_AGO
    started = max(min(starts), claimed) if starts else None
    told = [("kfp.run", run.run_id), ("kfp.version", run.version_id)]
    cached = [step.name for step in planned if _was_cached(step, tasks)]
    if cached:
        told.append(("cached", ", ".join(cached)))
    left_out = sum(task.name == _CONTAINER and task.state in _CACHED for task in tasks)
    if left_out and not cached:
        told.append(("cached.containers", str(left_out)))
    return PipelineRun(
        launch=launch,
        backend=BACKEND,
        pipeline="",
        state=state,
        plan_digest=plan_digest,
        claimed=claimed,
        reason=_reason(run, tasks, state),
        started=started,
        ended=run.ended if state.is_final else None,
        steps=found,
        told=tuple(told),
        tracked=tuple(
            TrackedRun(one.plugin, one.run_id, without_userinfo(one.url))
            for one in run.tracked
        ),
    )


def state_of(run: KfpRun) -> RunState:
    """Where a run is. One that failed while it was being cancelled was cancelled."""
    if run.state == "FAILED" and any(told == _CANCELLING for told, _ in run.states):
        return RunState.CANCELLED
    return _STATES.get(run.state, RunState.UNKNOWN)


def is_ending(run: KfpRun) -> bool:
    """Whether a run has ended, or was asked to."""
    return run.state == _CANCELLING or state_of(run).is_final


def _reason(run: KfpRun, tasks: Sequence[Task], state: RunState) -> str:
    if state is RunState.CANCELLED:
        return "cancelled"
    if run.state in _SAID:
        return _SAID[run.state]
    if state is RunState.UNKNOWN:
        return f"Kubeflow Pipelines shows the state {run.state[:80]!r}"
    if state is not RunState.FAILED:
        return ""
    failed = [
        f"step {task.name}: {task.error}" if task.error else f"step {task.name} failed"
        for task in tasks
        if task.state == "FAILED" and not _is_frame(task, run)
    ]
    return "; ".join([*failed, *([run.error] if run.error else [])])[:_LONGEST_REASON]


def _is_frame(task: Task, run: KfpRun) -> bool:
    """Whether a task is what holds the others, which fails with them."""
    if task.name in ("root", _CONTAINER, "", run.name):
        return True
    is_first = task.name.startswith(f"{run.name}-") or task.name.endswith("-driver")
    return is_first and not task.parent


def _step(planned: PackageStep, tasks: Sequence[Task], whole: RunState) -> StepRun:
    own = [task for task in tasks if task.name == planned.name]
    if not own:
        return StepRun(planned.name, RunState.PENDING)
    newest = max(own, key=lambda task: task.started or _LONG_AGO)
    within = _within(newest, planned, tasks)
    return replace(
        _stood(newest, whole), steps=tuple(_stood(task, whole) for task in within)
    )


def _stood(task: Task, whole: RunState) -> StepRun:
    state = _STATES.get(task.state, RunState.UNKNOWN)
    was_ended = whole in (RunState.FAILED, RunState.CANCELLED)
    if task.state in _UNSAID and was_ended:
        # Left out, because something before it did not succeed.
        return StepRun(task.name, RunState.PENDING)
    if state is RunState.FAILED and whole is RunState.CANCELLED:
        state = whole
    if not state.is_final and whole.is_final:
        was_begun = task.started is not None and state is RunState.RUNNING
        state = whole if was_begun and whole is not RunState.SUCCEEDED else state
        if whole is RunState.SUCCEEDED:
            state = RunState.UNKNOWN
    ended = task.ended if state.is_final else None
    return StepRun(task.name, state, task.started, ended)


def _within(task: Task, planned: PackageStep, tasks: Sequence[Task]) -> list[Task]:
    """The tasks that say that they are within one, or that its package has there."""
    return [
        one
        for one in tasks
        if (task.task_id and one.parent == task.task_id)
        or (not one.parent and one.name in planned.within)
    ]


def _was_cached(planned: PackageStep, tasks: Sequence[Task]) -> bool:
    """Whether a step has only what an earlier run left: its container was left out."""
    own = [task for task in tasks if task.name == planned.name]
    within = [one for task in own for one in _within(task, planned, tasks)]
    return any(
        task.state in _CACHED
        for task in (*own, *(one for one in within if one.name == _CONTAINER))
    )
