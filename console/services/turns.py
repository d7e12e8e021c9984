"""One question to the store at a time, and none that waits for somebody outside.

DuckDB and SQLite connections are not shared between threads, so threads take turns. A
question that waits for the answer of a cluster gives way to the others meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from types import TracebackType


class Turn:
    """Held while the store is asked; whoever has it may take it again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0
        self._depth = 0
        """How often the holder took it."""

    def __enter__(self) -> None:
        if not self._is_own:
            self._lock.acquire()
            self._holder = threading.get_ident()
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self._holder = 0
            self._lock.release()

    @property
    def _is_own(self) -> bool:
        return self._holder == threading.get_ident()

    def locked(self) -> bool:
        """Whether somebody has it."""
        return self._lock.locked()

    @contextlib.contextmanager
    def given_way(self) -> Iterator[None]:
        """Let others have it for as long as this takes, if it is one's own."""
        if not self._is_own:
            yield
            return
        depth, self._depth, self._holder = self._depth, 0, 0
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
            self._holder, self._depth = threading.get_ident(), depth

    def sleep(self, seconds: float) -> None:
        """Wait, and let others have it meanwhile."""
        with self.given_way():
            time.sleep(seconds)
