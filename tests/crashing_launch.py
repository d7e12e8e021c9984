"""A launch in a process of its own that is killed at one point.

    python -m tests.crashing_launch HOME STORE PROJECT POINT [ID]

It never returns: `kill -9` ends it where POINT says.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from connectors.pipelines import local
from connectors.pipelines.protocols import LaunchRequest
from console.services import signing
from console.services.configuration import Configuration
from console.services.opened import open_store
from console.services.pipelines import declaring, sending
from console.services.pipelines.asked import Asked
from console.services.pipelines.launchers import open_launcher
from console.services.pipelines.launching import launch
from console.services.places import Places
from console.services.signing import act_as_person
from policies.predicates.operations import LaunchIntent

POINTS = (
    "before the intent",
    "after the intent",
    "before the claim",
    "while the claim is made",
    "after the claim",
    "after the start",
    "before the outcome",
    "after the outcome",
)


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying_at(point: str) -> None:
    """Put death at a point of this process."""
    append, launcher = signing.append, local.LocalLauncher

    def dying_append(*given: Any, **more: Any) -> Any:
        kind = "intent" if isinstance(given[2], LaunchIntent) else "outcome"
        if point == f"before the {kind}":
            die()
        done = append(*given, **more)
        if point == f"after the {kind}":
            die()
        return done

    start = launcher._start
    places: dict[str, tuple[object, str, object]] = {
        "before the claim": (launcher, "_make", die),
        "while the claim is made": (local, "copy_code", die),
        "after the claim": (launcher, "_start", die),
        "after the start": (launcher, "_start", lambda *given: die(start(*given))),
    }
    said = sending if point.endswith("outcome") else declaring
    where, name, dying = places.get(point, (said, "append", dying_append))
    setattr(where, name, dying)


def main() -> None:
    home, store_address, project, point, *named = sys.argv[1:]
    places = Places(Path(home) / "data", Path(home) / "config")
    store = open_store(store_address, places, Configuration())
    key = str(places.keys / "dana.pem")
    acting = act_as_person(store, store.state(), key, lambda _: None)
    dying_at(point)
    launch(
        store,
        acting,
        open_launcher(store),
        Asked(LaunchRequest(project), "default", "".join(named)),
    )


if __name__ == "__main__":
    main()
