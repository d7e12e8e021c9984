"""From what a job says of itself to one state, whatever kind of job it is.

A final condition decides before anything else; two that contradict each other decide
nothing. That it is asked to be held counts as held only once nothing of it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import JOB, TRAIN_JOB, WORKFLOW, WorkKind
from connectors.parsing import text_of, well_formed
from connectors.pipelines.protocols import RunState


@dataclass(frozen=True, slots=True)
class Step:
    """One step, or one set of replicas, and how many of its pods are where."""

    name: str
    wanted: int = 0
    active: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0
    phase: str = ""
    """The kind's own word, where it has one for each step."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a job says of itself."""

    state: RunState
    reason: str = ""
    """The controller's word for why, a stranger's text."""
    message: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    steps: tuple[Step, ...] = ()
    is_held: bool = False
    """Whether it is asked to be held."""
    is_ending: bool = False
    """Whether it is being deleted."""
    is_stopped: bool = False
    """Whether it is asked to stop: to be held, or for a Workflow to end."""


_SUCCEEDED = ("Complete", "Succeeded")
_FINAL = (*_SUCCEEDED, "Failed")
_PHASES = {
    "Pending": RunState.PENDING,
    "Running": RunState.RUNNING,
    "Succeeded": RunState.SUCCEEDED,
    "Failed": RunState.FAILED,
    "Error": RunState.FAILED,
    "": RunState.PENDING,
}
_LONGEST_TEXT = 1000


def standing(found: Json, kind: WorkKind) -> Standing:
    """Where a job is.

    Raises:
        MalformedInput: it is not in the form of its kind.
    """
    with well_formed(f"a {kind.kind}"):
        status = _object(found.get("status"))
        steps = tuple(_steps(found, status, kind))
        state, reason, message = _decided(found, status, kind, steps)
        if state is RunState.RUNNING:
            message = message or _progress(status)
        return Standing(
            state,
            reason[:_LONGEST_TEXT],
            message[:_LONGEST_TEXT],
            _started(status),
            _ended(status),
            steps,
            is_held(found, kind),
            bool(_object(found["metadata"]).get("deletionTimestamp")),
            is_held(found, kind) if kind is not WORKFLOW else _is_shut_down(found),
        )


def is_held(found: Json, kind: WorkKind) -> bool:
    """Whether a job is asked to be held."""
    value: object = found
    for step in kind.suspend:
        value = value.get(step) if isinstance(value, dict) else None
    return value is True


def _decided(
    found: Json, status: Json, kind: WorkKind, steps: tuple[Step, ...]
) -> tuple[RunState, str, str]:
    if kind is WORKFLOW:
        return _of_workflow(found, status)
    true = {
        text_of(one["type"]): one
        for one in _objects(status.get("conditions"))
        if one.get("status") == "True"
    }
    final = [true[name] for name in _FINAL if name in true]
    if len(final) > 1:
        return RunState.UNKNOWN, "", "it says that it succeeded and that it failed"
    if final:
        is_good = final[0]["type"] in _SUCCEEDED
        state = RunState.SUCCEEDED if is_good else RunState.FAILED
        return state, text_of(final[0].get("reason")), text_of(final[0].get("message"))
    is_active = any(step.active or step.ready for step in steps)
    if is_held(found, kind) and not is_active:
        return RunState.SUSPENDED, "", ""
    told = true.get("Restarting") or true.get("FailureTarget") or {}
    if is_active or "Running" in true or "Restarting" in true:
        said = text_of(told.get("reason")), text_of(told.get("message"))
        return RunState.RUNNING, *said
    return RunState.PENDING, text_of(told.get("reason")), text_of(told.get("message"))


def _progress(status: Json) -> str:
    """How far a trainer says that it is, where it says so."""
    told = _object(status.get("trainerStatus"))
    if "progressPercentage" not in told:
        return ""
    left = _count(told.get("estimatedRemainingSeconds"))
    about = f", about {left} s left" if left else ""
    return f"{_count(told['progressPercentage'])} % by its trainer{about}"


