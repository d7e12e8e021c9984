"""A copy, on this machine, of what was read from a remote store.

Entries and objects never change, so what was read once need not be read again, and
reading goes on while the store does not answer. Callers hold every entry against its
leaf and every object against its digest, wherever the bytes came from.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from store.backend import Backend, CanRemove, HoldsConnections
from store.errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

LARGEST_COPY_BYTES = 64 * 1024**2
READERS = 16
_COPIED = ("entry/", "object/", "bundle/")


class CachedBackend:
    """A remote place, with a copy of what was read from it."""

    def __init__(self, source: Backend, folder: Path) -> None:
        self.source = source
        self._folder = folder

    @property
    def address(self) -> str:
        """See Backend."""
        return self.source.address

    def read(self, path: str, *, at_most: int) -> bytes | None:
        """See Backend.read; from the copy where it has it."""
        if not path.startswith(_COPIED):
            return self.source.read(path, at_most=at_most)
        copy = self._folder / path
        with contextlib.suppress(OSError):
            if copy.stat().st_size <= at_most:
                return copy.read_bytes()
        data = self.source.read(path, at_most=at_most)
        if data is not None:
            self._keep(path, data)
        return data

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """See Backend.put_if_absent."""
        is_stored = self.source.put_if_absent(path, data)
        if is_stored and path.startswith(_COPIED):
            self._keep(path, data)
        return is_stored

    def names(self, prefix: str) -> Iterator[str]:
        """See Backend.names."""
        return self.source.names(prefix)

    def remove(self, path: str) -> None:
        """See CanRemove.remove; the copy goes too."""
        self.forget(path)
        if not isinstance(self.source, CanRemove):
            raise StoreUnavailable(f"{self.address} removes nothing")
        self.source.remove(path)

    def has_copy(self, path: str) -> bool:
        """See Copying."""
        return (self._folder / path).is_file()

    def read_ahead(self, paths: Sequence[str], *, at_most: int) -> None:
        """See Copying. A failure is left for the read that needs the thing."""

        def fetch(path: str) -> None:
            with contextlib.suppress(StoreError):
                self.read(path, at_most=at_most)

        for _ in self._readers.map(fetch, paths):
            """Until all have been tried."""

    def close(self) -> None:
        """See HoldsConnections."""
        readers = self.__dict__.pop("_readers", None)
        if readers is not None:
            readers.shutdown()
        if isinstance(self.source, HoldsConnections):
            self.source.close()

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(READERS)

    def forget(self, path: str) -> None:
        """Let the copy of something go."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / path).unlink()

    def _keep(self, path: str, data: bytes) -> None:
        """Copy durably enough: whole or not at all. A full disk costs only speed."""
        if len(data) > LARGEST_COPY_BYTES:
            return
        target = self._folder / path
        aside = target.with_name(f".{os.getpid()}-{secrets.token_hex(4)}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(data)
            aside.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                aside.unlink()
