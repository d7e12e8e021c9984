"""What each call of the API does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.kfp_server import engine, recurring, tasks
from tests.contract.kfp_server.installation import (
    Installation,
    Object,
    Stored,
    known,
)
from tests.contract.kfp_server.lists import (
    EXPERIMENT_KEYS,
    PIPELINE_KEYS,
    RUN_KEYS,
    VERSION_KEYS,
    page,
)
from tests.contract.kfp_server.problems import (
    BROKEN,
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


def health(here: Installation, call: Call) -> Object:
    """GET healthz"""
    return {"multi_user": bool(here.namespaces), "pipeline_store": "database"}


def list_experiments(here: Installation, call: Call) -> Object:
    """GET experiments"""
    found = _in_namespace(here, call, list(here.experiments.values()))
    return page(found, "experiments", call.query, EXPERIMENT_KEYS)


def make_experiment(here: Installation, call: Call) -> Object:
    """POST experiments"""
    _require_namespace(here, call.body.get("namespace", ""))
    return here.add_experiment(call.body)


def get_experiment(here: Installation, call: Call) -> Object:
    """GET experiments/ID"""
    return known(here.experiments, call.ids[0])


def hide_experiment(here: Installation, call: Call) -> Object:
    """POST experiments/ID:archive, and with it all runs in it"""
    if here.namespaces:
        known(here.experiments, call.ids[0])
    for one in (
        *(one for key, one in here.experiments.items() if key == call.ids[0]),
        *(run.told for run in here.runs.values()),
    ):
        if one["experiment_id"] == call.ids[0]:
            one["storage_state"] = "ARCHIVED"
    return {}


def drop_experiment(here: Installation, call: Call) -> Object:
    """DELETE experiments/ID"""
    known(here.experiments, call.ids[0])
    del here.experiments[call.ids[0]]
    return {}


def pipeline_named(here: Installation, call: Call) -> Object:
    """GET pipelines/names/NAME"""
    namespace = here.namespace_of(call.query)
    for one in here.pipelines.values():
        if (one["namespace"], one["name"].lower()) == (namespace, call.ids[0].lower()):
            return one
    raise ApiError(NOT_FOUND, f"Pipeline {call.ids[0]} not found")


def list_pipelines(here: Installation, call: Call) -> Object:
    """GET pipelines"""
    found = _in_namespace(here, call, list(here.pipelines.values()))
    return page(found, "pipelines", call.query, PIPELINE_KEYS)


def get_pipeline(here: Installation, call: Call) -> Object:
    """GET pipelines/ID"""
    return known(here.pipelines, call.ids[0])


def make_pipeline(here: Installation, call: Call) -> Object:
    """POST pipelines"""
    _require_namespace(here, call.body.get("namespace", ""))
    return here.add_pipeline(call.body)


def list_versions(here: Installation, call: Call) -> Object:
    """GET pipelines/ID/versions"""
    found = [one for one in here.versions.values() if one["pipeline_id"] == call.ids[0]]
    return page(found, "pipeline_versions", call.query, VERSION_KEYS)


def get_version(here: Installation, call: Call) -> Object:
    """GET pipelines/ID/versions/ID"""
    return known(here.versions, call.ids[1])


def upload_version(here: Installation, call: Call) -> Object:
    """POST pipelines/upload_version"""
    if not call.file:
        raise ApiError(INVALID, "Failed to create a pipeline version")
    return here.add_version(call.query, call.file)


def list_runs(here: Installation, call: Call) -> Object:
    """GET runs"""
    if here.steps_on_get:
        engine.step(here)
    found = [run.told for run in here.runs.values()]
    found = [one for one in found if one["display_name"] not in here.loses]
    experiment = call.query.get("experiment_id", "")
    own = here.namespace_of(call.query)
    if experiment:
        own = known(here.experiments, experiment)["namespace"]
        found = [one for one in found if one["experiment_id"] == experiment]
    if here.namespaces:
        _require_namespace(here, own)
        found = [one for one in found if _namespace_of(here, one) == own]
    answer = page(found, "runs", call.query, RUN_KEYS)
    return answer | {"runs": [_bare(_shown(here, one)) for one in answer["runs"]]}


def _bare(run: Object) -> Object:
    return {name: one for name, one in run.items() if name != "run_details"}


def start_run(here: Installation, call: Call) -> Object:
    """POST runs"""
    experiment = here.experiments.get(call.body.get("experiment_id", ""), {})
    _require_namespace(here, experiment.get("namespace", ""))
    return here.add_run(call.body)


def get_run(here: Installation, call: Call) -> Object:
    """GET runs/ID"""
    if here.steps_on_get:
        engine.step(here)
    run = _shown(here, _run(here, call).told)
    return _bare(run) if here.has_tasks else run


def _shown(here: Installation, run: Object) -> Object:
    """A run, or that it cannot be shown: what it is made of did not fit together."""
    if run["display_name"] not in here.cannot_show:
        return run
    error = ApiError(BROKEN, "Failed to parse runtime config").status()
    kept = ("run_id", "experiment_id")
    return {key: run[key] for key in kept} | {"error": error}


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


def _run(here: Installation, call: Call) -> Stored:
    return known(here.runs, call.ids[0])


def _namespace_of(here: Installation, run: Object) -> str:
    experiment = here.experiments.get(run.get("experiment_id", ""), {})
    return str(experiment.get("namespace", ""))


def _in_namespace(here: Installation, call: Call, found: list[Object]) -> list[Object]:
    own = here.namespace_of(call.query)
    _require_namespace(here, own)
    return [one for one in found if one["namespace"] == own]


def _require_namespace(here: Installation, namespace: str) -> None:
    if not here.namespaces:
        return
    if not namespace:
        raise ApiError(INVALID, "A namespace is required in multi-user mode")
    if namespace not in here.namespaces:
        raise ApiError(DENIED, f"User is not authorized in namespace {namespace}")


_ID = "([^/:]+)"
CALLS: tuple[tuple[str, str, str, Answers], ...] = (
    ("GET", "healthz", "get health", health),
    ("GET", "experiments", "list experiments", list_experiments),
    ("GET", f"experiments/{_ID}", "get experiment", get_experiment),
    ("POST", "experiments", "create experiment", make_experiment),
    ("POST", f"experiments/{_ID}:archive", "archive experiment", hide_experiment),
    ("DELETE", f"experiments/{_ID}", "delete experiment", drop_experiment),
    ("GET", f"pipelines/names/{_ID}", "get pipeline", pipeline_named),
    ("GET", "pipelines", "list pipelines", list_pipelines),
    ("GET", f"pipelines/{_ID}", "get pipeline by id", get_pipeline),
    ("POST", "pipelines", "create pipeline", make_pipeline),
    ("POST", "pipelines/upload_version", "upload version", upload_version),
    ("GET", f"pipelines/{_ID}/versions", "list versions", list_versions),
    ("GET", f"pipelines/{_ID}/versions/{_ID}", "get version", get_version),
    ("GET", "runs", "list runs", list_runs),
    ("POST", "runs", "create run", start_run),
    ("GET", f"runs/{_ID}", "get run", get_run),
    ("POST", f"runs/{_ID}:terminate", "terminate run", terminate_run),
    ("POST", f"runs/{_ID}:archive", "archive run", archive_run),
    ("GET", f"runs/{_ID}/tasks", "list tasks", tasks.list_tasks),
    ("GET", f"artifacts/{_ID}", "get artifact", tasks.get_artifact),
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
