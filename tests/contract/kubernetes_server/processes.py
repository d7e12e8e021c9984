"""The containers of pods as real processes: what a node runs, and how it stands.

Containers that initialise run one after another, the others after them, all at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.contract.kubernetes_server.objects import Object, dig, timestamp

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
    lines: list[tuple[str, str]] = field(default_factory=list)
    """What it printed, each line with when it was seen."""


@dataclass
class Processes:
    """The processes of the pods of one node."""

    _processes: dict[tuple[str, str], _Process] = field(default_factory=dict)
    _folder: Any = field(default_factory=tempfile.TemporaryDirectory)

    def close(self) -> None:
        """Leave no process."""
        for one in self._processes.values():
            _kill(one)
        self._folder.cleanup()

    def end_those_without(self, alive: set[str]) -> None:
        """Kill the processes of the pods whose uids are not named."""
        for key in [key for key in self._processes if key[0] not in alive]:
            _kill(self._processes.pop(key))

    def lines(self, uid: str, container: str) -> list[tuple[str, str]]:
        """What a container of a pod has printed, each line with when it was seen."""
        one = self._processes.get((uid, container))
        return [] if one is None else list(one.lines)

    def signal(self, uid: str, container: str, number: int) -> None:
        """Send a signal to all processes of a container."""
        one = self._processes.get((uid, container))
        if one is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.process.pid, number)

    def status_of(self, pod: Object) -> Object:
        """Start what is next in a pod, and say how the pod stands."""
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
        return status

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
        for line in one.output.read_text().splitlines()[len(one.lines) :]:
            one.lines.append((timestamp(), line))
        if code is None:
            return None, {"running": {"startedAt": one.started}}
        code = code if code >= 0 else 128 - code
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
