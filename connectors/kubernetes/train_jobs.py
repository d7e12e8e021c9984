"""A TrainJob, of no more fields than it needs.

The definition changes from release to release under one version. Only what is asked for
is written, and overrides of pods, which every release names otherwise, never: a runtime
says how its pods are. Whether the cluster knows every field is found out by the dry run
before anything is created.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import TRAIN_JOB


@dataclass(frozen=True, slots=True)
class Training:
    """What to train, on which runtime."""

    runtime: str
    image: str = ""
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    nodes: int = 0
    """0: as the runtime has it."""
    resources: Mapping[str, str] = field(default_factory=dict)
    """Requested and allowed for each node: `cpu`, `memory`, `nvidia.com/gpu`."""
    dataset: str = ""
    """Where the data set lies, for the runtime's initializer."""
    model: str = ""
    is_namespaced_runtime: bool = False
    deadline_seconds: int = 0
    """0: none. Older definitions know none."""


def train_job(training: Training) -> Json:
    """The manifest, without a name: that comes from its launch."""
    kind = "TrainingRuntime" if training.is_namespaced_runtime else ""
    reference = {"name": training.runtime} | ({"kind": kind} if kind else {})
    spec: Json = {"runtimeRef": reference, "suspend": True}
    if trainer := _trainer(training):
        spec["trainer"] = trainer
    initializer = {
        name: {"storageUri": uri}
        for name, uri in (("dataset", training.dataset), ("model", training.model))
        if uri
    }
    if initializer:
        spec["initializer"] = initializer
    if training.deadline_seconds:
        spec["activeDeadlineSeconds"] = training.deadline_seconds
    version = f"{TRAIN_JOB.group}/{TRAIN_JOB.versions[0]}"
    return {"apiVersion": version, "kind": TRAIN_JOB.kind, "spec": spec}


def _trainer(training: Training) -> Json:
    trainer: Json = {}
    if training.image:
        trainer["image"] = training.image
    if training.command:
        trainer["command"] = list(training.command)
    if training.arguments:
        trainer["args"] = list(training.arguments)
    if training.environment:
        pairs = sorted(training.environment.items())
        trainer["env"] = [{"name": name, "value": value} for name, value in pairs]
    if training.nodes:
        trainer["numNodes"] = training.nodes
    if training.resources:
        amounts = dict(training.resources)
        trainer["resourcesPerNode"] = {"requests": amounts, "limits": dict(amounts)}
    return trainer
