"""A cluster with operators, and its launcher, that move only when a test says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Bounds, Json, KubernetesClient
from connectors.kubernetes.manifests import name_of_launch
from connectors.pipelines.kubernetes_jobs import KubernetesLauncher
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, PipelineRun
from tests.contract.kubernetes_launching import KeptPlans
from tests.contract.kubernetes_places import MERGE, KubernetesPlace, kubernetes_place
from tests.contract.kubernetes_server.controller import Controller
from tests.contract.kubernetes_server.objects import Object, dig

_OVER = ("Succeeded", "Failed")


@dataclass
class Bench:
    """One launcher and the cluster that it launches on."""

    place: KubernetesPlace
    launcher: KubernetesLauncher
    folder: Path
    plans: KeptPlans = field(default_factory=KeptPlans)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    """What happens, once, as soon as the launcher waits."""

    @property
    def controller(self) -> Controller:
        """The controllers of the cluster."""
        return self.place.controller

    def plan(self, manifest: Json, **asked: object) -> LaunchPlan:
        """The plan of a manifest."""
        path = self.folder / "manifest.json"
        path.write_text(json.dumps(manifest))
        return self.launcher.plan(LaunchRequest(str(path), **asked))  # type: ignore[arg-type]  # as the test says

    def launch(self, manifest: Json, *, held: bool = False) -> PipelineRun:
        """Launch a manifest as `one`."""
        return self.launcher.launch("one", self.plan(manifest), held=held)

    def run(self) -> PipelineRun:
        """The launch as it is now."""
        found = self.launcher.find("one")
        assert found is not None
        return found

    def object(self, group: str, plural: str) -> Object:
        """What was launched, as it is stored."""
        key = (self.place.namespace, name_of_launch("one"))
        found = self.place.own.store.get((group, plural), key)
        assert found is not None
        return found

    def path(self, group: str, version: str, plural: str) -> str:
        """Where what was launched is asked for."""
        root = f"/apis/{group}/{version}/namespaces/{self.place.namespace}"
        return f"{root}/{plural}/{name_of_launch('one')}"

    def patch(self, path: str, body: Json) -> None:
        """Change something, as somebody else would."""
        answer = self.place.ask("PATCH", path, body, MERGE)
        assert answer.status == 200, answer.body

    def pods(self) -> dict[str, Object]:
        """The pods that there are, by name without that of the job."""
        found = self.place.own.store.all(("", "pods"))
        head = f"{name_of_launch('one')}-"
        return {dig(pod, "metadata", "name").removeprefix(head): pod for pod in found}

    def unended(self) -> list[str]:
        """The names of the pods that run or may still run."""
        phases = {
            name: dig(pod, "status", "phase") for name, pod in self.pods().items()
        }
        return [name for name, one in phases.items() if one not in _OVER]


@contextmanager
def bench(folder: Path, definitions: Sequence[Json]) -> Iterator[Bench]:
    """A cluster with some definitions and a launcher for it."""
    with kubernetes_place("in-repo", folder) as place:
        for one in definitions:
            place.own.redefine(one)
        client = KubernetesClient(
            from_kubeconfig(str(place.kubeconfig)),
            bounds=Bounds(first_pause_seconds=0.001),
        )
        plans = KeptPlans()
        meanwhile: list[Callable[[], object]] = []

        def turn(seconds: float) -> None:
            while meanwhile:
                meanwhile.pop()()
            place.controller.step()

        launcher = KubernetesLauncher(
            client, plans, namespace=place.namespace, sleep=turn
        )
        yield Bench(place, launcher, folder, plans, meanwhile)
        client.close()
