"""Content-addressed objects: evidence, policies, roots, review texts, batches."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator

from store.backend import Backend, object_path
from store.errors import StoreDamaged

LARGEST_OBJECT_BYTES = 4 * 1024**3
_HEX_DIGEST = re.compile("[0-9a-f]{64}")


def sha256_hex(data: bytes) -> str:
    """SHA-256 of bytes, in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def is_sha256_hex(text: str) -> bool:
    """Whether text is 64 lower-case hex digits."""
    return _HEX_DIGEST.fullmatch(text) is not None


class Objects:
    """The objects of one store, checked against their name at every reading."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._known: dict[str, bytes] | None = None

    @contextlib.contextmanager
    def remembering(self) -> Iterator[None]:
        """Within, each object is read and hashed once, and kept in memory.

        For a report that holds them all anyway; a decision reads them every time.
        """
        self._known = {}
        try:
            yield
        finally:
            self._known = None

    def put(self, data: bytes) -> str:
        """Store bytes and return their SHA-256 in hex; storing twice is harmless."""
        digest = sha256_hex(data)
        path = object_path(digest)
        if not self._backend.put_if_absent(path, data) and self.get(digest) != data:
            raise _damaged(digest)
        return digest

    def find(self, digest: str, *, at_most: int = LARGEST_OBJECT_BYTES) -> bytes | None:
        """Bytes by digest, or None when they are not there.

        Raises:
            StoreDamaged: the bytes there have another digest.
        """
        if not is_sha256_hex(digest):
            return None
        if self._known is not None and digest in self._known:
            return self._known[digest]
        data = self._backend.read(object_path(digest), at_most=at_most)
        if data is not None and sha256_hex(data) != digest:
            raise _damaged(digest)
        if self._known is not None and data is not None:
            self._known[digest] = data
        return data

    def get(self, digest: str, *, at_most: int = LARGEST_OBJECT_BYTES) -> bytes:
        """Bytes by digest.

        Raises:
            StoreDamaged: they are missing, or have another digest.
        """
        data = self.find(digest, at_most=at_most)
        if data is None:
            raise StoreDamaged(
                f"object {digest} is missing",
                hint="Restore it from a backup; its digest proves it is the right one.",
            )
        return data


def _damaged(digest: str) -> StoreDamaged:
    return StoreDamaged(
        f"object {digest} does not have the content its name promises",
        hint="Restore it from a backup; its digest proves it is the right one.",
    )
