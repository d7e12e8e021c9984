"""Which hashes came before, of millions that come many at a time.

Hashes of earlier times are kept sorted, one array a time. A byte for each of many slots
says which hashes cannot have come before: the few others are looked for in the arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Hashes = npt.NDArray[np.int64]
    Found = npt.NDArray[np.bool_]

SLOTS = 2**27
"""A power of two."""


class SeenHashes:
    """Remembers 63-bit hashes."""

    def __init__(self) -> None:
        self._sorted: list[Hashes] = []
        self._is_marked: Found | None = None

    def note(self, hashes: Hashes) -> Found:
        """For each hash, whether it was among those of an earlier call."""
        import numpy as np

        found = np.zeros(len(hashes), np.bool_)
        if self._is_marked is None:
            self._is_marked = np.zeros(SLOTS, np.bool_)
        slots = hashes & (SLOTS - 1)
        suspected = np.flatnonzero(self._is_marked[slots])
        if len(suspected):
            found[suspected] = self._among(hashes[suspected])
        self._is_marked[slots] = True
        self._sorted.append(np.sort(hashes))
        return found

    def _among(self, hashes: Hashes) -> Found:
        """Whether each hash is in one of the arrays. In order they are found sooner."""
        import numpy as np

        order = np.argsort(hashes)
        asked = hashes[order]
        is_there = np.zeros(len(asked), np.bool_)
        for known in self._sorted:
            if len(known):
                places = np.minimum(np.searchsorted(known, asked), len(known) - 1)
                is_there |= known[places] == asked
        found = np.empty(len(asked), np.bool_)
        found[order] = is_there
        return found
