"""Where a store's bytes live: three operations that a folder or a bucket can honour.

Everything above speaks only this protocol: read a whole object, put one if nothing is
there yet, list names under a prefix. Paths are relative, with forward slashes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Protocol, runtime_checkable

from store.errors import NotAStore, StoreDamaged, StoreRefused, StoreUnavailable

_FIRST_READ_BYTES = 8 * 1024


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
            return None
        except OSError as cause:
            raise _unavailable(self.address, path, cause) from cause
        if len(data) > at_most:
            raise StoreDamaged(
                f"{path} in {self.address} is larger than {at_most} bytes",
                hint="Something other than countersign wrote it; look at that file.",
            )
        return data

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
        """Create the folder and prove that it honours put-if-absent.

        Raises:
            StoreRefused: the file system has no hard links or lets one be replaced.
            StoreUnavailable: the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise _unavailable(self.address, "", cause) from cause
        probe = f"tmp/probe-{secrets.token_hex(8)}"
        first = self.put_if_absent(probe, b"first")
        second = self.put_if_absent(probe, b"second")
        kept = self.read(probe, at_most=16)
        (self._folder / probe).unlink(missing_ok=True)
        if not first or second or kept != b"first":
            raise StoreRefused(
                f"{self.address} does not keep the first of two writes",
                hint="Use a file system with hard links, or an S3 bucket.",
            )


def open_backend(address: str) -> FolderBackend:
    """Return the backend that an address names, which must exist.

    Raises:
        NotAStore: nothing is there.
    """
    if "://" in address:
        raise NotAStore(
            f"{address}: only folders can hold a store in this version",
            hint="Give a folder: --store FOLDER.",
        )
    folder = Path(address).expanduser()
    if not (folder / "entry").is_dir():
        raise NotAStore(
            f"there is no store at {address}",
            hint=f"Create one: countersign init --store {address}",
        )
    return FolderBackend(folder)


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
