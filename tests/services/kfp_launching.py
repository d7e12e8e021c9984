"""A world with Kubeflow Pipelines configured, and what launching there takes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.kubeflow.access import Endpoint
from connectors.kubeflow.client import KfpClient
from connectors.pipelines import kfp_sending
from connectors.pipelines.protocols import LaunchRequest
from console.services.configuration import (
    Configuration,
    KubeflowSetting,
    SourceSetting,
)
from console.services.founding import activate_policy
from console.services.opened import OpenStore, open_store
from console.services.pipelines import launchers
from console.services.pipelines.asked import Asked
from console.services.pipelines.launchers import open_launcher
from console.services.pipelines.launching import launch
from console.services.pipelines.sending import Launched
from tests.contract.kfp_launching import FAST, PassingTime, write_package
from tests.contract.kfp_server import engine
from tests.contract.kfp_server.installation import Installation, Object
from tests.contract.kfp_server.server import serving
from tests.pipelines import POLICY
from tests.worlds import World

TOKEN = "hunter2-hunter2-hunter2"
NAMESPACE = "team-a"
LOCKED = POLICY.replace("provenance", "runtime_locked").replace(
    'require = ["{require}"]', 'by = ["image"]'
)


@dataclass
class KfpWorld:
    """A world, an installation, and time that passes for both when somebody waits."""

    world: World
    here: Installation
    time: PassingTime
    token_file: Path

    @property
    def store(self) -> OpenStore:
        """The store, which knows the installation as `prod`."""
        return self.world.store

    def put_policy(self, *, is_released: bool = True, version: int = 1) -> None:
        """Put a policy for launches in force."""
        text = LOCKED.format(version=version, role="guard")
        if not is_released:
            text = text.partition("[[approvals]]")[0]
        activate_policy(self.store, self.world.people["dana"], text.encode())

    def launch(self, launch_id: str = "one", *does: str, by: str = "dana") -> Launched:
        """Launch a small pipeline as somebody."""
        return launch(
            self.store,
            self.world.people[by],
            open_launcher(self.store, "kfp"),
            Asked(self.request(*does), "default", launch_id),
        )

    def request(self, *does: str) -> LaunchRequest:
        """What is asked for."""
        path = write_package(self.world.folder, *(does or ("quick",)))
        return LaunchRequest(str(path), pipeline="tried", parameters={"mark": "x"})

    def runs(self) -> list[Object]:
        """The runs that there are, of whatever name."""
        return [run.told for run in self.here.runs.values()]

    def run_on(self, seconds: int = 12) -> None:
        """Let runs go on."""
        for _ in range(seconds):
            engine.step(self.here)

    def reopen(self, **more: SourceSetting) -> None:
        """Open the store anew, with sources configured."""
        self.world.store = open_store(
            self.world.store.address,
            self.world.places,
            self.configuration(**more),
            clock=self.world.clock,
        )

    def configuration(self, **sources: SourceSetting) -> Configuration:
        """What is configured."""
        setting = KubeflowSetting(
            self.here.address, NAMESPACE, f"file:{self.token_file}"
        )
        return Configuration(kubeflow={"prod": setting}, sources=sources)


@contextlib.contextmanager
def kfp_world(world: World, patch: pytest.MonkeyPatch) -> Iterator[KfpWorld]:
    """A world with an installation that asks for a token."""
    here = Installation(
        namespaces=(NAMESPACE,), header=("Authorization", f"Bearer {TOKEN}")
    )
    token_file = world.folder / "token"
    token_file.write_text(f"{TOKEN}\n")
    with serving(here):
        passing = PassingTime(here)
        clock = kfp_sending.Clock(passing.sleep, passing.monotonic)
        patch.setattr("connectors.pipelines.kfp.Clock", lambda: clock)

        def client(
            found: Endpoint, *, waiting: Callable[[], AbstractContextManager[object]]
        ) -> KfpClient:
            return KfpClient(found, bounds=FAST, sleep=lambda _: None, waiting=waiting)

        patch.setattr(launchers, "KfpClient", client)
        made = KfpWorld(world, here, passing, token_file)
        made.reopen()
        yield made
