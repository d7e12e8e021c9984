"""How the server misbehaves when a test wants it to."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum, auto


class Fault(StrEnum):
    """What happens to one request."""

    RESET = auto()
    """The connection breaks before the request is carried out."""
    LOSE_ANSWER = auto()
    """The request is carried out, and the connection breaks before the answer."""
    CUT_BODY = auto()
    """The request is carried out; half of the answer arrives."""
    BROKEN_AFTER = auto()
    """The request is carried out, and a gateway answers 502 for it."""
    TOO_MANY = auto()
    """429 with Retry-After."""
    BROKEN = auto()
    """500 as a google.rpc.Status; nothing is carried out."""
    UNAVAILABLE = auto()
    EXPIRED_TOKEN = auto()
    """401 once; the next request is let in."""
    FORBIDDEN = auto()
    """403: it may not be done."""
    LOG_IN = auto()
    """302 to where people log in."""
    NOT_JSON = auto()
    """200, with a page of a proxy; nothing is carried out."""


AFTER_THE_EFFECT = (Fault.LOSE_ANSWER, Fault.CUT_BODY, Fault.BROKEN_AFTER)


@dataclass
class Faults:
    """Switches, and what is in store for the next requests."""

    is_down: bool = False
    delays: dict[str, float] = field(default_factory=dict)
    """How long the answers of an operation take, in seconds."""
    retry_after_seconds: int = 1
    pending: list[tuple[str, Fault]] = field(default_factory=list)
    """Operation (`create run`, `list runs` ... or `*`) and fault, for one request."""
    always: dict[str, Fault] = field(default_factory=dict)
    """Faults of every request of an operation."""
    seen: list[str] = field(default_factory=list)
    """The operation of every request."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, operation: str) -> Fault | None:
        """What is to happen to this request."""
        with self.lock:
            self.seen.append(operation)
            for position, (wanted, fault) in enumerate(self.pending):
                if wanted in (operation, "*"):
                    del self.pending[position]
                    return fault
            return self.always.get(operation)
