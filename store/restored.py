"""When a log is not what this machine has seen: the refusal, and what may lift it.

A store that was restored from a backup lacks entries. Enough root holders may sign that
they are given up; such a log is judged from its beginning, and nothing else is taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from store.errors import StoreDamaged
from store.heads import Head, RememberedHeads
from store.judgement import LostHistory


def removed(address: str, seen: int, there: int) -> StoreDamaged:
    """The refusal of a log with fewer entries than were seen."""
    return StoreDamaged(
        f"this machine has seen {seen} entries of the log at {address}, and now there "
        f"are {there}",
        hint="Entries were removed or an old backup was restored. Do not decide "
        "anything on it; ask who changed the store. After a restored backup: "
        "countersign log recover",
    )


def rewritten(address: str, size: int) -> StoreDamaged:
    """The refusal of a log whose first entries are others than were seen."""
    return StoreDamaged(
        f"the first {size} entries at {address} are not the ones this machine has seen",
        hint="History was rewritten. Do not decide anything on it; compare with a "
        "witness or another machine. After a restored backup: countersign log recover",
    )


class _NoMemory(RememberedHeads):
    """For judging a log as if it had never been seen."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))

    def all(self) -> list[Head]:
        return []

    def _append(self, values: dict[str, object]) -> None:
        """Remember nothing."""


NO_MEMORY = _NoMemory()


def accepted_loss(
    abandoned: Sequence[LostHistory],
    remembered: Sequence[Head],
    root_at: Callable[[int], bytes],
) -> int | None:
    """Size that a restored log and this machine's memory have in common, if a loss
    that the log says is given up accounts for all that this machine has seen.

    `root_at` tells the restored log's root at a size.
    """
    for lost in reversed(abandoned):
        if all(
            (head.size < lost.lost_size or (head.root == lost.lost_root))
            and head.size <= lost.lost_size
            if head.size > lost.restored_size
            else root_at(head.size).hex() == head.root
            for head in remembered
        ):
            return lost.restored_size
    return None
