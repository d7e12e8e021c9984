"""What a TrainJob leads to: the runtime that it names, and the JobSet made of both.

The manifest of a TrainJob describes no pods. The runtime does, and it can be changed by
others at any time; so what was found of it says by uid, generation and digest what it
was. The operator keeps the JobSet as the runtime has it for as long as it is held, and
leaves it alone once it runs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.errors import ConnectorRefused
from connectors.kubernetes.client import Json, KubernetesClient, segment
from connectors.kubernetes.kinds import TRAIN_JOB
from connectors.kubernetes.manifests import digest_of
from connectors.kubernetes.problems import ObjectMissing
from connectors.kubernetes.templates import PodSet
from connectors.parsing import text_of, well_formed

CLUSTER_RUNTIME = "ClusterTrainingRuntime"
RUNTIME = "TrainingRuntime"
_NODE, _LAUNCHER = "node", "launcher"
TRAINERS = (_NODE, _LAUNCHER)
"""Containers that take what `trainer` says."""
_OVERRIDES = ("runtimePatches", "podTemplateOverrides", "podSpecOverrides")
"""What releases call changes of pods that a TrainJob asks for itself."""
_JOB_SETS = "/apis/jobset.x-k8s.io/v1alpha2"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime as it was when it was read."""

    kind: str
    name: str
    uid: str
    generation: int
    sha256: str
    spec: Json


@dataclass(frozen=True, slots=True)
class JobSet:
    """What the operator made of a TrainJob."""

    sets: list[PodSet]
    is_held: bool
    owners: frozenset[str]
    """The uids of what it belongs to."""


def read_runtime(client: KubernetesClient, manifest: Json, namespace: str) -> Runtime:
    """The runtime that a TrainJob names, as it is now.

    Raises:
        ConnectorRefused: it names none that is there.
        ConnectorError: it cannot be told.
    """
    with well_formed("the runtimeRef of a TrainJob"):
        reference = manifest["spec"]["runtimeRef"]
        kind = text_of(reference.get("kind")) or CLUSTER_RUNTIME
        group = text_of(reference.get("apiGroup")) or TRAIN_JOB.group
        name = text_of(reference["name"])
    if group != TRAIN_JOB.group or kind not in (CLUSTER_RUNTIME, RUNTIME) or not name:
        raise ConnectorRefused(
            f"the runtime {kind[:80]} of {group[:80]} is none that is known",
            hint=f"Known: {CLUSTER_RUNTIME} and {RUNTIME} of {TRAIN_JOB.group}.",
        )
    root = f"/apis/{TRAIN_JOB.group}/{TRAIN_JOB.versions[0]}"
    where = "" if kind == CLUSTER_RUNTIME else f"/namespaces/{segment(namespace)}"
    path = f"{root}{where}/{kind.lower()}s/{segment(name)}"
    try:
        found = client.get(path)
    except ObjectMissing as cause:
        raise ConnectorRefused(
            f"this cluster has no {kind} {name[:80]}",
            hint="A TrainJob runs what its runtime says.",
        ) from cause
    with well_formed(f"a {kind}"):
        spec, metadata = found["spec"], found["metadata"]
        return Runtime(
            kind,
            name,
            text_of(metadata["uid"]),
            int(metadata.get("generation") or 0),
            digest_of(spec),
            spec,
        )


def sets_of(manifest: Json, runtime: Runtime) -> list[PodSet]:
    """The pods that a TrainJob leads to with a runtime, as its operator makes them."""
    with well_formed(f"a {runtime.kind}"):
        spec = copy.deepcopy(runtime.spec)
        mpi = (spec.get("mlPolicy") or {}).get("mpi") or {}
        taking = {_NODE, _LAUNCHER} if mpi.get("runLauncherAsNode") else {_NODE}
        trainer = manifest["spec"].get("trainer") or {}
        jobs = spec["template"]["spec"]["replicatedJobs"]
        for job in jobs:
            is_changed = bool((job["template"].get("metadata") or {}).get("labels"))
            for container in job["template"]["spec"]["template"]["spec"]["containers"]:
                if is_changed and container["name"] in taking:
                    _override(container, trainer)
        return _sets(jobs)


def overriding_images(manifest: Json) -> list[str]:
    """Images that a TrainJob asks for beside its runtime's and its trainer's."""
    found = [manifest["spec"].get(field) for field in _OVERRIDES]
    return [image for one in found for image in _images_within(one)]


def read_job_set(client: KubernetesClient, namespace: str, name: str) -> JobSet | None:
    """The JobSet under the name of a TrainJob, if there is one.

    Raises:
        ConnectorError: it cannot be told.
    """
    path = f"{_JOB_SETS}/namespaces/{segment(namespace)}/jobsets/{segment(name)}"
    try:
        found = client.get(path)
    except ObjectMissing:
        return None
    with well_formed("a JobSet"):
        spec, metadata = found["spec"], found["metadata"]
        owners = metadata.get("ownerReferences") or []
        return JobSet(
            _sets(spec["replicatedJobs"]),
            spec.get("suspend") is True,
            frozenset(text_of(one["uid"]) for one in owners),
        )


def _override(container: Json, trainer: Json) -> None:
    for field in ("image", "command", "args"):
        if trainer.get(field) is not None:
            container[field] = trainer[field]


def _sets(jobs: list[Json]) -> list[PodSet]:
    return [
        PodSet(text_of(job["name"]), job["template"]["spec"]["template"]["spec"])
        for job in jobs
    ]


def _images_within(value: object) -> Iterator[str]:
    """Images of containers and volumes, wherever they are."""
    if isinstance(value, list):
        for one in value:
            yield from _images_within(one)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in ("containers", "initContainers"):
                yield from (text_of(one["image"]) for one in inner if "image" in one)
            elif key == "volumes":
                volumes = (one.get("image") or {} for one in inner)
                yield from (text_of(v["reference"]) for v in volumes if v)
            else:
                yield from _images_within(inner)
