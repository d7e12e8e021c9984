"""From what jobs of every kind say of themselves to one state."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.errors import MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import JOB, KINDS, TRAIN_JOB, WORKFLOW, WorkKind
from connectors.kubernetes.states import Step, standing
from connectors.pipelines.protocols import RunState

PYTORCH = next(one for one in KINDS if one.kind == "PyTorchJob")


def conditions(*names: str) -> Json:
    """Conditions that hold; with a leading `-`, ones that do not."""
    return {
        "conditions": [
            {
                "type": name.lstrip("-"),
                "status": "False" if name.startswith("-") else "True",
                "reason": f"{name}Reason",
                "lastTransitionTime": "2026-11-26T10:00:00Z",
            }
            for name in names
        ]
    }


def found(status: Json, **spec: object) -> Json:
    return {"metadata": {"name": "x"}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("kind", "status", "spec", "state"),
    [
        (JOB, {}, {}, "pending"),
        (JOB, {}, {"suspend": True}, "suspended"),
        (JOB, conditions("Suspended"), {"suspend": True}, "suspended"),
        (JOB, {"active": 1}, {"suspend": True}, "running"),
        (JOB, {"active": 1, "ready": 1}, {"suspend": False}, "running"),
        (JOB, conditions("SuccessCriteriaMet"), {}, "pending"),
        (JOB, conditions("SuccessCriteriaMet", "Complete"), {}, "succeeded"),
        (JOB, conditions("FailureTarget"), {}, "pending"),
        (JOB, conditions("FailureTarget", "Failed"), {}, "failed"),
        (JOB, conditions("-Complete", "Failed"), {"suspend": True}, "failed"),
        (JOB, conditions("Complete", "Failed"), {}, "unknown"),
        (TRAIN_JOB, {}, {"suspend": True}, "suspended"),
        (TRAIN_JOB, conditions("-Suspended"), {}, "pending"),
        (TRAIN_JOB, {"jobsStatus": [{"name": "node", "active": 2}]}, {}, "running"),
        (TRAIN_JOB, conditions("Complete"), {}, "succeeded"),
        (TRAIN_JOB, conditions("Failed"), {}, "failed"),
        (PYTORCH, conditions("Created"), {}, "pending"),
        (PYTORCH, conditions("Created", "Running"), {}, "running"),
        (PYTORCH, conditions("Restarting"), {}, "running"),
        (PYTORCH, conditions("-Running", "Succeeded"), {}, "succeeded"),
        (PYTORCH, conditions("Created"), {"runPolicy": {"suspend": True}}, "suspended"),
        (WORKFLOW, {}, {"suspend": True}, "suspended"),
        (WORKFLOW, {"phase": "Running"}, {"suspend": True}, "suspended"),
        (
            WORKFLOW,
            {"phase": "Running", "nodes": {"a": {"type": "Pod", "phase": "Running"}}},
            {"suspend": True},
            "running",
        ),
        (WORKFLOW, {"phase": "Running"}, {}, "running"),
        (WORKFLOW, {"phase": "Succeeded"}, {"suspend": True}, "succeeded"),
        (WORKFLOW, {"phase": "Error"}, {}, "failed"),
        (WORKFLOW, {"phase": "Failed"}, {"shutdown": "Terminate"}, "cancelled"),
        (WORKFLOW, {"phase": "Invented"}, {}, "unknown"),
    ],
)
def test_the_state_is_what_the_job_says(
    kind: WorkKind, status: Json, spec: Json, state: str
) -> None:
    assert standing(found(status, **spec), kind).state == RunState(state)


def test_a_job_without_a_status_is_pending() -> None:
    assert standing({"metadata": {}, "spec": {}}, JOB).state is RunState.PENDING


def test_reason_times_and_replicas_are_told() -> None:
    status = conditions("Failed") | {
        "startTime": "2026-11-26T09:00:00Z",
        "replicaStatuses": {"Worker": {"active": 1, "succeeded": 2, "failed": 3}},
    }
    spec = {"pytorchReplicaSpecs": {"Worker": {"replicas": 6}, "Master": {}}}
    told = standing(found(status, **spec), PYTORCH)
    assert told.reason == "FailedReason"
    assert told.started == datetime(2026, 11, 26, 9, tzinfo=UTC)
    assert told.ended == datetime(2026, 11, 26, 10, tzinfo=UTC)
    assert told.steps == (Step("Worker", 6, 1, 0, 2, 3),)


def test_steps_of_a_workflow_are_its_pods() -> None:
    nodes = {
        "a": {"type": "Pod", "displayName": "train", "phase": "Running"},
        "b": {"type": "DAG", "displayName": "all", "phase": "Running"},
    }
    told = standing(found({"phase": "Running", "nodes": nodes}), WORKFLOW)
    assert told.steps == (Step("train", 1, active=1, phase="Running"),)


def test_what_is_being_deleted_says_so() -> None:
    gone = {"deletionTimestamp": "2026-11-26T10:00:00Z"}
    assert standing({"metadata": gone, "spec": {}}, JOB).is_ending


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": {}},
        {"conditions": ["Complete"]},
        {"conditions": [{"status": "True"}]},
        {"conditions": [{"type": 1, "status": "True"}]},
        {"active": "many"},
        {"active": True},
        {"startTime": "yesterday"},
        {"startTime": "2026-11-26T09:00:00"},
        {"startTime": 5},
        [],
        "Complete",
    ],
)
def test_a_status_of_another_form_is_an_error_of_ours(status: object) -> None:
    with pytest.raises(MalformedInput):
        standing({"metadata": {}, "spec": {}, "status": status}, JOB)


def test_a_reason_of_any_length_is_cut_short() -> None:
    status = conditions("Failed")
    status["conditions"][0]["reason"] = "x" * 10_000
    assert len(standing(found(status), JOB).reason) == 1000
