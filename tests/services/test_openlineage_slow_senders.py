"""Senders that take their time: they keep no connection, and others are served."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from console.server import running
from console.server.health import health_routes
from console.server.patience import Patience

HEAD = b"GET /healthz HTTP/1.1\r\nHost: h\r\n"


@contextlib.asynccontextmanager
async def listening(seconds: float) -> AsyncIterator[int]:
    """The server without what drains it: only who connects matters here."""
    patience = Patience(seconds=seconds)
    application = running.make_application(health_routes(), None, patience)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()
    bound = await loop.create_server(
        lambda: patience.connection(server), "127.0.0.1", 0
    )
    try:
        yield bound.sockets[0].getsockname()[1]
    finally:
        bound.close()
        await runner.cleanup()


async def answered(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"\r\n")
    line = await reader.readline()
    writer.close()
    return b" 200 " in line


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, HEAD + b"X: 1\r\n"])
async def test_a_head_that_is_never_whole_ends_the_connection(sent: bytes) -> None:
    async with listening(0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await answered(port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_one_byte_after_the_other_does_not_win_time() -> None:
    async with listening(0.3) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def trickle() -> None:
            for byte in HEAD * 100:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        trickling.cancel()
        writer.close()


async def test_a_connection_kept_alive_has_the_time_anew_for_each_request() -> None:
    async with listening(0.4) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(4):
            writer.write(HEAD + b"\r\n")
            assert b" 200 " in await asyncio.wait_for(reader.readline(), 10)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            assert json.loads(await reader.readexactly(length)) == {"status": "ok"}
            await asyncio.sleep(0.2)
        writer.write(b"GET ")
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
