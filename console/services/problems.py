"""What a use case cannot do, with the next step and the exit code it stands for.

Problem
├── Misuse      2: wrong arguments, malformed policy or configuration
├── Refusal     1: well formed, and the answer is no
└── Undecided   3: could not tell; a source, a version or a confirmed head could
"""

from __future__ import annotations

from connectors.errors import ConnectorError, ConnectorUnavailable, MalformedInput
from policies.errors import MalformedPolicy, PolicyError
from store.errors import (
    MalformedReference,
    NotAStore,
    StoreError,
    StoreUnavailable,
    UnknownReference,
)


class Problem(Exception):
    """The root of what the services raise themselves."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Misuse(Problem):
    """The question itself is wrong."""

    exit_code = 2


class Refusal(Problem):
    """No."""


class Undecided(Problem):
    """Cannot be told from here and now."""

    exit_code = 3


KNOWN_ERRORS = (Problem, StoreError, PolicyError, ConnectorError)
"""Everything that is told to a person in one line; anything else is a defect."""


def exit_code_of(error: BaseException) -> int:
    """The exit code that an error stands for."""
    if isinstance(error, Problem):
        return error.exit_code
    if isinstance(
        error,
        (
            MalformedReference,
            UnknownReference,
            NotAStore,
            MalformedPolicy,
            MalformedInput,
        ),
    ):
        return 2
    if isinstance(error, (StoreUnavailable, ConnectorUnavailable)):
        return 3
    return 1
