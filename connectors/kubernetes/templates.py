"""The pods that a manifest describes: sets of replicas, their containers and images.

Nothing is looked up: a kind whose pods are described elsewhere has none here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import JOB, WorkKind
from connectors.parsing import text_of

_GROUPS = ("initContainers", "containers")
_REPLICAS = "ReplicaSpecs"
MAIN = "main"
"""What a container is called that its template does not name."""


@dataclass(frozen=True, slots=True)
class PodSet:
    """Pods that are alike."""

    name: str
    """As their label says it; empty where a job has only one."""
    pod: Json
    """The spec of each of them, itself and no copy."""

    @property
    def containers(self) -> list[Json]:
        """Those that initialise in their order, then the others."""
        return [one for group in _GROUPS for one in self.pod.get(group) or []]

    def step_of(self, container: Json) -> str:
        """What the step of a container is called."""
        name = name_of(container)
        if not self.name:
            return name
        return self.name if len(self.containers) == 1 else f"{self.name}/{name}"


@dataclass(frozen=True, slots=True)
class Part:
    """A container of every pod of a set."""

    set_name: str
    container: str
    step: str


def name_of(container: Json) -> str:
    """What a container is called."""
    return text_of(container.get("name")) or MAIN


def pod_sets(manifest: Json, kind: WorkKind) -> list[PodSet]:
    """The sets of pods that a manifest describes, in the order of their steps."""
    spec = manifest["spec"]
    if kind is JOB:
        return [PodSet("", spec["template"]["spec"])]
    found = {
        name.lower(): one["template"]["spec"]
        for field, sets in spec.items()
        if field.endswith(_REPLICAS)
        for name, one in sets.items()
    }
    return [PodSet(name, pod) for name, pod in sorted(found.items())]


def parts_of(sets: Iterable[PodSet]) -> tuple[Part, ...]:
    """Every container of some sets of pods."""
    return tuple(
        Part(one.name, name_of(found), one.step_of(found))
        for one in sets
        for found in one.containers
    )


def images_of(sets: Iterable[PodSet]) -> Iterator[str]:
    """Every image that some sets of pods use; empty where a container names none."""
    for one in sets:
        for container in one.containers:
            yield text_of(container.get("image"))
        for volume in one.pod.get("volumes") or []:
            if "image" in volume:
                yield text_of(volume["image"]["reference"])
