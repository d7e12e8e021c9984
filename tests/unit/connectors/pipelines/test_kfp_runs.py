"""What is told of a run, and what it comes to; whatever a server tells."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import MalformedInput
from connectors.kubeflow.objects import run_from, task_from
from connectors.kubeflow.packages import PackageStep
from connectors.pipelines.kfp_runs import mark_of, marked, run_of
from connectors.pipelines.protocols import PipelineRun, RunState

PLAN = "ab" * 32
TRAIN = PackageStep("train", (), (), ("evaluate",))
RAW: dict[str, Any] = {
    "run_id": "1234",
    "display_name": "one",
    "description": mark_of("one", PLAN),
    "created_at": "2026-11-26T12:00:00Z",
    "finished_at": "1970-01-01T00:00:00Z",
    "state": "RUNNING",
}


def told(**more: object) -> PipelineRun:
    run = run_from(RAW | more)
    return run_of(run, run.tasks, [TRAIN])


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("PENDING", RunState.PENDING),
        ("RUNNING", RunState.RUNNING),
        ("SUCCEEDED", RunState.SUCCEEDED),
        ("SKIPPED", RunState.SUCCEEDED),
        ("CACHED", RunState.SUCCEEDED),
        ("FAILED", RunState.FAILED),
        ("CANCELING", RunState.RUNNING),
        ("CANCELED", RunState.CANCELLED),
        ("PAUSED", RunState.RUNNING),
        ("RUNTIME_STATE_UNSPECIFIED", RunState.UNKNOWN),
        ("", RunState.UNKNOWN),
        ("SOMETHING_NEW", RunState.UNKNOWN),
    ],
)
def test_every_state_of_the_api_is_one_of_ours(said: str, state: RunState) -> None:
    assert told(state=said).state is state


def test_one_that_failed_while_it_was_being_cancelled_was_cancelled() -> None:
    history = [{"state": state} for state in ("RUNNING", "CANCELING", "FAILED")]
    assert told(state="FAILED", state_history=history).state is RunState.CANCELLED
    assert told(state="FAILED", state_history=history[:1]).state is RunState.FAILED


def test_a_step_that_is_not_told_of_has_not_begun() -> None:
    assert told().steps[0].state is RunState.PENDING


def test_a_step_still_running_in_a_run_that_succeeded_is_unknown() -> None:
    task = {"display_name": "train", "state": "RUNNING", "task_id": "1"}
    details = {"task_details": [task | {"start_time": "2026-11-26T12:00:01Z"}]}
    [step] = told(state="SUCCEEDED", run_details=details).steps
    assert step.state is RunState.UNKNOWN
    [step] = told(state="CANCELED", run_details=details).steps
    assert step.state is RunState.CANCELLED


def test_a_step_that_was_left_out_never_began() -> None:
    at = "2026-11-26T12:00:01Z"
    task = {"display_name": "train", "state": "RUNTIME_STATE_UNSPECIFIED"}
    details = {"task_details": [task | {"start_time": at, "end_time": at}]}
    [step] = told(state="FAILED", run_details=details).steps
    assert (step.state, step.started) == (RunState.PENDING, None)
    [step] = told(state="SUCCEEDED", run_details=details).steps
    assert step.state is RunState.UNKNOWN


def test_why_it_failed_names_the_step_and_not_what_holds_it() -> None:
    tasks = [
        {"display_name": name, "state": "FAILED"}
        for name in ("root", "one-x1", "train-driver", "train")
    ]
    run = told(
        state="FAILED",
        run_details={"task_details": tasks},
        error={"code": 13, "message": "it broke"},
    )
    assert run.reason == "step train failed; it broke"


def test_a_task_of_newer_releases_says_when_it_began_and_why_it_failed() -> None:
    """It has no other beginning than that it was made, and no error."""
    task = {
        "name": "train",
        "task_id": "1",
        "type": "RUNTIME",
        "create_time": "2026-11-26T12:00:01Z",
        "end_time": "2026-11-26T12:00:05Z",
        "state": "FAILED",
        "status_metadata": {"message": "the container ended with 3"},
    }
    root = {"name": "root", "type": "ROOT", "task_id": "0", "state": "FAILED"}
    tasks = [task_from(root), task_from(task | {"parent_task_id": "0"})]
    run = run_of(run_from(RAW | {"state": "FAILED"}), tasks, [TRAIN])
    assert run.reason == "step train: the container ended with 3"
    [step] = run.steps
    assert step.started is not None
    assert step.ended is not None
    assert (step.ended - step.started).total_seconds() == 4


def test_containers_that_were_left_out_are_counted_where_nothing_says_whose() -> None:
    tasks = [
        {"display_name": "train", "state": "SUCCEEDED", "task_id": "1"},
        {"display_name": "executor", "state": "SKIPPED"},
        {"display_name": "executor", "state": "SUCCEEDED"},
    ]
    run = told(state="SUCCEEDED", run_details={"task_details": tasks})
    assert ("cached.containers", "1") in run.told
    tasks[1]["parent_task_id"] = "1"
    run = told(state="SUCCEEDED", run_details={"task_details": tasks})
    assert ("cached", "train") in run.told
    tasks[1]["state"] = "SUCCEEDED"
    run = told(state="SUCCEEDED", run_details={"task_details": tasks})
    assert [name for name, _ in run.told] == ["kfp.run", "kfp.version"]


def test_what_is_within_a_step_is_told_with_it() -> None:
    tasks = [
        {"display_name": "train", "state": "RUNNING", "task_id": "1"},
        {"display_name": "fold-1", "state": "SUCCEEDED", "parent_task_id": "1"},
        {"display_name": "fold-2", "state": "FAILED", "parent_task_id": "1"},
        {"display_name": "other", "state": "FAILED", "parent_task_id": "2"},
        {"display_name": "evaluate", "state": "RUNNING"},
        {"display_name": "evaluate", "state": "RUNNING", "parent_task_id": "2"},
    ]
    [step] = told(run_details={"task_details": tasks}).steps
    assert [inner.name for inner in step.steps] == ["fold-1", "fold-2", "evaluate"]


@pytest.mark.parametrize(
    "description",
    [
        "",
        "countersign launch one",
        f"countersign launch two plan {PLAN}",
        f"countersign launch one plan {PLAN} and more",
        f"countersign launch one plan {PLAN.upper()}",
    ],
)
def test_a_run_without_the_whole_mark_is_of_no_launch(description: str) -> None:
    assert marked(run_from(RAW | {"description": description})) == ("", "")


def test_the_run_of_a_tracking_server_is_told_without_credentials() -> None:
    url = "https://user:secret@mlflow.example/#/experiments/7/runs/abc"
    entries = {"root_run_id": {"value": "abc"}, "run_url": {"value": url}}
    [tracked] = told(plugins_output={"mlflow": {"entries": entries}}).tracked
    assert tracked.url == "https://mlflow.example/#/experiments/7/runs/abc"
    hostile = {"a plug-in\n": {"entries": entries}, "none": {"entries": {}}}
    assert told(plugins_output=hostile).tracked == ()


@pytest.mark.parametrize(
    "more",
    [
        {"run_id": ""},
        {"run_id": 3},
        {"state": 3},
        {"created_at": "yesterday"},
        {"created_at": "2026-11-26T12:00:00"},
        {"run_details": [1]},
        {"run_details": {"task_details": [3]}},
        {"state_history": {"a": 1}},
        {"runtime_config": {"parameters": 3}},
        {"plugins_output": {"mlflow": 3}},
        {"error": "it broke"},
        {"run_details": {"task_details": [{"status_metadata": "it broke"}]}},
    ],
)
def test_what_is_no_run_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(MalformedInput):
        run_from(RAW | more)


FIELDS = (
    "task_details",
    "state",
    "outputs",
    "inputs",
    "artifacts",
    "artifact_ids",
    "entries",
    "value",
    "display_name",
    "child_tasks",
    "parent_task_id",
    "error",
)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(
        st.sampled_from(["run_details", "plugins_output", "error", "state_history"]),
        _ANYTHING,
    )
)
def test_whatever_is_told_is_a_run_or_refused(more: dict[str, object]) -> None:
    try:
        run = run_from(RAW | more)
    except MalformedInput:
        return
    assert isinstance(run_of(run, run.tasks, [TRAIN]), PipelineRun)
