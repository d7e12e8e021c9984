"""What can go wrong when deciding, each with the next step for a person.

PolicyError
├── MalformedStatement   bytes that are no valid envelope, statement or document
├── MalformedPolicy      a policy that cannot be read: file, line, what is wrong
│   └── UnknownSelection   which policy decides is not known
└── Refused              well formed, and not allowed
"""

from __future__ import annotations


class PolicyError(Exception):
    """The root of every error of this package; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class MalformedStatement(PolicyError):
    """The bytes are not what they claim to be."""


class MalformedPolicy(PolicyError):
    """A policy document that cannot be used.

    `path` and `line` say where, when that is known; the message repeats them.
    """

    def __init__(
        self, message: str, *, path: str = "", line: int = 0, hint: str = ""
    ) -> None:
        place = f"{path}:{line}: " if path and line else f"{path}: " if path else ""
        super().__init__(place + message, hint=hint)
        self.path = path
        self.line = line


class UnknownSelection(MalformedPolicy):
    """Which policy decides turns on something that the log does not say."""


class Refused(PolicyError):
    """The statement is well formed and its signer may not make it."""
