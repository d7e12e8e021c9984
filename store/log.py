"""The append-only log of signed statements: reading on, appending, proving.

Reading here and catching up with someone else's appends are the same code: take the
next entry. The log never interprets an entry; a judge does (store.judgement).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from store import merkle
from store.backend import Backend, Copying, entry_path, source_of
from store.bundles import BUNDLE_ENTRIES, Bundles, wrong_bundles
from store.errors import StoreDamaged, StoreError, StoreRefused
from store.first_reading import FirstReading, SignedHead
from store.heads import Head, RememberedHeads
from store.judgement import (
    History,
    IndexedEntry,
    Judge,
    Judgement,
    Standing,
)
from store.objects import Objects
from store.restored import NO_MEMORY, accepted_loss, removed, rewritten
from store.statement_index import StatementIndex
from store.versions import written_over

LARGEST_ENTRY_BYTES = 65_535
"""What fits an entry bundle of C2SP tlog-tiles."""
_LARGEST_GARBAGE_BYTES = 64 * 1024**2
_ENTRIES_PER_TRANSACTION = 512
_ENTRIES_READ_AHEAD = 64

Progress = Callable[[int], None]
"""Called with the number of entries read so far."""


def _no_progress(_: int) -> None:
    """Report to nobody."""


def _always_fine() -> None:
    """Have nothing to check again."""


class _LogHistory(History):
    """What a judge sees: the index, the entries before and the objects."""

    def __init__(self, log: Log) -> None:
        self._log = log

    @property
    def size(self) -> int:
        return self._log.index.size

    def root_at(self, size: int) -> bytes:
        return self._log.index.root_at(size)

    def find_statement(self, statement_id: str) -> IndexedEntry | None:
        return self._log.index.find_statement(statement_id)

    def on_topic(self, topic: str) -> list[IndexedEntry]:
        return self._log.index.on_topics(topic)

    def entry_bytes(self, index: int) -> bytes:
        return self._log.entry_bytes(index)

    def object(self, digest: str) -> bytes | None:
        try:
            return self._log.objects.find(digest)
        except StoreDamaged:
            return None


def _read_ahead(backend: Backend, start: int, end: int | None = None) -> None:
    """Where each entry is a request, ask for the next ones, below `end`, at once."""
    if isinstance(backend, Copying):
        beyond = start + _ENTRIES_READ_AHEAD
        ahead = range(start, beyond if end is None else min(end, beyond))
        backend.read_ahead(
            [entry_path(number) for number in ahead], at_most=LARGEST_ENTRY_BYTES
        )


class Log:
    """One log as this machine sees it."""

    def __init__(
        self,
        backend: Backend,
        index: StatementIndex,
        heads: RememberedHeads,
        judge_factory: Callable[[], Judge],
        *,
        signed_head: SignedHead | None = None,
        bundles: Bundles | None = None,
    ) -> None:
        self._backend = backend
        self._source = source_of(backend)
        self._judge_factory = judge_factory
        self._heads = heads
        self._signed_head = signed_head
        self._bundles = bundles
        self.index = index
        self.objects = Objects(backend)
        self.history: History = _LogHistory(self)

    def catch_up(self, progress: Progress = _no_progress) -> int:
        """Read and judge every entry there is; return how many there are.

        Raises:
            StoreDamaged: an entry is missing, or the history is not the one that this
                machine remembers.
            StoreUnavailable: the store does not answer.
        """
        self._hold_against_index()
        if self.index.size == 0 and self._signed_head is not None:
            self._read_bundles(self._signed_head, progress)
        is_copied = self._is_copied(self.index.size)
        size = self._read_on(progress)
        if is_copied:
            self._hold_against_index()
            size = self.index.size
        self._compare_with_memory(size)
        return size

    def _read_on(self, progress: Progress = _no_progress) -> int:
        size = self.index.size
        if self._read(size) is not None:
            judge = self._restored_judge()
            while True:
                with self.index.extending():
                    if self.index.size != size:
                        judge = self._restored_judge()
                        size = self.index.size
                    taken = self._take_entries(judge, size)
                size += taken
                progress(size)
                if taken < _ENTRIES_PER_TRANSACTION:
                    break
        return size

    def _read_bundles(self, signed_head: SignedHead, progress: Progress) -> None:
        """Begin with what bundles say, as far as it is confirmed."""

        def read_aside(aside: StatementIndex, bundles: Bundles) -> Judge:
            log = Log(
                self._backend, aside, NO_MEMORY, self._judge_factory, bundles=bundles
            )
            log.catch_up(progress)
            return log.judge_now()

        FirstReading(self._backend, self._read, signed_head).fill(
            self.index, read_aside
        )

    def make_bundle(self, number: int) -> bool:
        """Store the bundle of 256 indexed entries; False if one is there, or cannot be.

        Raises:
            StoreError: an entry is missing or changed, or the store cannot be written.
        """
        start = number * BUNDLE_ENTRIES
        entries = [self.entry_bytes(start + n) for n in range(BUNDLE_ENTRIES)]
        return Bundles(self._backend).offer(number, entries)

    def _bundle_if_complete(self, size: int) -> None:
        """Bundle the entries that an append completed, if that works now."""
        if size and size % BUNDLE_ENTRIES == 0:
            with contextlib.suppress(StoreError):
                self.make_bundle(size // BUNDLE_ENTRIES - 1)

    def _take_entries(self, judge: Judge, size: int) -> int:
        taken = 0
        while taken < _ENTRIES_PER_TRANSACTION:
            chunk = self._read_chunk(size + taken)
            if not chunk:
                break
            for data in chunk:
                judgement = self._judge(judge, size + taken, data)
                self.index.add(size + taken, merkle.leaf_hash(data), judgement)
                taken += 1
        return taken

    def _read_chunk(self, start: int) -> list[bytes]:
        """The next entries there are, some at a time."""
        chunk = self._bundles.take(start) if self._bundles else []
        if not chunk:
            _read_ahead(self._backend, start)
        while len(chunk) < _ENTRIES_READ_AHEAD:
            data = self._read(start + len(chunk))
            if data is None:
                break
            chunk.append(data)
        return chunk

    def _is_copied(self, index: int) -> bool:
        """Whether an entry comes from a copy that may be older than the store."""
        backend = self._backend
        return isinstance(backend, Copying) and backend.has_copy(entry_path(index))

    def _judge(self, judge: Judge, index: int, data: bytes) -> Judgement:
        if len(data) > LARGEST_ENTRY_BYTES:
            return Judgement(
                standing=Standing.VOID,
                reason=f"larger than {LARGEST_ENTRY_BYTES} bytes",
            )
        return judge.judge(index, data, self.history)

    def _restored_judge(self) -> Judge:
        judge = self._judge_factory()
        entries = [
            (entry.index, self.entry_bytes(entry.index))
            for entry in self.index.on_topics(*judge.state_topics)
            if entry.judgement.standing is Standing.ACCEPTED
        ]
        judge.restore(entries, self.history)
        return judge

    def judge_now(self) -> Judge:
        """A judge that has taken up the state of everything indexed so far."""
        return self._restored_judge()

    def _hold_against_index(self) -> None:
        """Check that the newest entry judged here is still there, byte for byte.

        Raises:
            StoreDamaged: it is not, and nobody entitled has given that history up.
        """
        newest = self.index.entry(self.index.size - 1)
        if newest is None:
            return
        data = self._read_source(newest.index)
        if data is not None and merkle.leaf_hash(data) == newest.leaf:
            return
        try:
            if data is None:
                raise removed(self._backend.address, newest.index + 1, newest.index)
            raise rewritten(self._backend.address, newest.index + 1)
        except StoreDamaged as damage:
            self._take_up_recovery(damage)

    def _take_up_recovery(self, damage: StoreDamaged) -> None:
        """Judge the log from its beginning; go on if it says its loss is accepted.

        Raises:
            StoreDamaged: it does not.
        """
        with tempfile.TemporaryDirectory() as folder:
            aside = StatementIndex(Path(folder) / "aside.sqlite")
            try:
                again = Log(self._source, aside, NO_MEMORY, self._judge_factory)
                again.catch_up()
                restored = accepted_loss(
                    again.judge_now().abandoned,
                    [*self._heads.all(), self.head()],
                    aside.root_at,
                )
                if restored is None:
                    raise damage
                seen = self.index.size
                self.index.take_from(aside)
                if isinstance(self._backend, Copying):
                    for index in range(restored, seen):
                        self._backend.forget(entry_path(index))
                self._heads.forget_above(restored)
            finally:
                aside.close()

    def _compare_with_memory(self, size: int) -> None:
        remembered = self._heads.newest()
        if remembered is None and size == 0:
            return
        if remembered is not None:
            try:
                if remembered.size > size:
                    raise removed(self._backend.address, remembered.size, size)
                if self.index.root_at(remembered.size).hex() != remembered.root:
                    raise rewritten(self._backend.address, remembered.size)
            except StoreDamaged as damage:
                self._take_up_recovery(damage)
                self._compare_with_memory(self.index.size)
                return
            if remembered.size == size:
                return
        is_followed = self._read(size + 1) is not None
        if is_followed and self._read(size) is None:
            raise StoreDamaged(
                f"entry {size} is missing at {self._backend.address}, and entry "
                f"{size + 1} is there",
                hint="Restore the missing entry from a backup.",
            )
        self._heads.remember(Head(size, self.index.root_at(size).hex()))

    def append(
        self, data: bytes, *, check_again: Callable[[], None] = _always_fine
    ) -> int:
        """Store an entry at the next free index and return that index.

        A judge must accept it there; a lost race is repeated after `check_again`,
        which raises if what was decided no longer holds.

        Raises:
            StoreRefused: the entry would be void.
        """
        if len(data) > LARGEST_ENTRY_BYTES:
            raise StoreRefused(
                f"the statement has {len(data)} bytes; an entry holds at most "
                f"{LARGEST_ENTRY_BYTES}",
                hint="Shorten it; long texts belong in objects.",
            )
        while True:
            index = self.catch_up()
            judgement = self._judge(self._restored_judge(), index, data)
            repeated = self._earlier_position(judgement)
            if repeated is not None:
                return repeated
            if judgement.standing is not Standing.ACCEPTED:
                raise StoreRefused(
                    f"the log would not accept this statement: {judgement.reason}",
                    hint="Nothing was written.",
                )
            check_again()
            is_stored = self._backend.put_if_absent(entry_path(index), data)
            if is_stored or self._read(index) == data:
                self._compare_with_memory(self._read_on())
                self._bundle_if_complete(index + 1)
                return index

    def _earlier_position(self, judgement: Judgement) -> int | None:
        earlier = self.index.find_statement(judgement.statement_id)
        return None if earlier is None else earlier.index

    def entry_bytes(self, index: int) -> bytes:
        """The exact bytes of an indexed entry, checked against its leaf.

        Raises:
            StoreDamaged: they are missing or were changed.
        """
        return self._hold(index, self._read(index))

    def _hold(self, index: int, data: bytes | None) -> bytes:
        indexed = self.index.entry(index)
        if data is None or indexed is None:
            raise StoreDamaged(
                f"entry {index} is missing at {self._backend.address}",
                hint="Restore it from a backup.",
            )
        if merkle.leaf_hash(data) != indexed.leaf:
            raise StoreDamaged(
                f"entry {index} at {self._backend.address} was changed after this "
                "machine read it",
                hint="Restore it from a backup and ask who can write there.",
            )
        return data

    def head(self) -> Head:
        """Size and root of everything indexed."""
        size = self.index.size
        return Head(size, self.index.root_at(size).hex())

    def verify(
        self,
        progress: Progress = _no_progress,
        *,
        start: int = 0,
        place: Backend | None = None,
    ) -> list[StoreError]:
        """Read every indexed entry again, and return what does not match its leaf.

        `start` is the first entry to read; bundles are compared in any case. `place`
        is where the store is read: by default itself, whatever is copied here.
        """
        problems: list[StoreError] = []
        again = place or self._source
        for entry in self.index.entries(start):
            if (entry.index - start) % _ENTRIES_READ_AHEAD == 0:
                _read_ahead(again, entry.index, self.index.size)
            path = entry_path(entry.index)
            try:
                self._hold(
                    entry.index, again.read(path, at_most=_LARGEST_GARBAGE_BYTES)
                )
            except StoreDamaged as problem:
                problems.append(problem)
            progress(entry.index + 1)
        return [
            *problems,
            *wrong_bundles(self._source, self._leaves),
            *written_over(self._source, self.index.entries),
        ]

    def _leaves(self, start: int, end: int) -> list[bytes]:
        return [entry.leaf for entry in self.index.entries(start, end)]

    def _read(self, index: int) -> bytes | None:
        return self._backend.read(entry_path(index), at_most=_LARGEST_GARBAGE_BYTES)

    def _read_source(self, index: int) -> bytes | None:
        """The entry as the store itself has it, whatever is kept on this machine."""
        return self._source.read(entry_path(index), at_most=_LARGEST_GARBAGE_BYTES)
