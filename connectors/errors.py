"""What can go wrong outside, each with the next step for a person.

ConnectorError
├── ConnectorUnavailable   transient: no answer, a time-out, a server error
├── ConnectorRefused       terminal: not allowed, not found, not supported
└── MalformedInput         what is there is not what the connector reads
"""

from __future__ import annotations


class ConnectorError(Exception):
    """The root of every error of this package; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConnectorUnavailable(ConnectorError):
    """No answer now; the same call may succeed later."""


class ConnectorRefused(ConnectorError):
    """The other side will not do this, now or later."""


class MalformedInput(ConnectorError):
    """The file, folder or answer is not in a form that is read here."""
