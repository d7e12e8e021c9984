"""Values that people give by name, and the tracking server that they name."""

from __future__ import annotations

from collections.abc import Iterable

from console.services.opened import OpenStore
from console.services.problems import Misuse

TRACKING = "MLFLOW_TRACKING_URI"


def pairs(given: Iterable[str], option: str) -> dict[str, str]:
    """NAME=VALUE, each name once.

    Raises:
        Misuse: not so.
    """
    found: dict[str, str] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Misuse(f"{option} {name[:80]!r} has no value", hint="NAME=VALUE")
        if name in found:
            raise Misuse(f"{option} {name[:80]!r} is given twice")
        found[name] = value
    return found


def tracking_address(store: OpenStore, named: str) -> str:
    """The address of a tracking server, or that of a source by its name.

    Raises:
        Misuse: it is neither.
    """
    known = store.sources().get(named)
    address = known.address if known else named
    if not address.startswith(("http://", "https://")):
        raise Misuse(
            f"{address[:200]!r} is no tracking server that a run could tell",
            hint="--tracking http://HOST:PORT, or the name of such a source",
        )
    return address
