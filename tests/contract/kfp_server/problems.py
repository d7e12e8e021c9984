"""Refusals, in the form of google.rpc.Status, or in that of the upload routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

INVALID, NOT_FOUND, EXISTS, DENIED, BROKEN = 3, 5, 6, 7, 13
UNAVAILABLE, UNAUTHENTICATED, EXHAUSTED, UNIMPLEMENTED = 14, 16, 8, 12
ABORTED = 10
"""What the real one calls a bad request; the gateway makes a conflict of it."""
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
    ABORTED: 409,
}
_CALLED = {
    INVALID: "Invalid input error",
    NOT_FOUND: "ResourceNotFoundError",
    EXISTS: "Already exist error",
    BROKEN: "InternalServerError",
    ABORTED: "BadRequestError",
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
        kind = "type.googleapis.com/google.rpc.Status"
        told = {"@type": kind, "code": self.code, "message": self.message}
        return {"code": self.code, "message": self.said, "details": [told]}

    @property
    def said(self) -> str:
        """The message as the server has it in its log, which it tells too."""
        called = _CALLED.get(self.code)
        return f"{called}: {self.message}" if called else self.message

    def of_upload(self) -> tuple[int, dict[str, str]]:
        """Status and body where a file is uploaded, which no gateway makes: other
        refusals than of what was sent are those of the server itself, and of who may
        upload those of what was sent."""
        told = {"error_message": self.message, "error_details": self.said}
        if self.code in (INVALID, DENIED, UNAUTHENTICATED, NOT_FOUND):
            return 400, told
        return (409 if self.code == EXISTS else 500), told
