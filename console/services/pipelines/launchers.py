"""The launchers of a store, by the kind of place that they launch on."""

from __future__ import annotations

import sys

from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.protocols import CanLaunch
from console.services.opened import OpenStore
from console.services.problems import Misuse

LOCAL = "local"
BACKENDS = (LOCAL,)
FOLDER = "launches"


def open_launcher(store: OpenStore, backend: str = LOCAL) -> CanLaunch:
    """The launcher of a kind of place.

    Raises:
        Misuse: there is none of that kind.
    """
    if backend != LOCAL:
        raise Misuse(
            f"nothing is launched on {backend[:40]!r} here",
            hint=f"Known: {', '.join(BACKENDS)}",
        )
    return LocalLauncher(
        store.folder / FOLDER, on_end=lambda launch: _record(store, launch)
    )


def _record(store: OpenStore, launch: str) -> list[str]:
    """The command that tells the log of a run once it has ended."""
    configured = store.configuration.path
    return [
        *(sys.executable, "-P", "-m", "console", "--store", store.address),
        *(("--config", str(configured)) if configured else ()),
        *("pipeline", "record", launch),
    ]
