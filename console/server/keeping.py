"""Keeping events on the disk before anybody is answered, many requests at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from console.server.problems import RequestProblem
from console.services.opened import Clock
from console.services.spool import Spool, SpoolFull
from store.errors import StoreUnavailable

Rows = Sequence[bytes]
MOST_PENDING = 1_024
"""Requests that may wait for the disk; more are told to come again."""
MOST_PENDING_BYTES = 256 * 1024**2
"""Of events that may wait for the disk in memory."""
_RETRY_SECONDS = "10"


class Keeper:
    """One writer: what came while it wrote goes into its next transaction."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock
        self._pending: list[tuple[Rows, asyncio.Future[None]]] = []
        self._pending_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "spool")

    async def keep(self, rows: Rows) -> None:
        """Return once the events are on the disk.

        Raises:
            RequestProblem: too many wait, or the disk takes nothing now.
        """
        size = sum(map(len, rows))
        is_full = self._pending_bytes > 0 and (
            self._pending_bytes + size > MOST_PENDING_BYTES
        )
        if is_full or len(self._pending) >= MOST_PENDING:
            raise RequestProblem(429, "too many requests at once", Retry_After="1")
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((rows, kept))
        self._pending_bytes += size
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        try:
            await kept
        except SpoolFull as cause:
            raise RequestProblem(503, str(cause), Retry_After=_RETRY_SECONDS) from cause
        except StoreUnavailable as cause:
            raise RequestProblem(
                503, "nothing can be kept now", Retry_After=_RETRY_SECONDS
            ) from cause

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            group, self._pending = self._pending, []
            rows = [row for some, _ in group for row in some]
            self._pending_bytes = 0
            problem: Exception | None = None
            try:
                await loop.run_in_executor(self._thread, self._add, rows, self._clock())
            except Exception as cause:
                problem = cause
            for _, kept in group:
                if kept.done():
                    continue
                if problem is None:
                    kept.set_result(None)
                else:
                    kept.set_exception(problem)

    def _add(self, rows: Rows, now: datetime) -> None:
        self._spool.add(rows, now)
