"""Routes for OpenLineage 2-0-2: one event, or a list of them.

Of a list, the events that are of use are kept, and the answer tells which are not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from connectors.errors import MalformedInput
from connectors.openlineage_received import Reception, listed_events
from console.server.bodies import json_body
from console.server.keeping import Keeper
from console.server.problems import RequestProblem

MOST_EVENTS = 10_000
"""In one list."""
_LARGE_BYTES = 64 * 1024
"""From here on a body is read beside the loop, so that others are answered."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a body holds: events to be kept, and by position why others are not."""

    rows: list[bytes]
    refused: dict[int, str]


Reader = Callable[[bytes], Found]


def lineage_routes(keeper: Keeper) -> Iterable[web.RouteDef]:
    """The routes, with where their events are kept."""

    reception = Reception()

    def one_event(body: bytes) -> Found:
        return Found([reception.accepted_event(body)], {})

    def list_of_events(body: bytes) -> Found:
        return _list_of_events(body, reception)

    async def one(request: web.Request) -> web.Response:
        return await _take(request, keeper, one_event)

    async def many(request: web.Request) -> web.Response:
        return await _take(request, keeper, list_of_events)

    return (
        web.post("/api/v1/lineage", one),
        web.post("/api/v1/lineage/batch", many),
    )


async def _take(request: web.Request, keeper: Keeper, read: Reader) -> web.Response:
    body = await json_body(request)
    try:
        found = (
            await asyncio.to_thread(read, body)
            if len(body) > _LARGE_BYTES
            else read(body)
        )
    except MalformedInput as problem:
        raise RequestProblem(400, str(problem)) from problem
    if found.rows:
        await keeper.keep(found.rows)
    if found.refused:
        return web.json_response(_partly(found))
    return web.Response(status=201)


def _list_of_events(body: bytes, reception: Reception) -> Found:
    events = listed_events(body)
    if len(events) > MOST_EVENTS:
        raise MalformedInput(f"the list holds more than {MOST_EVENTS} events")
    found = Found([], {})
    for position, event in enumerate(events):
        try:
            found.rows.append(reception.accepted_event(event))
        except MalformedInput as problem:
            found.refused[position] = str(problem)
    if found.refused and not found.rows:
        position, why = next(iter(found.refused.items()))
        raise MalformedInput(f"no event can be taken; event {position}: {why}")
    return found


def _partly(found: Found) -> dict[str, object]:
    """What OpenLineage answers when some events of a list were refused."""
    failed = len(found.refused)
    return {
        "status": "partial_success",
        "summary": {
            "received": len(found.rows) + failed,
            "successful": len(found.rows),
            "failed": failed,
            "retriable": 0,
            "non_retriable": failed,
        },
        "failed_events": [
            {"index": position, "reason": why, "retriable": False}
            for position, why in found.refused.items()
        ],
    }
