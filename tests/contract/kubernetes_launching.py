"""A cluster to launch on in tests: the server of this repository, with a node."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectors.errors import ConnectorRefused
from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Bounds, Json, KubernetesClient
from connectors.pipelines.kubernetes_jobs import KubernetesLauncher
from connectors.pipelines.protocols import CanLaunch, LaunchRequest
from tests.contract.kubernetes_kubelet import Kubelet
from tests.contract.kubernetes_places import KubernetesPlace, kubernetes_place
from tests.contract.kubernetes_server.node import Node
from tests.contract.launching_commands import COMMANDS

IMAGE = f"registry.example/trainer@sha256:{'ab' * 32}"


def container(does: str, name: str = "", image: str = IMAGE) -> Json:
    """A container that leaves a line when it starts."""
    return {
        "name": name or does,
        "image": image,
        "command": ["sh", "-c", f"echo started >> $mark; {COMMANDS[does]}"],
        "env": [{"name": "mark", "value": "/dev/null"}],
    }


def pod_of(*does: str, last: str = "", image: str = IMAGE) -> Json:
    """A pod whose containers run one after another."""
    *before, final = does
    pod: Json = {
        "restartPolicy": "Never",
        "containers": [container(final, last, image)],
    }
    if before:
        pod["initContainers"] = [container(one, image=image) for one in before]
    return pod


def manifest_of_steps(*does: str, image: str = IMAGE) -> Json:
    """A job whose steps run one after another."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "contract"},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": pod_of(*does, image=image)},
        },
    }


def _as_they_are(*does: str) -> list[str]:
    return list(does)


def _nothing(*does: str) -> list[tuple[str, Json]]:
    return []


@dataclass(frozen=True)
class Flavour:
    """How one kind is written, and what it calls its steps."""

    manifest: Callable[..., Json]
    steps: Callable[..., list[str]] = _as_they_are
    log_steps: Callable[..., list[str]] = _as_they_are
    definitions: Callable[[], Sequence[Json]] = tuple
    surroundings: Callable[..., Sequence[tuple[str, Json]]] = _nothing
    """What has to be on the cluster before: where it is created, and what."""


JOB = Flavour(manifest_of_steps)


@dataclass
class KeptPlans:
    """Plans in memory."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def put(self, data: bytes) -> str:
        """See KeepsPlans."""
        digest = hashlib.sha256(data).hexdigest()
        self.kept[digest] = data
        return digest

    def get(self, digest: str) -> bytes:
        """See KeepsPlans."""
        if digest not in self.kept:
            raise ConnectorRefused("no such plan")
        return self.kept[digest]


class KubernetesCase:
    """Real processes, by way of the API of a cluster."""

    error_stream = "out"
    is_given_secrets = False
    pause_seconds = 1.1

    def __init__(
        self, folder: Path, flavour: Flavour = JOB, where: str = "in-repo"
    ) -> None:
        self._folder = folder
        self._flavour = flavour
        self._mark = folder / "starts"
        self._plans = KeptPlans()
        self._stack = contextlib.ExitStack()
        self._place: KubernetesPlace = self._stack.enter_context(
            kubernetes_place(where, folder)
        )
        try:
            self._prepare()
        except BaseException:
            self._stack.close()
            raise
        self.launcher: CanLaunch = self.another()

    def _prepare(self) -> None:
        """The definitions of the flavour and a node; of others', what they have."""
        definitions = self._flavour.definitions()
        node: Node | Kubelet
        if self._place.cluster is not None:
            for definition in definitions:
                self._place.own.redefine(definition)
            node = Node(self._place.own)
        else:
            self._place.require(definitions)
            node = Kubelet(self._place, self._folder)
        self._stack.callback(node.close)

    def request(self, *does: str) -> LaunchRequest:
        for where, body in self._flavour.surroundings(*does):
            assert self._place.ask("POST", where, body).status in (201, 409)
        path = self._folder / f"{'-'.join(does)}.json"
        path.write_text(json.dumps(self._flavour.manifest(*does)))
        return LaunchRequest(str(path), parameters={"mark": str(self._mark)})

    def steps(self, *does: str) -> list[str]:
        return self._flavour.steps(*does)

    def log_steps(self, *does: str) -> list[str]:
        return self._flavour.log_steps(*does)

    def starts(self) -> int:
        return len(self._mark.read_text().split()) if self._mark.exists() else 0

    def unended_pods(self) -> list[str]:
        """The names of the pods that run or may still run."""
        found = self._place.ask("GET", f"{self._place.core}/pods")["items"]
        return [
            str(pod["metadata"]["name"])
            for pod in found
            if pod["status"].get("phase") not in ("Succeeded", "Failed")
        ]

    def another(self) -> CanLaunch:
        client = KubernetesClient(
            from_kubeconfig(str(self._place.kubeconfig)),
            bounds=Bounds(first_pause_seconds=0.01),
        )
        self._stack.callback(client.close)
        return KubernetesLauncher(client, self._plans, namespace=self._place.namespace)

    def close(self) -> None:
        self._stack.close()
