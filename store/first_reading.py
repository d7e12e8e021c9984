"""The first reading of a log by way of bundles, believed as far as it is confirmed.

Whoever can write a bundle and no entry could show a newcomer another history. So a log
read from bundles is judged aside, and taken over only when

- the newest signed head over it has the same root: entries below it are confirmed;
- every bundled entry above that head is the same, byte for byte, as the entry itself;
- so are the first and the last entry of every bundle;
- the last bundled entry is accepted, which testifies to the history its signer saw.

Otherwise nothing of it is kept and every entry is read by itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from store import merkle
from store.backend import Backend, checkpoint_path, numbered
from store.bundles import BUNDLE_ENTRIES, Bundles
from store.errors import StoreDamaged
from store.judgement import Judge, Standing
from store.statement_index import StatementIndex

SignedHead = Callable[[Judge, bytes], tuple[int, bytes] | None]
"""Size and root of a checkpoint, if the log key that a judge has in force signed it."""
ReadEntry = Callable[[int], bytes | None]
ReadAside = Callable[[StatementIndex, Bundles], Judge]
"""Reads the whole log into an index, taking bundles; returns the judge at its end."""
_LARGEST_CHECKPOINT_BYTES = 16_384
_MOST_CHECKPOINTS_TRIED = 8


class FirstReading:
    """Fills an empty index from bundles, if there are any and they are confirmed."""

    def __init__(
        self, backend: Backend, read_entry: ReadEntry, signed_head: SignedHead
    ) -> None:
        self._backend = backend
        self._read_entry = read_entry
        self._signed_head = signed_head

    def fill(self, index: StatementIndex, read_aside: ReadAside) -> bool:
        """Take the log over from bundles; False leaves the index as it was."""
        if next(self._backend.names("bundle/"), None) is None:
            return False
        with tempfile.TemporaryDirectory() as folder:
            aside = StatementIndex(Path(folder) / "aside.sqlite")
            try:
                bundles = Bundles(self._backend)
                judge = read_aside(aside, bundles)
                if not self._is_confirmed(aside, bundles.taken, judge):
                    return False
                index.take_from(aside, only_if_larger=True)
                return True
            except StoreDamaged:
                return False
            finally:
                aside.close()

    def _is_confirmed(
        self, aside: StatementIndex, taken: list[int], judge: Judge
    ) -> bool:
        if not taken:
            return False
        newest = aside.entry(taken[-1] * BUNDLE_ENTRIES + BUNDLE_ENTRIES - 1)
        if newest is None or newest.judgement.standing is not Standing.ACCEPTED:
            return False
        signed = self._confirmed_size(aside, judge)
        return all(
            self._is_same(aside, index) for index in _indexes_to_compare(taken, signed)
        )

    def _is_same(self, aside: StatementIndex, index: int) -> bool:
        entry, data = aside.entry(index), self._read_entry(index)
        return (
            entry is not None
            and data is not None
            and merkle.leaf_hash(data) == entry.leaf
        )

    def _confirmed_size(self, aside: StatementIndex, judge: Judge) -> int:
        """Entries below the newest signed head with the same root; 0 without one."""
        for size in self._checkpoint_sizes(aside.size):
            data = self._backend.read(
                checkpoint_path(size), at_most=_LARGEST_CHECKPOINT_BYTES
            )
            head = None if data is None else self._signed_head(judge, data)
            if head is not None and head[0] <= aside.size:
                return head[0] if aside.root_at(head[0]) == head[1] else 0
        return 0

    def _checkpoint_sizes(self, at_most: int) -> list[int]:
        sizes = (numbered(n, "checkpoint/") for n in self._backend.names("checkpoint/"))
        known = sorted(
            (s for s in sizes if s is not None and s <= at_most), reverse=True
        )
        return known[:_MOST_CHECKPOINTS_TRIED]


def _indexes_to_compare(taken: Iterable[int], signed: int) -> Iterator[int]:
    """The bundled entries that are read by themselves as well."""
    for number in taken:
        first, last = number * BUNDLE_ENTRIES, (number + 1) * BUNDLE_ENTRIES - 1
        if last < signed:
            yield from (first, last)
        else:
            yield from range(first, last + 1)
