"""Bodies of requests: JSON alone, plain or gzip, bounded before and after inflating."""

from __future__ import annotations

import zlib

from aiohttp import web

from console.server.problems import RequestProblem

MOST_SENT_BYTES = 4 * 1024**2
MOST_INFLATED_BYTES = 16 * 1024**2
_GZIP = 16 + zlib.MAX_WBITS


async def json_body(request: web.Request) -> bytes:
    """The bytes of a JSON body.

    Raises:
        RequestProblem: another type or coding, too large, or damaged.
    """
    if request.content_type != "application/json":
        raise RequestProblem(415, "the Content-Type is not application/json")
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("gzip", "identity"):
        raise RequestProblem(415, "the Content-Encoding is neither gzip nor identity")
    body = await request.read()
    return _inflated(body) if coding == "gzip" else body


def _inflated(body: bytes) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    try:
        data = inflater.decompress(body, MOST_INFLATED_BYTES + 1)
    except zlib.error as cause:
        raise RequestProblem(400, "the body is not gzip") from cause
    if len(data) > MOST_INFLATED_BYTES:
        raise RequestProblem(413, "the body is larger than is taken here")
    if not inflater.eof or inflater.unused_data:
        raise RequestProblem(400, "the body is not one whole gzip stream")
    return data
