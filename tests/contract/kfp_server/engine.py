"""How runs go on from second to second, by what the command of each task says."""

from __future__ import annotations

from datetime import timedelta

from tests.contract.kfp_server.installation import (
    NEVER,
    Installation,
    Object,
    Stored,
)

FINAL = ("SUCCEEDED", "FAILED", "CANCELED")


def step(installation: Installation) -> None:
    """Let a second pass."""
    with installation.lock:
        installation.now += timedelta(seconds=1)
        for run in installation.runs.values():
            _advance(installation, run)


def terminate(installation: Installation, run: Stored) -> None:
    """Ask a run to end."""
    if run.told["state"] not in FINAL and run.told["state"] != "CANCELING":
        run.told["state"] = "CANCELING"  # which the history does not tell
        run.left["*"] = installation.cancel_seconds


def tasks_of(run: Stored) -> dict[str, Object]:
    """The tasks at the top of a run, by name."""
    tasks: dict[str, Object] = run.spec["root"]["dag"]["tasks"]
    return tasks


def _advance(installation: Installation, run: Stored) -> None:
    state = run.told["state"]
    if state == "PENDING":
        _become(installation, run, "RUNNING")
        _plug_in(installation, run)
    elif state == "CANCELING":
        run.left["*"] -= 1
        if run.left["*"] <= 0:
            for task in _details(run):
                if task["state"] == "RUNNING":
                    _end(installation, task, installation.ends_as)
            _finish(installation, run, installation.ends_as)
    elif state == "RUNNING":
        _go_on(installation, run)


def _go_on(installation: Installation, run: Stored) -> None:
    details = {task["display_name"]: task for task in _details(run)}
    for name, task in details.items():
        if task["state"] != "RUNNING" or name not in run.left:
            continue
        run.left[name] -= 1
        if run.left[name] <= 0:
            failed = "exit 3" in _command(run, name)
            _end(installation, task, "FAILED" if failed else "SUCCEEDED")
            if not failed:
                _leave(installation, run, name, task)
    if any(task["state"] == "FAILED" for task in details.values()):
        for name in [name for name in tasks_of(run) if name not in details]:
            left_out = _task(installation, run, name, "RUNTIME_STATE_UNSPECIFIED")
            left_out["end_time"] = installation.stamp()
        _finish(installation, run, "FAILED")
        return
    done = {n for n, t in details.items() if t["state"] in ("SUCCEEDED", "SKIPPED")}
    waiting = [name for name in tasks_of(run) if name not in details]
    for name in waiting:
        if set(tasks_of(run)[name].get("dependentTasks") or []) <= done:
            _begin(installation, run, name)
    if not waiting and all(name in done for name in tasks_of(run)):
        _finish(installation, run, "SUCCEEDED")


def _begin(installation: Installation, run: Stored, name: str) -> None:
    driver = _task(installation, run, f"{name}-driver", "SUCCEEDED")
    driver["end_time"] = installation.stamp()
    is_cached = name in installation.cached
    task = _task(installation, run, name, "SUCCEEDED" if is_cached else "RUNNING")
    if is_cached:
        # As the real one does: what is left out is the container within the step.
        left_out = _task(installation, run, "executor", "SKIPPED")
        task["end_time"] = left_out["end_time"] = installation.stamp()
        return
    installation.started.append(f"{run.told['run_id']}/{name}")
    run.left[name] = NEVER if "sleep" in _command(run, name) else 1


def _task(installation: Installation, run: Stored, name: str, state: str) -> Object:
    details = _details(run)
    task = {
        "run_id": run.told["run_id"],
        "task_id": f"{run.told['run_id'][:8]}-{len(details)}",
        "display_name": name,
        "create_time": installation.stamp(),
        "start_time": installation.stamp(),
        "end_time": "1970-01-01T00:00:00Z",
        "state": state,
        "state_history": [{"update_time": installation.stamp(), "state": state}],
        "child_tasks": [],
    }
    details.append(task)
    return task


def _end(installation: Installation, task: Object, state: str) -> None:
    task["state"], task["end_time"] = state, installation.stamp()
    task["state_history"].append({"update_time": installation.stamp(), "state": state})


def _leave(installation: Installation, run: Stored, name: str, task: Object) -> None:
    """What the component of a task says that it makes."""
    component = tasks_of(run)[name]["componentRef"]["name"]
    made = (run.spec["components"][component].get("outputDefinitions") or {}).get(
        "artifacts"
    ) or {}
    for key in made:
        number = str(len(installation.artifacts) + 1)
        installation.artifacts[number] = {
            "artifact_id": number,
            "name": key,
            "type": "Dataset",
            "uri": f"s3://mlpipeline/v2/{run.told['display_name']}/{name}/{key}",
        }
        task.setdefault("outputs", {})[key] = {"artifact_ids": [number]}


def _plug_in(installation: Installation, run: Stored) -> None:
    if not installation.has_mlflow:
        return
    run_id = run.told["run_id"].replace("-", "")
    url = f"{installation.has_mlflow}/#/experiments/7/runs/{run_id}"
    run.told["plugins_output"] = {
        "mlflow": {
            "state": "PLUGIN_RUNNING",
            "entries": {
                "experiment_id": {"value": "7"},
                "root_run_id": {"value": run_id},
                "run_url": {"value": url, "render_type": "URL"},
            },
        }
    }


def _become(installation: Installation, run: Stored, state: str) -> None:
    run.told["state"] = state
    moment = {"update_time": installation.stamp(), "state": state}
    run.told["state_history"].append(moment)


def _finish(installation: Installation, run: Stored, state: str) -> None:
    _become(installation, run, state)
    run.told["finished_at"] = installation.stamp()
    for plugin in run.told.get("plugins_output", {}).values():
        plugin["state"] = "PLUGIN_SUCCEEDED"


def _details(run: Stored) -> list[Object]:
    details: list[Object] = run.told.setdefault("run_details", {}).setdefault(
        "task_details", []
    )
    return details


def _command(run: Stored, name: str) -> str:
    component = run.spec["components"][tasks_of(run)[name]["componentRef"]["name"]]
    executor = run.spec["deploymentSpec"]["executors"][component["executorLabel"]]
    container = executor["container"]
    return " ".join([*(container.get("command") or []), *(container.get("args") or [])])
