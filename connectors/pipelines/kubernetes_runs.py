"""A job of a cluster and its pods, as a pipeline run.

One step for each container of each set of replicas, and in it the replicas.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from connectors.kubernetes.manifests import (
    LAUNCH_ANNOTATION,
    PLAN_ANNOTATION,
    WITHDRAWN_ANNOTATION,
    label_of_launch,
    name_of_launch,
)
from connectors.kubernetes.pods import ContainerStatus, Pod
from connectors.kubernetes.states import moment
from connectors.kubernetes.templates import Part
from connectors.kubernetes.workflow_nodes import Node
from connectors.kubernetes.works import Work
from connectors.parsing import parse_json, text_of, well_formed
from connectors.pipelines.kubernetes_planning import BACKEND
from connectors.pipelines.protocols import PipelineRun, RunState, StepRun

_LONGEST_REASON = 300
_PHASES = {
    "": RunState.PENDING,
    "Pending": RunState.PENDING,
    "Running": RunState.RUNNING,
    "Succeeded": RunState.SUCCEEDED,
    "Failed": RunState.FAILED,
    "Error": RunState.FAILED,
    "Skipped": RunState.PENDING,
    "Omitted": RunState.PENDING,
}
"""Of nodes; one that was skipped has not run, and never will."""
_UNKNOWN_MOMENT = datetime.fromtimestamp(0, UTC)


def launch_of(work: Work) -> str:
    """The launch that a job says it is of, if its name and label agree; or nothing."""
    launch = work.marks.get(LAUNCH_ANNOTATION, "")
    is_named = work.name == name_of_launch(launch)
    return launch if is_named and work.launch == label_of_launch(launch) else ""


def run_of(work: Work, pods: Sequence[Pod], planned: Sequence[str] = ()) -> PipelineRun:
    """A job as a run; of one that says nothing of its pods yet, the planned steps.

    Raises:
        MalformedInput: how it stood when it was withdrawn cannot be read.
    """
    standing = work.standing
    steps = tuple(_step(part, work, pods) for part in work.parts)
    steps += tuple(map(_of_node, work.nodes))
    begun = [step.started for step in steps if step.started]
    run = PipelineRun(
        launch=launch_of(work),
        backend=BACKEND,
        pipeline="",
        state=_state(work, pods),
        plan_digest=work.marks.get(PLAN_ANNOTATION, ""),
        claimed=work.created or _UNKNOWN_MOMENT,
        reason=_reason(work, pods),
        started=_began(work, begun),
        ended=standing.ended,
        steps=steps or tuple(StepRun(name, RunState.PENDING) for name in planned),
    )
    if not work.is_withdrawn:
        return run
    return _withdrawn(run, work.marks[WITHDRAWN_ANNOTATION])


def _state(work: Work, pods: Sequence[Pod]) -> RunState:
    """Where it is; whether what is held runs, its pods tell where its steps do not."""
    is_held = work.standing.state is RunState.SUSPENDED
    if is_held and work.remark and any(pod.phase == "Running" for pod in pods):
        return RunState.RUNNING
    return work.standing.state


def _began(work: Work, begun: Sequence[datetime]) -> datetime | None:
    """When anything of it began; a Workflow begins for itself while it is held."""
    is_told = work.nodes and not work.remark
    said = None if is_told else work.standing.started
    return said or min(begun, default=None)


def note_of(run: PipelineRun, now: datetime) -> str:
    """How a run stands that is about to be withdrawn, for an annotation."""
    stood = [
        {
            "name": step.name,
            "state": RunState.CANCELLED
            if step.state is RunState.RUNNING
            else step.state,
            "started": _said(step.started),
            "ended": _said(now if step.state is RunState.RUNNING else step.ended),
            "exit_status": step.exit_status,
        }
        for step in run.steps
    ]
    told: dict[str, object] = {
        "at": _said(now),
        "started": _said(run.started),
        "steps": stood,
    }
    if run.state is RunState.UNKNOWN:
        told["unknown"] = run.reason
    return json.dumps(told, sort_keys=True)


def _withdrawn(run: PipelineRun, note: str) -> PipelineRun:
    told = parse_json(note.encode(), "how a job stood when it was withdrawn")
    with well_formed("how a job stood when it was withdrawn"):
        stood = {
            text_of(one["name"]): StepRun(
                text_of(one["name"]),
                RunState(one["state"]),
                moment(one["started"]),
                moment(one["ended"]),
                one["exit_status"] if isinstance(one["exit_status"], int) else None,
            )
            for one in told["steps"]
        }
        unknown = text_of(told.get("unknown"))
        return replace(
            run,
            state=RunState.UNKNOWN if unknown else RunState.CANCELLED,
            reason=unknown or "cancelled",
            started=moment(told["started"]),
            ended=moment(told["at"]),
            steps=tuple(stood.get(step.name, step) for step in run.steps),
        )


def _said(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _reason(work: Work, pods: Sequence[Pod]) -> str:
    """What keeps it from running or made it fail, then the controller's own word."""
    standing = work.standing
    if standing.state is RunState.SUSPENDED:
        return work.remark
    if standing.state is RunState.SUCCEEDED:
        left = sum(pod.phase not in ("Succeeded", "Failed") for pod in pods)
        unended = f"{left} of its pods still run" if left else ""
        return "; ".join(part for part in (unended, work.remark) if part)
    newest = {pod.step: pod for pod in sorted(pods, key=_age)}.values()
    found = [
        f"{trouble}: {trouble.message}" if trouble.message else str(trouble)
        for pod in newest
        for trouble in pod.troubles
    ]
    told = ": ".join(part for part in (standing.reason, standing.message) if part)
    said = "; ".join(part for part in (*found, told, work.remark) if part)
    return said[:_LONGEST_REASON]


