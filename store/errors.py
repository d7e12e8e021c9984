"""What can go wrong in the store, each with the next step for a person.

StoreError
├── StoreUnavailable      transient: a lock held, a folder that does not answer
├── StoreRefused          terminal: the request can never succeed as it stands
│   ├── StoreForbidden    these credentials may not do this there
│   ├── NotAStore         nothing recognisable at that address
│   ├── UnknownReference  no object, or several, answer to that name
│   └── MalformedReference
├── StoreDamaged          what is stored contradicts itself or a remembered head
├── MalformedWire         bytes that are not in SSH's encoding
└── MalformedCommit       bytes that no honest git commit has
"""

from __future__ import annotations


class StoreError(Exception):
    """The root of every error of this package; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class StoreUnavailable(StoreError):
    """The store could not be reached now; the same call may succeed later."""


class StoreRefused(StoreError):
    """The store will not do this, now or later."""


class StoreForbidden(StoreRefused):
    """Whoever asks may not do this there."""


class NotAStore(StoreRefused):
    """The address holds no store."""


class MalformedReference(StoreRefused):
    """The text is not in the reference syntax."""


class UnknownReference(StoreRefused):
    """Nothing, or more than one thing, answers to the reference."""

    def __init__(
        self, message: str, *, candidates: tuple[str, ...] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates
        """The nearest references that do exist, best first."""


class StoreDamaged(StoreError):
    """Stored bytes contradict their digest, their index or a remembered head."""


class MalformedWire(StoreError):
    """The bytes are no key or signature in SSH's encoding."""


class MalformedCommit(StoreError):
    """The bytes are no git commit, or another than they are said to be."""
