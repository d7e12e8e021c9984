"""A store in a folder: put-if-absent by link(2), everything fsynced."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from store.errors import StoreDamaged, StoreUnavailable

ENTRIES = "entry"
"""Folder of the log's entries: without it there is no store."""
GONE_HINT = "Is it mounted? Bring it back, or restore it from a backup."
_FIRST_READ_BYTES = 8 * 1024


class FolderBackend:
    """A store in a folder of a local or POSIX-complete network file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self._folder)

    def read(self, path: str, *, at_most: int) -> bytes | None:
        """See Backend.read."""
        try:
            with open(f"{self._folder}/{path}", "rb", buffering=0) as stream:
                data = _read_at_most(stream, at_most + 1)
        except (FileNotFoundError, NotADirectoryError):
            if path.startswith(f"{ENTRIES}/"):
                self._require_log()
            return None
        except OSError as cause:
            raise _unavailable(self.address, path, cause) from cause
        if len(data) > at_most:
            raise StoreDamaged(
                f"{path} in {self.address} is larger than {at_most} bytes",
                hint="Something other than countersign wrote it; look at that file.",
            )
        return data

    def _require_log(self) -> None:
        """An entry must be missing in a log, not with the whole of it.

        Raises:
            StoreUnavailable: the store is gone, as a folder is that was unmounted.
        """
        if not os.path.isdir(f"{self._folder}/{ENTRIES}"):
            raise StoreUnavailable(
                f"the store at {self.address} is not there any more", hint=GONE_HINT
            )

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """See Backend.put_if_absent: temporary file, fsync, link(2), fsync folder."""
        target = self._folder / path
        if target.exists():
            return False
        staging = self._folder / "tmp"
        temporary = staging / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            _make_folders(target.parent, self._folder)
            staging.mkdir(parents=True, exist_ok=True)
            with open(temporary, "xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            _sync_folder(target.parent)
        except OSError as cause:
            raise _unavailable(self.address, path, cause) from cause
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        return True

    def names(self, prefix: str) -> Iterator[str]:
        """See Backend.names."""
        root = str(self._folder)
        for folder, _, files in os.walk(os.path.join(root, prefix.rpartition("/")[0])):
            inside = os.path.relpath(folder, root)
            for name in files:
                path = name if inside == "." else f"{inside}/{name}"
                if path.startswith(prefix):
                    yield path

    def remove(self, path: str) -> None:
        """See CanRemove.remove."""
        target = self._folder / path
        try:
            target.unlink(missing_ok=True)
            if target.parent.is_dir():
                _sync_folder(target.parent)
        except OSError as cause:
            raise _unavailable(self.address, path, cause) from cause

    def prepare(self) -> None:
        """Create the folder.

        Raises:
            StoreUnavailable: it cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise _unavailable(self.address, "", cause) from cause


def _read_at_most(stream: FileIO, most: int) -> bytes:
    """Read to the end or to `most` bytes, without making room for all of those."""
    parts: list[bytes] = []
    size, room = 0, _FIRST_READ_BYTES
    while size < most and (part := stream.read(min(room, most - size))):
        parts.append(part)
        size, room = size + len(part), max(_FIRST_READ_BYTES, size)
    return b"".join(parts)


def _make_folders(folder: Path, root: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    current = folder
    while current != root and root in current.parents:
        _sync_folder(current.parent)
        current = current.parent


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(address: str, path: str, cause: OSError) -> StoreUnavailable:
    hints = {
        errno.ENOSPC: "Free some space; nothing was half-written.",
        errno.EDQUOT: "Your quota is used up; nothing was half-written.",
        errno.EACCES: "Check who may write to that folder.",
        errno.EROFS: "The file system is mounted read-only.",
    }
    place = f"{address}/{path}" if path else address
    return StoreUnavailable(
        f"{place}: {cause.strerror or cause}",
        hint=hints.get(cause.errno or 0, "Check the folder and try again."),
    )