def _of_workflow(found: Json, status: Json) -> tuple[RunState, str, str]:
    phase, message = text_of(status.get("phase")), text_of(status.get("message"))
    state = _PHASES.get(phase, RunState.UNKNOWN)
    spec = _object(found.get("spec"))
    if state is RunState.FAILED and _is_shut_down(found):
        return RunState.CANCELLED, text_of(spec.get("shutdown")), message
    if not state.is_final and is_held(found, WORKFLOW):
        nodes = _object(status.get("nodes")).values()
        is_active = any(
            node.get("type") == "Pod" and node.get("phase") == "Running"
            for node in nodes
        )
        return (RunState.RUNNING if is_active else RunState.SUSPENDED), "", message
    return state, phase if state is RunState.FAILED else "", message


def _is_shut_down(found: Json) -> bool:
    return _object(found.get("spec")).get("shutdown") in ("Terminate", "Stop")


def _steps(found: Json, status: Json, kind: WorkKind) -> Iterator[Step]:
    spec = _object(found.get("spec"))
    if kind is JOB:
        yield Step(
            "",
            _count(spec.get("completions")),
            _count(status.get("active")),
            _count(status.get("ready")),
            _count(status.get("succeeded")),
            _count(status.get("failed")),
        )
    elif kind is TRAIN_JOB:
        trainer = _object(spec.get("trainer"))
        for one in _objects(status.get("jobsStatus")):
            name = text_of(one.get("name"))
            wanted = _count(trainer.get("numNodes")) if name == "node" else 0
            yield Step(
                name,
                wanted,
                _count(one.get("active")),
                _count(one.get("ready")),
                _count(one.get("succeeded")),
                _count(one.get("failed")),
            )
    elif kind is WORKFLOW:
        for node in _object(status.get("nodes")).values():
            if node.get("type") == "Pod":
                phase = text_of(node.get("phase"))
                name = text_of(node.get("displayName"))
                yield Step(name, 1, active=int(phase == "Running"), phase=phase)
    else:
        wanted_of = _replicas(spec)
        for name, one in _object(status.get("replicaStatuses")).items():
            yield Step(
                str(name),
                wanted_of.get(name, 0),
                _count(one.get("active")),
                0,
                _count(one.get("succeeded")),
                _count(one.get("failed")),
            )


def _replicas(spec: Json) -> dict[str, int]:
    for key, sets in spec.items():
        if key.endswith("ReplicaSpecs"):
            return {
                name: _count(one.get("replicas", 1))
                for name, one in _object(sets).items()
            }
    return {}


def _object(value: object) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"an object is expected where {value!r:.80} stands")
    return value


def _objects(value: object) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"a list is expected where {value!r:.80} stands")
    return [_object(one) for one in value]


def _count(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a number is expected where {value!r:.80} stands")
    return value


def _started(status: Json) -> datetime | None:
    """When it began, or, where that is not told, when it was let go."""
    named = moment(status.get("startTime") or status.get("startedAt"))
    if named is not None:
        return named
    for one in _objects(status.get("conditions")):
        if one.get("type") == "Suspended" and one.get("status") == "False":
            return moment(one.get("lastTransitionTime"))
    return None


def _ended(status: Json) -> datetime | None:
    named = moment(status.get("completionTime") or status.get("finishedAt"))
    if named is not None:
        return named
    for one in _objects(status.get("conditions")):
        if one.get("type") in _FINAL and one.get("status") == "True":
            return moment(one.get("lastTransitionTime"))
    return None


def moment(value: object) -> datetime | None:
    """A moment that may be left out; it names its time zone."""
    said = text_of(value)
    if not said:
        return None
    found = datetime.fromisoformat(said.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError(f"{said!r:.80} names no time zone")
    return found
