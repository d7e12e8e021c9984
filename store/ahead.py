"""Working one step ahead: what comes next is made while what came is used."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOKS_EVERY_SECONDS = 0.2


def ahead(items: Iterable[T], most: int = 1) -> Generator[T]:
    """The items, of which up to `most` more are made in a thread of their own.

    All of `items` runs in that one thread, its end too. What it raises is raised here.
    """
    line = _Line[T](items, most)
    try:
        yield from line.items()
    finally:
        line.leave()


class _Line(Generic[T]):
    """A queue between two threads that either may leave."""

    def __init__(self, items: Iterable[T], most: int) -> None:
        self._queue: Queue[tuple[T] | None] = Queue(most)
        self._is_left = threading.Event()
        self._is_done = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._make, args=(items,), daemon=True)
        self._thread.start()

    def items(self) -> Iterator[T]:
        """What was made, in its order."""
        while True:
            is_last = self._is_done.is_set()
            try:
                made = self._queue.get(not is_last, _LOOKS_EVERY_SECONDS)
            except Empty:
                if is_last:
                    break
                continue
            if made is None:
                break
            yield made[0]
        if self._problem is not None:
            raise self._problem

    def leave(self) -> None:
        """Have no more made, and wait until none is."""
        self._is_left.set()
        self._thread.join()

    def _make(self, items: Iterable[T]) -> None:
        try:
            for item in items:
                if not self._put(item):
                    break
            if isinstance(items, Generator):
                items.close()
        except BaseException as problem:
            self._problem = problem
        finally:
            self._is_done.set()
            # Wakes whoever waits for more; who finds the line full waits for nothing.
            with contextlib.suppress(Full):
                self._queue.put_nowait(None)

    def _put(self, item: T) -> bool:
        while not self._is_left.is_set():
            with contextlib.suppress(Full):
                self._queue.put((item,), timeout=_LOOKS_EVERY_SECONDS)
                return True
        return False
