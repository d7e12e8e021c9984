"""`GET /healthz`: the server answers. It needs no key and tells no more."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web


def health_routes() -> Iterable[web.RouteDef]:
    """The route."""

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    return (web.get("/healthz", healthz),)
