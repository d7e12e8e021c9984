"""Which batches of facts the log names and nobody can take in, and why.

A batch that is none is left out on every machine; one that is missing is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.services.opened import OpenStore

if TYPE_CHECKING:
    from store.projection.committed import LeftOut

WAITING = "it is not in the store; nothing after it is taken in until it comes"


def unusable_batches(store: OpenStore) -> tuple[LeftOut, ...]:
    """Every batch that was left out, and the one that is waited for, if any.

    Raises:
        StoreError: the projection cannot be made or read here.
    """
    if not store.index.batches(0):
        return ()
    from store.projection.committed import BatchMissing, LeftOut

    waiting: tuple[LeftOut, ...] = ()
    try:
        store.projection.catch_up()
    except BatchMissing as problem:
        waiting = (LeftOut(problem.entry, problem.digest, WAITING),)
    return (*store.projection.left_out(), *waiting)
