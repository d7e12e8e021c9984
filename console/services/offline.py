"""A store that is far away: this machine's copy of it, and how old its end may be.

Reading goes on while the store does not answer; whether a decision may, others say.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from console.services.places import Places
from store.backend import Backend
from store.cached import CachedBackend
from store.errors import StoreUnavailable
from store.log import Progress
from store.opening import is_remote, whole_address

if TYPE_CHECKING:
    from console.services.opened import OpenStore


def catch_up_or_look_back(store: OpenStore, progress: Progress | None = None) -> None:
    """Read on; where the store does not answer, go on with what is known here.

    Raises:
        StoreUnavailable: it does not, and this machine knows nothing of it.
    """
    known = store.index.size
    try:
        store.catch_up(progress)
        if is_remote(store.address) and store.index.size > known:
            from console.services.copying import copy_named_objects

            copy_named_objects(store, known)
    except StoreUnavailable:
        if store.index.size == 0:
            raise
        store.is_answering = False


def note_confirmed(folder: Path, now: datetime) -> None:
    """Remember when the end of a log was last read from the store itself."""
    aside = folder / "confirmed.new"
    aside.write_text(now.isoformat())
    aside.replace(folder / "confirmed")


def confirmed_at(folder: Path) -> datetime | None:
    """When this machine last read the end of a log, or None if never."""
    try:
        told = datetime.fromisoformat((folder / "confirmed").read_text())
    except (OSError, ValueError):
        return None
    return told.astimezone(UTC)


def remembered_origin(address: str, places: Places) -> str:
    """The origin that this machine has noted for an address, or empty."""
    try:
        return places.of_address(whole_address(address)).read_text().strip()
    except OSError:
        return ""


def remember_origin(address: str, places: Places, origin: str) -> None:
    """Note what log is at an address, to know it again when it does not answer."""
    if remembered_origin(address, places) != origin:
        note = places.of_address(whole_address(address))
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(origin + "\n")


def with_copy(backend: Backend, places: Places, origin: str) -> Backend:
    """A remote store of that origin with this machine's copy of it."""
    remember_origin(backend.address, places, origin)
    return CachedBackend(backend, places.of_store(origin) / "copy")
