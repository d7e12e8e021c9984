"""A node of the server: runs the commands of pods as real processes, and says so."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.controller import PODS, Controller
from tests.contract.kubernetes_server.objects import Object, dig, name_of, namespace_of
from tests.contract.kubernetes_server.processes import Processes

_TURN_SECONDS = 0.02


@dataclass
class Node:
    """Turns until it is closed."""

    cluster: Cluster
    _processes: Processes = field(default_factory=Processes)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._turn, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, and leave no process."""
        self._is_over.set()
        self._thread.join(timeout=10)
        self._processes.close()

    def _turn(self) -> None:
        controller = Controller(self.cluster)
        while not self._is_over.wait(_TURN_SECONDS):
            controller.step()
            pods = self.cluster.store.all(PODS)
            for pod in pods:
                self._step(pod)
            self._processes.end_those_without(
                {pod["metadata"]["uid"] for pod in pods if not _is_over(pod)}
            )

    def _step(self, pod: Object) -> None:
        if _is_over(pod):
            return
        status = self._processes.status_of(pod)
        key = (namespace_of(pod), name_of(pod))
        for told in ("initContainerStatuses", "containerStatuses"):
            for one in status.get(told) or []:
                lines = self._processes.lines(pod["metadata"]["uid"], one["name"])
                self.cluster.logs[(*key, one["name"])] = [text for _, text in lines]
        found = self.cluster.store.get(PODS, key)
        if found is not None and found["status"] != {**found["status"], **status}:
            found["status"] |= status
            self.cluster.store.put(PODS, found)


def _is_over(pod: Object) -> bool:
    return dig(pod, "status", "phase") in ("Succeeded", "Failed")
