"""Refusals, in the form of google.rpc.Status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

INVALID, NOT_FOUND, EXISTS, DENIED, BROKEN = 3, 5, 6, 7, 13
UNAVAILABLE, UNAUTHENTICATED, EXHAUSTED, UNIMPLEMENTED = 14, 16, 8, 12
_HTTP = {
    INVALID: 400,
    NOT_FOUND: 404,
    EXISTS: 409,
    DENIED: 403,
    BROKEN: 500,
    UNAVAILABLE: 503,
    UNAUTHENTICATED: 401,
    EXHAUSTED: 429,
    UNIMPLEMENTED: 501,
}


@dataclass
class ApiError(Exception):
    """An answer other than yes."""

    code: int
    message: str

    @property
    def http_status(self) -> int:
        """What a gateway makes of the code."""
        return _HTTP[self.code]

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"code": self.code, "message": self.message, "details": []}
