"""Where a store's bytes live: three operations that a folder or a bucket can honour.

Everything above speaks only this protocol: read a whole object, put one if nothing is
there yet, list names under a prefix. Paths are relative, with forward slashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable


class Backend(Protocol):
    """A place that keeps bytes under names and never overwrites them."""

    @property
    def address(self) -> str:
        """How a person names this place."""
        ...

    def read(self, path: str, *, at_most: int) -> bytes | None:
        """Whole content, or None when nothing is there.

        Raises:
            StoreUnavailable: the place did not answer.
            StoreDamaged: more than `at_most` bytes are there.
        """
        ...

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Store durably unless something is there already; say whether it was stored.

        Raises:
            StoreUnavailable: the place did not answer or is full.
        """
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """Paths that begin with `prefix`, in no particular order."""
        ...


@runtime_checkable
class CanRemove(Protocol):
    """A place from which an erased object can be taken."""

    def remove(self, path: str) -> None:
        """Take something away; nothing happens if it is not there.

        Raises:
            StoreUnavailable: the place did not answer or does not allow it.
        """
        ...


@runtime_checkable
class Copying(Protocol):
    """A place that answers from a copy on this machine."""

    @property
    def source(self) -> Backend:
        """The place itself."""
        ...

    def forget(self, path: str) -> None:
        """Let the copy of something go."""
        ...


def source_of(backend: Backend) -> Backend:
    """The place itself, where `backend` answers from a copy of it on this machine."""
    return backend.source if isinstance(backend, Copying) else backend


def padded_index(index: int) -> str:
    """Path of a number as in C2SP tlog-tiles: 1234067 is `x001/x234/067`."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def entry_path(index: int) -> str:
    """Path of the log entry at `index`."""
    return f"entry/{padded_index(index)}"


def checkpoint_path(size: int) -> str:
    """Path of the signed head over `size` entries."""
    return f"checkpoint/{padded_index(size)}"


def cosigned_path(size: int, key_hash: bytes) -> str:
    """Path of a witness's cosigned head over `size` entries."""
    return f"{checkpoint_path(size)}.{key_hash.hex()}"


def numbered(path: str, prefix: str) -> int | None:
    """The number that a padded path under `prefix` spells, if it spells one."""
    digits = path.removeprefix(prefix).replace("/", "").replace("x", "")
    if not 3 <= len(digits) <= 15 or not (digits.isascii() and digits.isdigit()):
        return None
    number = int(digits)
    return number if prefix + padded_index(number) == path else None


def object_path(digest: str) -> str:
    """Path of an object by its SHA-256 in hex."""
    return f"object/{digest[:2]}/{digest}"
