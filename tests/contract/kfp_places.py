"""Where the contract of Kubeflow Pipelines is tested: a server of this repository, and
a real one if it is named.

COUNTERSIGN_TEST_KFP is the address of one; _NAMESPACE, _TOKEN and _IMAGE, with that
before them, are the namespace that may be used, a file with a token, and an image by
digest in which `sh` is. What the tests make there begins with `countersign-test`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.kubeflow.access import Endpoint, endpoint
from connectors.kubeflow.client import KfpClient
from connectors.mlflow.client import Secret
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kfp_sending import Clock
from tests.contract.kfp_launching import FAST, IMAGE, KeptHolds
from tests.contract.kfp_server.installation import Installation
from tests.contract.kfp_server.server import serving
from tests.contract.kubernetes_launching import KeptPlans

VARIABLE = "COUNTERSIGN_TEST_KFP"
KINDS = ("in-repo", "in-repo-newer", "in-repo-newest", "real")


@dataclass
class KfpPlace:
    """One endpoint."""

    endpoint: Endpoint
    image: str
    own: Installation | None = None
    """The installation itself, where it is of this repository."""
    plans: KeptPlans = field(default_factory=KeptPlans)
    holds: KeptHolds = field(default_factory=KeptHolds)

    def client(self) -> KfpClient:
        """A client of it."""
        return KfpClient(self.endpoint, bounds=FAST if self.own else None)

    def launcher(self) -> KfpLauncher:
        """A launcher of it."""
        wait: Callable[[float], None] = time.sleep
        if self.own is not None:
            wait = self.own.forward
        return KfpLauncher(
            self.client(), self.plans, self.holds, clock=Clock(sleep=wait)
        )


@contextlib.contextmanager
def kfp_place(kind: str) -> Iterator[KfpPlace]:
    """A place of the kind; skipped where no real one is named."""
    if kind != "real":
        here = Installation(
            steps_on_get=True,
            has_tasks=kind != "in-repo",
            embeds_artifacts=kind == "in-repo-newest",
            tells_empty_fields=kind == "in-repo-newest",
        )
        with serving(here):
            yield KfpPlace(endpoint(here.address), IMAGE, here)
        return
    address = os.environ.get(VARIABLE, "")
    if not address:
        pytest.skip(f"Kubeflow Pipelines of your own is optional: set {VARIABLE}")
    token_file = os.environ.get(f"{VARIABLE}_TOKEN", "")

    def says() -> dict[str, Secret]:
        if not token_file:
            return {}
        return {
            "Authorization": Secret(f"Bearer {Path(token_file).read_text().strip()}")
        }

    namespace = os.environ.get(f"{VARIABLE}_NAMESPACE", "")
    image = os.environ.get(f"{VARIABLE}_IMAGE", IMAGE)
    yield KfpPlace(endpoint(address, namespace=namespace, credentials=says), image)
