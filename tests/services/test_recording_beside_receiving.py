"""What records launches runs apart from what takes events into the log."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import cast

from console.server.running import Recording, _drain_until, _record_until
from console.services.draining import Drain, Drained
from console.services.pipelines.recorder import Recorder

PATIENCE_SECONDS = 20.0


class Stuck:
    """A recorder whose cluster answers only once the server is stopped."""

    def __init__(self) -> None:
        self.is_asking, self._is_stopped = threading.Event(), threading.Event()
        self.turns = 0

    def turn(self, tell: Callable[[str], None]) -> bool:
        self.turns += 1
        self.is_asking.set()
        assert self._is_stopped.wait(PATIENCE_SECONDS)
        return True

    def stop(self) -> None:
        self._is_stopped.set()


class Emptying:
    """A spool that is looked at."""

    def __init__(self) -> None:
        self.is_looked_at = threading.Event()

    def turn(self) -> Drained:
        self.is_looked_at.set()
        return Drained(0, None)


async def test_a_cluster_that_does_not_answer_keeps_no_event_from_the_log() -> None:
    stuck, emptying, stopping = Stuck(), Emptying(), asyncio.Event()
    recording = Recording(cast(Recorder, stuck), every_seconds=60)
    keeping = asyncio.create_task(_record_until(stopping, recording, print))
    assert await asyncio.to_thread(stuck.is_asking.wait, PATIENCE_SECONDS)
    draining = asyncio.create_task(
        _drain_until(stopping, cast(Drain, emptying), print, None)
    )
    assert await asyncio.to_thread(emptying.is_looked_at.wait, PATIENCE_SECONDS)
    assert not keeping.done()
    stopping.set()
    await asyncio.wait_for(asyncio.gather(keeping, draining), PATIENCE_SECONDS)
    assert stuck.turns == 1


async def test_without_being_asked_to_nothing_is_recorded() -> None:
    await asyncio.wait_for(_record_until(asyncio.Event(), None, print), 1)
