"""How the server misbehaves when a test wants it to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum, auto

from tests.contract.kubernetes_server.objects import Object
from tests.contract.kubernetes_server.problems import ApiError


class Fault(StrEnum):
    """What happens to one request."""

    RESET = auto()
    """The connection breaks before the request is carried out."""
    LOSE_ANSWER = auto()
    """The request is carried out, and the connection breaks before the answer."""
    CUT_BODY = auto()
    """The request is carried out; half of the answer arrives."""
    TOO_MANY = auto()
    """429 with Retry-After."""
    BROKEN = auto()
    UNAVAILABLE = auto()
    TIMEOUT = auto()
    EXPIRED_TOKEN = auto()
    NOT_JSON = auto()
    """200, with a page of a proxy."""
    GONE = auto()
    """A watch or a page is told 410, as the status of the answer."""
    GONE_EVENT = auto()
    """A watch is told 410, as an event."""


@dataclass
class Faults:
    """Switches and what is in store for the next requests."""

    is_down: bool = False
    delay_seconds: float = 0.0
    retry_after_seconds: int = 1
    pending: list[tuple[str, Fault]] = field(default_factory=list)
    """Verb (`create`, `watch` ... or `*`) and fault, each for one request, in order."""
    cuts_watch_after: int = 0
    """A watch breaks off in the middle of the event after this many; 0: never."""
    duplicates_events: bool = False
    reorders_events: bool = False
    drops_bookmarks: bool = False
    seen: list[str] = field(default_factory=list)
    """Verb and resource of every request."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, verb: str) -> Fault | None:
        """What is to happen to this request."""
        with self.lock:
            if self.pending and self.pending[0][0] in (verb, "*"):
                return self.pending.pop(0)[1]
        return None

    def refusal(self, fault: Fault | None) -> ApiError | None:
        """The error that a fault answers with, if it answers with one."""
        match fault:
            case Fault.TOO_MANY:
                message = "The server has received too many requests and has asked us"
                return ApiError(
                    429,
                    f"{message} to try again later",
                    retry_after_seconds=self.retry_after_seconds,
                )
            case Fault.BROKEN:
                return ApiError(500, "Internal error occurred: etcdserver: no leader")
            case Fault.UNAVAILABLE:
                message = "the server is currently unable to handle the request"
                return ApiError(503, message)
            case Fault.TIMEOUT:
                return ApiError(504, "Timeout: request did not complete in time")
            case Fault.EXPIRED_TOKEN:
                return ApiError(401, "Unauthorized")
            case Fault.GONE:
                return ApiError(410, "too old resource version: 1 (1000)")
        return None

    def told(self, events: list[Object]) -> Iterator[Object]:
        """The events of one batch, as a bad network or server tells them."""
        if self.reorders_events:
            events = events[::-1]
        for event in events:
            if self.drops_bookmarks and event["type"] == "BOOKMARK":
                continue
            yield event
            if self.duplicates_events:
                yield event
