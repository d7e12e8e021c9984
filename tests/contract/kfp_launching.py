"""Kubeflow Pipelines to launch on in tests, and small packages to run there."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from connectors.kubeflow.access import Endpoint, endpoint
from connectors.kubeflow.client import Bounds, KfpClient
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kfp_holds import Held
from connectors.pipelines.kfp_sending import Clock
from connectors.pipelines.protocols import CanLaunch, LaunchRequest
from tests.contract.kfp_server.installation import Installation, Object
from tests.contract.kfp_server.server import serving
from tests.contract.kubernetes_launching import KeptPlans
from tests.contract.launching_commands import COMMANDS

IMAGE = f"registry.example/trainer@sha256:{'ab' * 32}"
FAST = Bounds(first_pause_seconds=0.001, answer_seconds=5.0)


@dataclass
class KeptHolds:
    """Held launches in memory."""

    kept: dict[str, Held] = field(default_factory=dict)

    def hold(self, launch: str, plan_digest: str) -> None:
        """See KeepsHeld."""
        self.kept[launch] = Held(launch, plan_digest, datetime.now(UTC))

    def held(self, launch: str) -> Held | None:
        """See KeepsHeld."""
        return self.kept.get(launch)

    def all(self, place: str) -> list[Held]:
        """See KeepsHeld."""
        return list(self.kept.values())

    def let_go(self, launch: str) -> None:
        """See KeepsHeld."""
        self.kept.pop(launch, None)


@dataclass
class PassingTime:
    """Time that passes only when somebody waits, on the server too."""

    installation: Installation | None = None
    now: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sleep(self, seconds: float) -> None:
        """Pass."""
        with self.lock:
            self.now += seconds
        if self.installation is not None:
            self.installation.forward(seconds)

    def monotonic(self) -> float:
        """The time."""
        return self.now


def package_of_steps(*does: str, image: str = IMAGE, name: str = "contract") -> Object:
    """A pipeline whose steps run one after another, as the compiler writes it."""
    tasks: Object = {}
    for number, step in enumerate(does):
        tasks[step] = {
            "cachingOptions": {"enableCache": True},
            "componentRef": {"name": f"comp-{step}"},
            "inputs": {"parameters": {"mark": {"componentInputParameter": "mark"}}},
            "taskInfo": {"name": step},
        }
        if number:
            tasks[step]["dependentTasks"] = [does[number - 1]]
    takes = {"parameters": {"mark": {"parameterType": "STRING"}}}
    left = {"artifacts": {"data": {"artifactType": {"schemaTitle": "system.Dataset"}}}}
    return {
        "components": {
            f"comp-{step}": {
                "executorLabel": f"exec-{step}",
                "inputDefinitions": takes,
                "outputDefinitions": left,
            }
            for step in does
        },
        "deploymentSpec": {
            "executors": {
                f"exec-{step}": {
                    "container": {
                        "image": image,
                        "command": ["sh", "-c", f"echo started; {COMMANDS[step]}"],
                    }
                }
                for step in does
            }
        },
        "pipelineInfo": {"name": name},
        "root": {
            "dag": {"tasks": tasks},
            "inputDefinitions": {
                "parameters": {
                    "mark": {"defaultValue": "/dev/null", "parameterType": "STRING"}
                }
            },
        },
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
    }


def write_package(folder: Path, *does: str, image: str = IMAGE) -> Path:
    """A package in a file; JSON is YAML."""
    path = folder / f"{'-'.join(does)}.yaml"
    path.write_text(json.dumps(package_of_steps(*does, image=image), indent=1))
    return path


class KfpCase:
    """Runs that go on whenever somebody looks at them."""

    error_stream = "out"
    is_given_secrets = False
    pause_seconds = 0.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plans, self._holds = KeptPlans(), KeptHolds()
        self._stack = contextlib.ExitStack()
        self.installation = self._stack.enter_context(
            serving(Installation(steps_on_get=True))
        )
        self.launcher: CanLaunch = self.another()

    def request(self, *does: str) -> LaunchRequest:
        path = write_package(self._folder, *does)
        return LaunchRequest(str(path), parameters={"mark": "here"})

    def steps(self, *does: str) -> list[str]:
        return list(does)

    def log_steps(self, *does: str) -> list[str]:
        return list(does)

    def starts(self) -> int:
        return len(self.installation.started)

    def another(self) -> CanLaunch:
        where: Endpoint = endpoint(self.installation.address)
        client = KfpClient(where, bounds=FAST)
        self._stack.callback(client.close)
        clock = Clock(sleep=lambda _: time.sleep(0.02))
        return KfpLauncher(client, self._plans, self._holds, clock=clock)

    def close(self) -> None:
        self._stack.close()
