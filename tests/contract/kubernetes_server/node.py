"""A node of the server: runs the commands of pods as real processes, and says so.

Containers that initialise run one after another, the others after them, all at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.controller import PODS, Controller
from tests.contract.kubernetes_server.objects import (
    Object,
    dig,
    name_of,
    namespace_of,
    timestamp,
)

_TURN_SECONDS = 0.02
_GROUPS = (
    ("initContainers", "initContainerStatuses"),
    ("containers", "containerStatuses"),
)


@dataclass
class _Process:
    process: subprocess.Popen[bytes]
    output: Path
    started: str
    ended: str = ""


@dataclass
class Node:
    """Turns until it is closed."""

    cluster: Cluster
    _processes: dict[tuple[str, str], _Process] = field(default_factory=dict)
    _is_over: threading.Event = field(default_factory=threading.Event)
    _folder: Any = field(default_factory=tempfile.TemporaryDirectory)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._turn, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, and leave no process."""
        self._is_over.set()
        self._thread.join(timeout=10)
        for one in self._processes.values():
            _kill(one)
        self._folder.cleanup()

    def _turn(self) -> None:
        controller = Controller(self.cluster)
        while not self._is_over.wait(_TURN_SECONDS):
            controller.step()
            pods = self.cluster.store.all(PODS)
            for pod in pods:
                self._step(pod)
            self._end_those_without(pods)

    def _end_those_without(self, pods: list[Object]) -> None:
        alive = {pod["metadata"]["uid"] for pod in pods}
        for uid, name in [key for key in self._processes if key[0] not in alive]:
            _kill(self._processes.pop((uid, name)))

    def _step(self, pod: Object) -> None:
        if dig(pod, "status", "phase") in ("Succeeded", "Failed"):
            return
        codes: list[int | None] = []
        status: Object = {"phase": "Running"}
        for group, told in _GROUPS:
            if codes and any(code != 0 for code in codes):
                break
            states = []
            for container in dig(pod, "spec", group, default=[]):
                is_next = group == "containers" or all(code == 0 for code in codes)
                code, state = self._container(pod, container, is_next)
                codes.append(code)
                states.append({"name": container["name"], "state": state})
            status[told] = states
        all_of_them = [
            one["name"]
            for group, _ in _GROUPS
            for one in dig(pod, "spec", group, default=[])
        ]
        if any(codes) and None not in codes:
            status["phase"] = "Failed"
        elif len(codes) == len(all_of_them) and all(code == 0 for code in codes):
            status["phase"] = "Succeeded"
        key = (namespace_of(pod), name_of(pod))
        found = self.cluster.store.get(PODS, key)
        if found is not None and found["status"] != {**found["status"], **status}:
            found["status"] |= status
            self.cluster.store.put(PODS, found)

    def _container(
        self, pod: Object, container: Object, is_next: bool
    ) -> tuple[int | None, Object]:
        key = (pod["metadata"]["uid"], container["name"])
        if key not in self._processes:
            if not is_next:
                return -1, {"waiting": {"reason": "PodInitializing"}}
            self._processes[key] = self._start(container)
        one = self._processes[key]
        code = one.process.poll()
        text = one.output.read_text()
        place = (namespace_of(pod), name_of(pod), container["name"])
        self.cluster.logs[place] = text.splitlines()
        if code is None:
            return None, {"running": {"startedAt": one.started}}
        one.ended = one.ended or timestamp()
        ended = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": one.started,
            "finishedAt": one.ended,
        }
        return code, {"terminated": ended}

    def _start(self, container: Object) -> _Process:
        handle, name = tempfile.mkstemp(dir=self._folder.name)
        variables = {
            one["name"]: one.get("value", "") for one in container.get("env") or []
        }
        with os.fdopen(handle, "wb") as output:
            process = subprocess.Popen(
                [*container["command"], *(container.get("args") or [])],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.environ["PATH"], **variables},
                start_new_session=True,
            )
        return _Process(process, Path(name), timestamp())


def _kill(one: _Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(one.process.pid, signal.SIGKILL)
    one.process.wait(timeout=10)
