"""Tasks and artifacts, as newer releases list them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.kfp_server import engine
from tests.contract.kfp_server.installation import (
    Installation,
    Object,
    Stored,
    known,
)
from tests.contract.kfp_server.problems import NOT_FOUND, ApiError

if TYPE_CHECKING:
    from tests.contract.kfp_server.calls import Call


def list_tasks(here: Installation, call: Call) -> Object:
    """GET runs/ID/tasks, as newer releases have it: what drives a task, and the
    container within it, are no tasks there, and what holds them all is one."""
    if not here.has_tasks:
        raise ApiError(NOT_FOUND, "Not Found")
    run = known(here.runs, call.ids[0])
    own = engine.tasks_of(run)
    details = run.told.get("run_details", {}).get("task_details", [])
    tasks = [
        _newer(here, one, run)
        for one in details
        if one["display_name"] in own and one["state"] != _LEFT_OUT
    ]
    if tasks:
        tasks.insert(0, _root(run, tasks))
    return {"tasks": tasks, "total_size": len(tasks)}


_LEFT_OUT = "RUNTIME_STATE_UNSPECIFIED"


def _root(run: Stored, tasks: list[Object]) -> Object:
    state = run.told["state"]
    return {
        "name": "root",
        "display_name": "root",
        "task_id": f"{run.told['run_id'][:8]}-root",
        "run_id": run.told["run_id"],
        "type": "ROOT",
        "create_time": tasks[0]["create_time"],
        "state": state if state in engine.FINAL else "RUNNING",
        "child_tasks": [
            {"task_id": one["task_id"], "name": one["name"]} for one in tasks
        ],
    }


def _newer(here: Installation, task: Object, run: Stored) -> Object:
    """A task in the form of newer releases, whose artifacts stand in it."""
    outputs = [
        {
            "artifact_key": key,
            "artifacts": [
                here.artifacts[number]
                if here.embeds_artifacts
                else {"artifact_id": number}
            ],
        }
        for key, one in task.get("outputs", {}).items()
        for number in one["artifact_ids"]
    ]
    is_cached = task["display_name"] in here.cached
    newer = {
        "name": task["display_name"],
        "display_name": task["display_name"],
        "task_id": task["task_id"],
        "run_id": task["run_id"],
        "parent_task_id": f"{run.told['run_id'][:8]}-root",
        "type": "RUNTIME",
        "create_time": task["create_time"],
        "state": "CACHED" if is_cached else task["state"],
        "outputs": {"artifacts": outputs},
    }
    if task["state"] == "FAILED":
        newer["status_metadata"] = {"message": "the container ended with 3"}
    if task["end_time"] != _NEVER:
        newer["end_time"] = task["end_time"]
    return newer


_NEVER = "1970-01-01T00:00:00Z"


def get_artifact(here: Installation, call: Call) -> Object:
    """GET artifacts/ID, as it is to be"""
    if not here.has_tasks:
        raise ApiError(NOT_FOUND, "Not Found")
    return known(here.artifacts, call.ids[0])
