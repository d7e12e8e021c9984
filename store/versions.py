"""Entries that were written over: of several versions the oldest is the entry.

Only a place that keeps versions can tell; nothing here changes what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from store import merkle
from store.backend import Backend, KeepsVersions, entry_path
from store.errors import StoreDamaged, StoreError, StoreRefused
from store.judgement import IndexedEntry

_LARGEST_VERSION_BYTES = 64 * 1024**2


def written_over(
    place: Backend, judged: Callable[[], Iterable[IndexedEntry]]
) -> list[StoreError]:
    """Judged entries whose oldest version is not the one that was judged.

    Where the place keeps no versions or does not tell of them, none.

    Raises:
        StoreUnavailable: the place did not answer.
    """
    if not isinstance(place, KeepsVersions):
        return []
    try:
        oldest = dict(place.overwritten("entry/"))
    except StoreRefused:
        return []
    if not oldest:
        return []
    problems: list[StoreError] = []
    for entry in judged():
        version = oldest.get(entry_path(entry.index))
        if version is None:
            continue
        if merkle.leaf_hash(_read(place, entry.index, version)) != entry.leaf:
            problems.append(_not_the_oldest(entry.index, version))
    return problems


def _read(place: KeepsVersions, index: int, version: str) -> bytes:
    path = entry_path(index)
    return place.read_version(path, version, at_most=_LARGEST_VERSION_BYTES)


def _not_the_oldest(index: int, version: str) -> StoreDamaged:
    return StoreDamaged(
        f"entry {index} was written over before this machine read it; its oldest "
        f"version is {version}",
        hint="Restore that version, ask who wrote over it, and read the log anew with "
        "an empty data folder.",
    )
