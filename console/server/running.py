"""The server from start to SIGTERM: it listens, and takes what came into the log."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from console.server.access import BearerKey, only_with
from console.server.bodies import MOST_SENT_BYTES
from console.server.patience import Patience
from console.server.problems import Handler, RequestProblem, problems_as_json
from console.services.draining import Drain
from console.services.polling import Polls
from console.services.problems import KNOWN_ERRORS

if TYPE_CHECKING:
    from console.services.pipelines.recorder import Recorder

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recording:
    """What records launches while the server listens, and how often."""

    recorder: Recorder
    every_seconds: float


TURN_SECONDS = 4.0
"""Between two looks at what waits for the log."""
SLOWEST_REQUEST_SECONDS = 30.0
_CLOSING_SECONDS = 10.0
_IDLE_SECONDS = 75.0
"""A connection may stay open between two requests."""
_BACKLOG = 1_024


def make_application(
    routes: Iterable[web.RouteDef], key: BearerKey | None, patience: Patience
) -> web.Application:
    """What answers requests: the routes behind the key, and problems as JSON."""
    guard: Any = only_with(key)
    noted: Any = patience.middleware()
    application = web.Application(
        middlewares=[noted, problems_as_json, guard, _not_forever],
        client_max_size=MOST_SENT_BYTES,
    )
    application.add_routes(routes)
    return application


async def serve(
    application: web.Application,
    patience: Patience,
    listen: tuple[str, int],
    drain: Drain,
    tell: Tell,
    polls: Polls | None = None,
    recording: Recording | None = None,
) -> None:
    """Listen until SIGTERM or SIGINT; then finish what was begun.

    Raises:
        OSError: the address cannot be listened on.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # aiohttp would inflate without a bound of ours.
    runner = web.AppRunner(
        application,
        access_log=None,
        auto_decompress=False,
        shutdown_timeout=_CLOSING_SECONDS,
        keepalive_timeout=_IDLE_SECONDS,
    )
    await runner.setup()
    listening: asyncio.Server | None = None
    try:
        server = runner.server
        if server is None:
            raise OSError("the server did not start")
        listening = await loop.create_server(
            lambda: patience.connection(server), *listen, backlog=_BACKLOG
        )
        host, port = listening.sockets[0].getsockname()[:2]
        tell(f"listening on {f'[{host}]' if ':' in host else host}:{port}")
        draining = asyncio.create_task(_drain_until(stopping, drain, tell, polls))
        keeping = asyncio.create_task(_record_until(stopping, recording, tell))
        await stopping.wait()
    finally:
        if listening is not None:
            listening.close()
        await runner.cleanup()
    await draining
    await keeping
    await asyncio.to_thread(_turns, drain, tell)


async def _drain_until(
    stopping: asyncio.Event, drain: Drain, tell: Tell, polls: Polls | None
) -> None:
    while not stopping.is_set():
        await asyncio.to_thread(_turns, drain, tell)
        if polls is not None and not stopping.is_set():
            await asyncio.to_thread(polls.turn, tell)
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await stopping.wait()
        except TimeoutError:
            continue


async def _record_until(
    stopping: asyncio.Event, recording: Recording | None, tell: Tell
) -> None:
    """Record launches, apart from what is received: a cluster may be slow to answer."""
    if recording is None:
        return
    while not stopping.is_set():
        turn = asyncio.create_task(asyncio.to_thread(recording.recorder.turn, tell))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait((turn, stopped), return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            recording.recorder.stop()
        stopped.cancel()
        more = await turn
        try:
            pause = min(recording.every_seconds, TURN_SECONDS if more else math.inf)
            async with asyncio.timeout(pause):
                await stopping.wait()
        except TimeoutError:
            continue


def _turns(drain: Drain, tell: Tell) -> None:
    """Take out everything that waits, or tell why it has to wait on."""
    try:
        while (drained := drain.turn()).events:
            where = "nothing new" if drained.index is None else f"entry {drained.index}"
            tell(f"{drained.events} events: {where}")
    except KNOWN_ERRORS as problem:
        tell(f"what came waits: {problem}")
    except OSError as problem:
        tell(f"what came waits: {problem.strerror or problem}")


@web.middleware
async def _not_forever(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        async with asyncio.timeout(SLOWEST_REQUEST_SECONDS):
            return await handler(request)
    except TimeoutError as cause:
        raise RequestProblem(408, "the request took too long") from cause
