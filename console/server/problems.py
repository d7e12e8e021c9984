"""Answers to requests that are not taken: JSON as RFC 9457 has it, never a stack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TYPE = "application/problem+json"


class RequestProblem(Exception):
    """A request that is not taken, with the status that says why."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}


@web.middleware
async def problems_as_json(
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Turn everything that goes wrong into an answer."""
    try:
        return await handler(request)
    except RequestProblem as problem:
        return _answer(problem.status, str(problem), problem.headers)
    except web.HTTPRequestEntityTooLarge:
        return _answer(413, "the body is larger than is taken here", {})
    except web.HTTPException as problem:
        allowed = problem.headers.get("Allow")
        return _answer(
            problem.status, problem.reason, {"Allow": allowed} if allowed else {}
        )


def _answer(status: int, detail: str, headers: dict[str, str]) -> web.Response:
    body = {"type": "about:blank", "status": status, "detail": detail}
    return web.json_response(body, status=status, headers=headers, content_type=_TYPE)
