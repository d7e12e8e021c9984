"""A witness's own reading of a log: its own index, its own memory, its own anchor.

What the machine's other users have read is not looked at.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from console.services.configuration import Configuration
from console.services.opened import OpenStore, open_store
from console.services.places import Places
from console.services.witnessing import Cosigned
from store.backend import Backend
from store.errors import StoreDamaged
from store.log import Progress

Cosign = Callable[[OpenStore], Cosigned]


def read_as_witness(
    address: str,
    state: Path,
    configuration: Configuration,
    anchor: str,
    cosign: Cosign,
    progress: Progress,
) -> tuple[Cosigned, Backend]:
    """Read a store from the witness's folder and cosign what it shows.

    Raises:
        Refusal: the log does not extend what this witness has cosigned.
        StoreDamaged: it is not the log that was read before.
    """

    def read(folder: Path) -> tuple[Cosigned, Backend]:
        places = Places(folder / "read", folder / "read")
        store = open_store(
            address, places, configuration, anchor=anchor, progress=progress
        )
        try:
            return cosign(store), store.backend
        finally:
            store.close()

    try:
        return read(state)
    except StoreDamaged as damage:
        _read_without_memory(read, damage)
        raise


def _read_without_memory(
    read: Callable[[Path], tuple[Cosigned, Backend]], damage: StoreDamaged
) -> None:
    """Look at a log that changed as if it were new, for the evidence there is.

    Raises:
        Refusal: what is there contradicts what was cosigned.
        StoreDamaged: it cannot be read at all; the first damage is the cause.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(Path(folder))
        except StoreDamaged as again:
            raise damage from again
