"""How long a sender may take to say what it wants, before anything else is asked of it.

aiohttp waits for a request's head without end; whoever sends one byte a minute would
hold a connection for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from console.server.problems import Handler

SLOWEST_HEAD_SECONDS = 10.0
"""From the first byte of a request, or from connecting, to the end of its head."""


class Patience:
    """Hands out connections that end when a head is not whole in time."""

    def __init__(self, *, seconds: float = SLOWEST_HEAD_SECONDS) -> None:
        self._seconds = seconds
        self._connections: dict[asyncio.BaseProtocol, _Connection] = {}

    def connection(self, server: web.Server) -> asyncio.Protocol:
        """A protocol for one connection to a server."""
        protocol = server()
        connection = _Connection(protocol, self._seconds, self._connections.pop)
        self._connections[protocol] = connection
        return connection

    def middleware(self) -> object:
        """A middleware that notes when a head was whole and when its answer is done."""

        @web.middleware
        async def noted(request: web.Request, handler: Handler) -> web.StreamResponse:
            connection = self._connections.get(request.protocol)
            if connection is None:
                return await handler(request)
            connection.head_is_whole()
            try:
                return await handler(request)
            finally:
                connection.waits_for_next()

        return noted


class _Connection(asyncio.Protocol):
    """Passes everything on, and keeps the time between requests."""

    def __init__(
        self,
        inner: asyncio.Protocol,
        seconds: float,
        forget: Callable[[asyncio.BaseProtocol, None], object],
    ) -> None:
        self._inner = inner
        self._seconds = seconds
        self._forget = forget
        self._transport: asyncio.BaseTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_waiting = False

    def head_is_whole(self) -> None:
        """Stop the time: a handler has the request."""
        self._is_waiting = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def waits_for_next(self) -> None:
        """Start the time with the next byte that comes."""
        self._is_waiting = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport
        self._start()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._is_waiting:
            self._is_waiting = False
            self._start()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._inner.resume_writing()

    def connection_lost(self, problem: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.head_is_whole()
        self._forget(self._inner, None)
        self._inner.connection_lost(problem)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._seconds, self._give_up)

    def _give_up(self) -> None:
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()
