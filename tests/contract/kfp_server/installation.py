"""One installation: its experiments, pipelines and runs, and time that a test moves."""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import yaml

from tests.contract.kfp_server.faults import Faults
from tests.contract.kfp_server.problems import (
    BROKEN,
    EXISTS,
    INVALID,
    NOT_FOUND,
    ApiError,
)

Object = dict[str, Any]
Kept = TypeVar("Kept")
NEVER = 10**9
_START = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
_LONGEST_EXPERIMENT, _LONGEST_VERSION = 128, 127
_KUBERNETES_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_KINDS: dict[str, type | tuple[type, ...]] = {
    "STRING": str,
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": bool,
    "LIST": list,
    "STRUCT": dict,
}


@dataclass
class Stored:
    """A run with what the engine knows of it."""

    told: Object
    spec: Object
    left: dict[str, int] = field(default_factory=dict)
    """Steps of time that each task has still to run."""


@dataclass
class Installation:
    """See the module. `step` moves everything one second on."""

    address: str = ""
    namespaces: tuple[str, ...] = ()
    """Empty: it has one user."""
    header: tuple[str, str] | None = None
    """The header that says who asks, and the value that is let in."""
    steps_on_get: bool = False
    """Time moves on whenever somebody looks at runs."""
    has_tasks: bool = False
    """It has the newer lists of tasks and artifacts."""
    embeds_artifacts: bool = True
    """Its newer lists of tasks hold the artifacts, and not only their ids."""
    has_mlflow: str = ""
    """Address of the MLflow server that its plug-in makes runs on."""
    cached: frozenset[str] = frozenset()
    """Tasks whose results it has from before."""
    keeps_in_kubernetes: bool = False
    """Pipelines and their versions are objects of the cluster, with names as such."""
    tells_empty_fields: bool = False
    """Its answers have the fields that hold nothing, too."""
    tells_what_is_taken: bool = True
    """It says that a version's name is taken; older releases say that they broke."""
    ends_as: str = "FAILED"
    """How a run ends that is asked to: releases so far tell it as a failure."""
    cancel_seconds: int = 1
    """How long a run takes to end when it is asked to."""
    loses: frozenset[str] = frozenset()
    """Display names of runs that no list shows yet."""
    cannot_show: frozenset[str] = frozenset()
    """Display names of runs of which it tells only that it cannot show them."""
    now: datetime = _START
    experiments: dict[str, Object] = field(default_factory=dict)
    pipelines: dict[str, Object] = field(default_factory=dict)
    versions: dict[str, Object] = field(default_factory=dict)
    runs: dict[str, Stored] = field(default_factory=dict)
    recurring: dict[str, Object] = field(default_factory=dict)
    zone: str = "UTC"
    """In which its controller keeps the times of recurring runs."""
    started: list[str] = field(default_factory=list)
    """Every task that ever began, as `RUN/TASK`."""
    artifacts: dict[str, Object] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    crashes: list[str] = field(default_factory=list)
    """What was not as described, or went wrong within."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def stamp(self) -> str:
        """The moment as the API writes it: to the second."""
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def forward(self, seconds: float) -> None:
        """Let time pass, without anything running."""
        with self.lock:
            self.now += timedelta(seconds=seconds)

    def namespace_of(self, asked: Object) -> str:
        """The namespace that is meant: none where there is one user."""
        return str(asked.get("namespace", "")) if self.namespaces else ""

    def add_experiment(self, body: Object) -> Object:
        name, namespace = body.get("display_name", ""), self.namespace_of(body)
        if not name or len(name.encode()) > _LONGEST_EXPERIMENT:
            # Not said to be the fault of what was sent, though it is.
            raise ApiError(BROKEN, "Experiment.Name is empty or too long")
        for one in self.experiments.values():
            taken = one["display_name"].lower(), one["namespace"]
            if taken == (name.lower(), namespace):  # as MySQL compares by default
                raise ApiError(EXISTS, f"The name {name} already exists")
        made = {
            "experiment_id": str(uuid.uuid4()),
            "display_name": name,
            "description": body.get("description", ""),
            "namespace": namespace,
            "created_at": self.stamp(),
            "last_run_created_at": "1970-01-01T00:00:00Z",
            "storage_state": "AVAILABLE",
        }
        self.experiments[made["experiment_id"]] = made
        return made

    def add_pipeline(self, body: Object) -> Object:
        name, namespace = body.get("name", ""), self.namespace_of(body)
        self._require_kubernetes_name(name)
        for one in self.pipelines.values():
            if (one["name"].lower(), one["namespace"]) == (name.lower(), namespace):
                raise ApiError(EXISTS, f"The name {name} already exist")
        made = {
            "pipeline_id": str(uuid.uuid4()),
            "name": name,
            "display_name": body.get("display_name", name),
            "namespace": namespace,
            "created_at": self.stamp(),
        }
        self.pipelines[made["pipeline_id"]] = made
        return made

    def add_version(self, query: dict[str, str], package: bytes) -> Object:
        pipeline_id, name = query.get("pipelineid", ""), query.get("name", "")
        if pipeline_id not in self.pipelines:
            raise ApiError(NOT_FOUND, "Failed to create a pipeline version")
        if len(name.encode()) > _LONGEST_VERSION:
            raise ApiError(INVALID, "PipelineVersion.Name length cannot exceed 127")
        self._require_kubernetes_name(name)
        for one in self.versions.values():
            if (one["pipeline_id"], one["name"]) == (pipeline_id, name):
                code = EXISTS if self.tells_what_is_taken else BROKEN
                raise ApiError(code, "Failed to create a pipeline version")
        try:
            spec, *platforms = list(yaml.safe_load_all(package))
            spec["root"]["dag"]["tasks"], spec["deploymentSpec"]["executors"]
        except (yaml.YAMLError, KeyError, TypeError, ValueError) as cause:
            raise ApiError(INVALID, "the pipeline spec is invalid") from cause
        # As the real one does: the pipeline is renamed to what the registry calls it.
        pipeline = self.pipelines[pipeline_id]
        spec["pipelineInfo"]["name"] = pipeline["name"]
        if platforms:
            spec = {"pipeline_spec": spec, "platform_spec": platforms[0]}
        made = {
            "pipeline_id": pipeline_id,
            "pipeline_version_id": str(uuid.uuid4()),
            "name": name,
            "display_name": query.get("display_name", name),
            "created_at": self.stamp(),
            "pipeline_spec": spec,
        }
        if query.get("code_source_url"):
            made["code_source_url"] = query["code_source_url"]
        self.versions[made["pipeline_version_id"]] = made
        return made

    def _require_kubernetes_name(self, name: str) -> None:
        if self.keeps_in_kubernetes and not _KUBERNETES_NAME.fullmatch(name):
            raise ApiError(INVALID, f"Invalid pipeline name {name!r}: a lowercase RFC")

    def add_run(self, body: Object) -> Object:
        if not body.get("display_name"):
            raise ApiError(BROKEN, "Run name cannot be empty")
        if body.get("experiment_id", "") not in self.experiments:
            raise ApiError(NOT_FOUND, "Experiment not found.")
        reference = body.get("pipeline_version_reference") or {}
        version = self.versions.get(reference.get("pipeline_version_id", ""))
        if version is None or version["pipeline_id"] != reference.get("pipeline_id"):
            # Whatever keeps it from finding what to run is told as its own fault.
            raise ApiError(
                BROKEN, "Failed to create a run due to error fetching manifest"
            )
        spec = version["pipeline_spec"]
        spec = spec.get("pipeline_spec", spec)
        given = (body.get("runtime_config") or {}).get("parameters") or {}
        declared = (spec["root"].get("inputDefinitions") or {}).get("parameters") or {}
        _require_parameters(declared, given)
        made = {
            **{name: body[name] for name in body if name in _RUN_INPUT},
            "runtime_config": {"parameters": given} if given else {},
            "run_id": str(uuid.uuid4()),
            "storage_state": "AVAILABLE",
            "created_at": self.stamp(),
            "scheduled_at": self.stamp(),
            "finished_at": "1970-01-01T00:00:00Z",
            "state": "PENDING",
            "state_history": [{"update_time": self.stamp(), "state": "PENDING"}],
            "service_account": body.get("service_account") or "pipeline-runner",
        }
        self.runs[made["run_id"]] = Stored(made, spec)
        self.now += timedelta(seconds=1)
        return made


def known(kept: dict[str, Kept], key: str) -> Kept:
    """What is kept under an id.

    Raises:
        ApiError: nothing is.
    """
    if key not in kept:
        raise ApiError(NOT_FOUND, f"{key} not found")
    return kept[key]


def _require_parameters(declared: Object, given: Object) -> None:
    for name, one in declared.items():
        kind = one["parameterType"]
        if name not in given:
            if not one.get("isOptional") and one.get("defaultValue") is None:
                raise ApiError(INVALID, f"parameter {name} is not optional")
        elif not _is_of(given[name], kind):
            raise ApiError(INVALID, f"input parameter {name} requires type {kind}")
    for name in given.keys() - declared.keys():
        raise ApiError(INVALID, f"parameter(s) provided are not required: {name}")


def _is_of(value: Any, kind: str) -> bool:
    is_truth = isinstance(value, bool)
    return (
        is_truth
        if kind == "BOOLEAN"
        else not is_truth and isinstance(value, _KINDS.get(kind, ()))
    )


_RUN_INPUT = (
    "display_name",
    "description",
    "experiment_id",
    "pipeline_version_reference",
    "runtime_config",
)
