"""One installation: its experiments, pipelines and runs, and time that a test moves."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from tests.contract.kfp_server.faults import Faults
from tests.contract.kfp_server.problems import EXISTS, INVALID, NOT_FOUND, ApiError

Object = dict[str, Any]
NEVER = 10**9
_START = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


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
    ends_as: str = "FAILED"
    """How a run ends that is asked to: releases so far tell it as a failure."""
    cancel_seconds: int = 1
    """How long a run takes to end when it is asked to."""
    loses: frozenset[str] = frozenset()
    """Display names of runs that no list shows yet."""
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

    def add_experiment(self, body: Object) -> Object:
        name, namespace = body.get("display_name", ""), body.get("namespace", "")
        if not name:
            raise ApiError(INVALID, "Experiment name is empty")
        for one in self.experiments.values():
            taken = one["display_name"].lower(), one.get("namespace", "")
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
        name, namespace = body.get("name", ""), body.get("namespace", "")
        for one in self.pipelines.values():
            if (one["name"], one.get("namespace", "")) == (name, namespace):
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
            raise ApiError(NOT_FOUND, f"Pipeline {pipeline_id} not found")
        for one in self.versions.values():
            if (one["pipeline_id"], one["name"]) == (pipeline_id, name):
                raise ApiError(EXISTS, f"The name {name} already exist")
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

    def add_run(self, body: Object) -> Object:
        reference = body.get("pipeline_version_reference") or {}
        version = self.versions.get(reference.get("pipeline_version_id", ""))
        experiment = self.experiments.get(body.get("experiment_id", ""))
        if version is None or experiment is None:
            raise ApiError(NOT_FOUND, "the pipeline version or experiment is not found")
        if experiment["storage_state"] == "ARCHIVED":
            raise ApiError(INVALID, "the experiment is archived")
        if not body.get("display_name"):
            raise ApiError(INVALID, "Run name is empty")
        spec = version["pipeline_spec"]
        spec = spec.get("pipeline_spec", spec)
        given = (body.get("runtime_config") or {}).get("parameters") or {}
        declared = (spec["root"].get("inputDefinitions") or {}).get("parameters") or {}
        if given.keys() - declared.keys():
            raise ApiError(INVALID, "input parameter not in the pipeline's root")
        made = {
            **{name: body[name] for name in body if name in _RUN_INPUT},
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


_RUN_INPUT = (
    "display_name",
    "description",
    "experiment_id",
    "pipeline_version_reference",
    "runtime_config",
)
