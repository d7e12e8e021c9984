"""What each call of the API does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.kfp_server import engine, recurring
from tests.contract.kfp_server.installation import Installation, Object, Stored
from tests.contract.kfp_server.lists import page
from tests.contract.kfp_server.problems import (
    DENIED,
    INVALID,
    NOT_FOUND,
    ApiError,
)

BASE = "/apis/v2beta1"


@dataclass(frozen=True)
class Call:
    """One request, read."""

    path: str
    query: dict[str, str]
    body: Any
    file: bytes
    ids: tuple[str, ...]


Answers = Callable[[Installation, Call], Object]


def list_experiments(here: Installation, call: Call) -> Object:
    """GET experiments"""
    found = _in_namespace(here, call, list(here.experiments.values()))
    keys = {"display_name", "name", "created_at", "namespace", "storage_state"}
    return page(found, "experiments", call.query, keys)


def make_experiment(here: Installation, call: Call) -> Object:
    """POST experiments"""
    _require_namespace(here, call.body.get("namespace", ""))
    return here.add_experiment(call.body)


def hide_experiment(here: Installation, call: Call) -> Object:
    """POST experiments/ID:archive"""
    _known(here.experiments, call.ids[0])["storage_state"] = "ARCHIVED"
    return {}


def drop_experiment(here: Installation, call: Call) -> Object:
    """DELETE experiments/ID"""
    _known(here.experiments, call.ids[0])
    del here.experiments[call.ids[0]]
    return {}


def pipeline_named(here: Installation, call: Call) -> Object:
    """GET pipelines/names/NAME"""
    for one in here.pipelines.values():
        where = one.get("namespace", ""), one["name"]
        if where == (call.query.get("namespace", ""), call.ids[0]):
            return one
    raise ApiError(NOT_FOUND, f"Pipeline {call.ids[0]} not found")


def make_pipeline(here: Installation, call: Call) -> Object:
    """POST pipelines"""
    _require_namespace(here, call.body.get("namespace", ""))
    return here.add_pipeline(call.body)


def list_versions(here: Installation, call: Call) -> Object:
    """GET pipelines/ID/versions"""
    found = [one for one in here.versions.values() if one["pipeline_id"] == call.ids[0]]
    return page(found, "pipeline_versions", call.query, {"name", "created_at"})


def get_version(here: Installation, call: Call) -> Object:
    """GET pipelines/ID/versions/ID"""
    return _known(here.versions, call.ids[1])


def upload_version(here: Installation, call: Call) -> Object:
    """POST pipelines/upload_version"""
    if not call.file:
        raise ApiError(INVALID, "no file was uploaded")
    return here.add_version(call.query, call.file)


def list_runs(here: Installation, call: Call) -> Object:
    """GET runs"""
    if here.steps_on_get:
        engine.step(here)
    found = [run.told for run in here.runs.values()]
    found = [one for one in found if one["display_name"] not in here.loses]
    if here.namespaces:
        own = call.query.get("namespace", "")
        _require_namespace(here, own)
        found = [one for one in found if _namespace_of(here, one) == own]
    keys = {"display_name", "name", "description", "created_at", "storage_state"}
    keys |= {"recurring_run_id", "experiment_id", "scheduled_at", "state"}
    answer = page(found, "runs", call.query, keys)
    bare = [
        {k: v for k, v in one.items() if k != "run_details"} for one in answer["runs"]
    ]
    return answer | {"runs": bare}


def start_run(here: Installation, call: Call) -> Object:
    """POST runs"""
    experiment = here.experiments.get(call.body.get("experiment_id", ""), {})
    _require_namespace(here, experiment.get("namespace", ""))
    return here.add_run(call.body)


def get_run(here: Installation, call: Call) -> Object:
    """GET runs/ID"""
    if here.steps_on_get:
        engine.step(here)
    return _run(here, call).told


def terminate_run(here: Installation, call: Call) -> Object:
    """POST runs/ID:terminate"""
    if _run(here, call).told["state"] not in ("PENDING", "RUNNING", "PAUSED"):
        # As the real one does, also when it was only asked before.
        raise ApiError(INVALID, f"Failed to terminate run {call.ids[0]}. Row not found")
    engine.terminate(here, _run(here, call))
    return {}


def archive_run(here: Installation, call: Call) -> Object:
    """POST runs/ID:archive"""
    _run(here, call).told["storage_state"] = "ARCHIVED"
    return {}


def list_tasks(here: Installation, call: Call) -> Object:
    """GET runs/ID/tasks, as it is to be"""
    if not here.has_tasks:
        raise ApiError(NOT_FOUND, "Not Found")
    details = _run(here, call).told.get("run_details", {}).get("task_details", [])
    return {"tasks": [_newer(here, one) for one in details]}


def _newer(here: Installation, task: Object) -> Object:
    """A task in the form of the newer API, whose artifacts stand in it."""
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
    kept = {k: v for k, v in task.items() if k not in ("outputs", "display_name")}
    is_cached = task["display_name"] in here.cached
    return kept | {
        "state": "CACHED" if is_cached else task["state"],
        "name": task["display_name"],
        "display_name": task["display_name"],
        "outputs": {"parameters": [], "artifacts": outputs},
    }


def list_artifacts(here: Installation, call: Call) -> Object:
    """GET artifacts, as it is to be"""
    if not here.has_tasks:
        raise ApiError(NOT_FOUND, "Not Found")
    return {"artifacts": list(here.artifacts.values())[:1]}


def get_artifact(here: Installation, call: Call) -> Object:
    """GET artifacts/ID, as it is to be"""
    if not here.has_tasks:
        raise ApiError(NOT_FOUND, "Not Found")
    return _known(here.artifacts, call.ids[0])


def _run(here: Installation, call: Call) -> Stored:
    if call.ids[0] not in here.runs:
        raise ApiError(NOT_FOUND, f"Run {call.ids[0]} not found")
    return here.runs[call.ids[0]]


def _known(kept: dict[str, Object], key: str) -> Object:
    if key not in kept:
        raise ApiError(NOT_FOUND, f"{key} not found")
    return kept[key]


def _namespace_of(here: Installation, run: Object) -> str:
    experiment = here.experiments.get(run.get("experiment_id", ""), {})
    return str(experiment.get("namespace", ""))


def _in_namespace(here: Installation, call: Call, found: list[Object]) -> list[Object]:
    own = call.query.get("namespace", "")
    _require_namespace(here, own)
    return [one for one in found if one.get("namespace", "") == own]


def _require_namespace(here: Installation, namespace: str) -> None:
    if not here.namespaces:
        return
    if not namespace:
        raise ApiError(INVALID, "A namespace is required in multi-user mode")
    if namespace not in here.namespaces:
        raise ApiError(DENIED, f"User is not authorized in namespace {namespace}")


_ID = "([^/:]+)"
CALLS: tuple[tuple[str, str, str, Answers], ...] = (
    ("GET", "experiments", "list experiments", list_experiments),
    ("POST", "experiments", "create experiment", make_experiment),
    ("POST", f"experiments/{_ID}:archive", "archive experiment", hide_experiment),
    ("DELETE", f"experiments/{_ID}", "delete experiment", drop_experiment),
    ("GET", f"pipelines/names/{_ID}", "get pipeline", pipeline_named),
    ("POST", "pipelines", "create pipeline", make_pipeline),
    ("POST", "pipelines/upload_version", "upload version", upload_version),
    ("GET", f"pipelines/{_ID}/versions", "list versions", list_versions),
    ("GET", f"pipelines/{_ID}/versions/{_ID}", "get version", get_version),
    ("GET", "runs", "list runs", list_runs),
    ("POST", "runs", "create run", start_run),
    ("GET", f"runs/{_ID}", "get run", get_run),
    ("POST", f"runs/{_ID}:terminate", "terminate run", terminate_run),
    ("POST", f"runs/{_ID}:archive", "archive run", archive_run),
    ("GET", f"runs/{_ID}/tasks", "list tasks", list_tasks),
    ("GET", "artifacts", "list artifacts", list_artifacts),
    ("GET", f"artifacts/{_ID}", "get artifact", get_artifact),
    ("GET", "recurringruns", "list recurring", recurring.list_recurring),
    ("POST", "recurringruns", "create recurring", recurring.make_recurring),
    ("GET", f"recurringruns/{_ID}", "get recurring", recurring.get_recurring),
    ("DELETE", f"recurringruns/{_ID}", "delete recurring", recurring.drop_recurring),
    (
        "POST",
        f"recurringruns/{_ID}:disable",
        "disable recurring",
        recurring.disable_recurring,
    ),
    (
        "POST",
        f"recurringruns/{_ID}:enable",
        "enable recurring",
        recurring.enable_recurring,
    ),
)


def found(method: str, path: str) -> tuple[str, Answers, tuple[str, ...]] | None:
    """The operation of a method at a path, with the ids in it."""
    for wanted, pattern, operation, answers in CALLS:
        match = re.fullmatch(f"{BASE}/{pattern}", path)
        if wanted == method and match is not None:
            return operation, answers, match.groups()
    return None