def _step(part: Part, work: Work, pods: Sequence[Pod]) -> StepRun:
    """A container in every pod that has it; the newest one stands for all of them
    where one pod follows another."""
    here = [pod for pod in sorted(pods, key=_age) if pod.set_name == part.set_name]
    if part.set_name:
        # Of each replica the newest pod: the others are attempts that it replaced.
        here = [pod for _, pod in sorted({pod.step: pod for pod in here}.items())]
    found = [
        _stood(one, one.step if part.set_name else pod.name)
        for pod in here
        for one in pod.statuses
        if one.name == part.container
    ]
    if part.set_name:
        found += [
            StepRun(pod.step, RunState.PENDING) for pod in here if not pod.statuses
        ]
    if not found:
        state = RunState.PENDING if here else _without_pods(part, work)
        return StepRun(part.step, state)
    if len(found) == 1:
        return replace(found[0], name=part.step)
    is_many = part.set_name or any(step.wanted > 1 for step in work.standing.steps)
    state = _together(found) if is_many else found[-1].state
    newest = found[-1]
    return StepRun(
        part.step,
        state,
        min((one.started for one in found if one.started), default=None),
        newest.ended if state.is_final else None,
        newest.exit_status if state.is_final else None,
        tuple(found),
    )


def _of_node(node: Node) -> StepRun:
    return StepRun(
        node.name,
        _PHASES.get(node.phase, RunState.UNKNOWN),
        node.started,
        node.ended,
        node.exit_status,
        tuple(map(_of_node, node.nodes)),
    )


def _without_pods(part: Part, work: Work) -> RunState:
    """What is known of a set whose pods were taken away when the job ended."""
    if not (part.set_name and work.standing.state.is_final):
        return RunState.PENDING
    for step in work.standing.steps:
        if step.name.lower() == part.set_name:
            if step.failed:
                return RunState.FAILED
            if step.succeeded:
                return RunState.SUCCEEDED
    return RunState.PENDING


def _together(found: Sequence[StepRun]) -> RunState:
    states = {one.state for one in found}
    for state in (RunState.RUNNING, RunState.PENDING, RunState.FAILED):
        if state in states:
            return state
    return RunState.SUCCEEDED


def _stood(one: ContainerStatus, name: str) -> StepRun:
    if one.exit_status is not None:
        state = RunState.FAILED if one.exit_status else RunState.SUCCEEDED
    else:
        state = RunState.RUNNING if one.started else RunState.PENDING
    return StepRun(name, state, one.started, one.ended, one.exit_status)


def _age(pod: Pod) -> tuple[datetime, str]:
    return pod.created or _UNKNOWN_MOMENT, pod.name
