"""Files with data, wherever they lie: listed, and opened together with their digest.

A path is relative to the place, with `/` between its steps, and never leads out of it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from connectors.artifacts import open_below
from connectors.errors import ConnectorUnavailable, MalformedInput

MOST_FILES = 100_000
"""In one folder."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a place promises to keep bytes, and how firmly."""

    mode: str
    until: datetime


@dataclass(frozen=True, slots=True)
class HashedFile:
    """What the bytes of a file were found to be."""

    sha256: str
    size: int
    location: str
    """Where it is, as others may be told."""
    version: str = ""
    """What the place calls this version of the bytes, if it keeps versions."""
    retention: Retention | None = None
    has_legal_hold: bool = False


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file whose bytes were hashed; the stream stands at its beginning."""

    stream: BinaryIO
    hashed: HashedFile


class FileMissing(ConnectorUnavailable):
    """The file that was named is not there."""


class DataFiles(Protocol):
    """A place with files: a folder, or a part of a bucket."""

    def location(self) -> str:
        """Where it is, as others may be told; empty if only this machine knows."""
        ...

    def names(self, folder: str = "") -> list[str]:
        """Names of the files directly in a folder, sorted; empty if it is not there.

        Raises:
            ConnectorError: it cannot be listed, or holds too many.
        """
        ...

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders directly in a folder, sorted.

        Raises:
            ConnectorError: it cannot be listed, or holds too many.
        """
        ...

    def opened(self, path: str) -> AbstractContextManager[OpenedFile]:
        """Open one file and hash it.

        Raises:
            FileMissing: there is none.
            ConnectorError: it is not there or cannot be read whole.
        """
        ...


class LocalFiles:
    """A folder of this machine; links are left out and never followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def location(self) -> str:
        """See DataFiles.location."""
        return ""

    def names(self, folder: str = "") -> list[str]:
        """See DataFiles.names."""
        return [path.name for path in self._children(folder) if path.is_file()]

    def folders(self, folder: str = "") -> list[str]:
        """See DataFiles.folders."""
        return [path.name for path in self._children(folder) if path.is_dir()]

    def _children(self, folder: str) -> Iterator[Path]:
        place = self._root.joinpath(*steps_of(folder))
        try:
            found = sorted(p for p in place.iterdir() if not p.is_symlink())
        except FileNotFoundError:
            return
        except OSError as cause:
            raise ConnectorUnavailable(
                f"cannot list {place}: {cause.strerror}"
            ) from cause
        if len(found) > MOST_FILES:
            raise MalformedInput(f"{place} holds more than {MOST_FILES} files")
        yield from found

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[OpenedFile]:
        """See DataFiles.opened."""
        self._check(path)
        with open_below(self._root, path) as stream:
            try:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as cause:
                raise ConnectorUnavailable(
                    f"cannot read {path!r}: {cause.strerror}"
                ) from cause
            size = stream.tell()
            stream.seek(0)
            yield OpenedFile(stream, HashedFile(digest, size, as_unicode(path)))

    def _check(self, path: str) -> None:
        """Say what is the matter with a path; opening it guards against a race."""
        place = self._root
        for step in steps_of(path):
            place = place / step
            if place.is_symlink():
                raise MalformedInput(
                    f"{path!r:.200} is, or leads over, a symbolic link",
                    hint="The bytes of data must lie in their own folder.",
                )
        if not place.exists():
            raise FileMissing(f"{path!r:.200} is not there")
        if not place.is_file():
            raise MalformedInput(f"{path!r:.200} is no regular file")


def read_whole(files: DataFiles, path: str, *, at_most: int) -> bytes:
    """One file of bounded size.

    Raises:
        MalformedInput: it is larger.
        ConnectorError: it cannot be read.
    """
    with files.opened(path) as file:
        if file.hashed.size > at_most:
            raise MalformedInput(f"{path} is larger than {at_most} bytes")
        return file.stream.read()


def steps_of(path: str) -> tuple[str, ...]:
    """The steps of a relative path.

    Raises:
        MalformedInput: it leads out of its place, or is none.
    """
    steps = tuple(step for step in path.split("/") if step)
    if path.startswith("/") or "\x00" in path or any(s in (".", "..") for s in steps):
        raise MalformedInput(f"{path!r:.200} leads out of the folder of the table")
    return steps


def path_below(place: str, address: str) -> str:
    """The path of a file, given by its whole address, below a place.

    Both may be URLs or plain absolute paths; `s3a:` and `s3n:` are `s3:`.

    Raises:
        MalformedInput: the file is not below it.
    """
    within, whole = _split(place), _split(address)
    top = within[1].rstrip("/") + "/"
    if within[0] != whole[0] or not whole[1].startswith(top):
        raise MalformedInput(
            f"{address!r:.200} lies outside of the table at {place!r:.200}"
        )
    return "/".join(steps_of(whole[1][len(top) :]))


def _split(address: str) -> tuple[str, str]:
    """What comes before the path of an address, and its path."""
    if address.startswith("/"):
        return "file://", address
    scheme, found, rest = address.partition(":")
    if not found or "\x00" in address:
        raise MalformedInput(f"{address!r:.200} is no address of a file")
    scheme = {"s3a": "s3", "s3n": "s3"}.get(scheme, scheme)
    if scheme == "file":
        try:
            parts = urlsplit(address)
        except ValueError as cause:
            raise MalformedInput(f"{address!r:.200} is no address") from cause
        return f"file://{parts.netloc}", unquote(parts.path)
    host, _, path = rest.removeprefix("//").partition("/")
    return f"{scheme}://{host}", "/" + path


def as_unicode(name: str) -> str:
    """A file name as text that every reader takes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
