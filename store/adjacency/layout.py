"""The file: a header that says what it was made of, then arrays one behind the other.

It is written aside, its time of change set to what the header says, and renamed into
place. Whoever opens it compares that time: a file that was written to since is read
whole and held against its digests before anything in it is believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from store.projection.schema import SCHEMA_VERSION

MAGIC = b"countersign adjacency 1\n"
_HEADER_BYTES = 8192
_ALIGNMENT = 64
_READ_AT_ONCE = 1 << 22


class AdjacencyDamaged(Exception):
    """The file is none, of another version, or not what was written."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a file was made of."""

    projection: str
    """Id of the projection: its rows never change, and another one has another id."""
    applied: int
    """It holds what entries before this one brought."""
    root: str
    """Merkle root of the log up to there, hex."""


@dataclass(frozen=True, slots=True)
class Section:
    """Where an array lies, and the SHA-256 (hex) of its bytes."""

    offset: int
    length: int
    digest: str


@dataclass(slots=True)
class _Written:
    """An array that is being written, from its beginning to its end."""

    offset: int
    length: int
    position: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)


class Writer:
    """Writes a file aside; arrays may grow side by side."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
        self._end = _HEADER_BYTES
        self._sections: dict[str, _Written] = {}

    def reserve(self, name: str, length: int) -> None:
        """Make room for an array of so many bytes."""
        self._sections[name] = _Written(self._end, length)
        self._end += -(-length // _ALIGNMENT) * _ALIGNMENT

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Put the next bytes of an array."""
        section, view = self._sections[name], memoryview(data).cast("B")
        section.digest.update(view)
        while view:
            done = os.pwrite(self._file, view, section.offset + section.position)
            section.position += done
            view = view[done:]

    def finish(self, made: Made) -> None:
        """Write the header; afterwards the file may be renamed into place."""
        for name, section in self._sections.items():
            if section.position != section.length:
                raise AdjacencyDamaged(f"{name} is shorter or longer than foreseen")
        os.ftruncate(self._file, self._end)
        # Whole and even seconds: every file system can keep such a time.
        modified = int(os.fstat(self._file).st_mtime) // 2 * 2
        told = {
            "schema": SCHEMA_VERSION,
            "projection": made.projection,
            "applied": made.applied,
            "root": made.root,
            "bytes": self._end,
            "modified": modified,
            "sections": {
                name: (section.offset, section.length, section.digest.hexdigest())
                for name, section in self._sections.items()
            },
        }
        text = json.dumps(told).encode()
        header = MAGIC + hashlib.sha256(text).hexdigest().encode() + b"\n" + text
        if len(header) >= _HEADER_BYTES:
            raise AdjacencyDamaged("the header is longer than its place")
        os.pwrite(self._file, header + b"\n", 0)
        os.fsync(self._file)
        os.utime(self._file, (modified, modified))

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


class Mapped:
    """A file, mapped: its arrays as views that cost nothing until they are read."""

    def __init__(self, path: Path) -> None:
        """Map the file.

        Raises:
            AdjacencyDamaged: it is no such file, or not as it was written.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as cause:
            raise AdjacencyDamaged(f"{path} cannot be opened") from cause
        try:
            status = os.fstat(descriptor)
            told = _read_header(os.pread(descriptor, _HEADER_BYTES, 0))
            if status.st_size != told.bytes:
                raise AdjacencyDamaged(f"{path} is shorter or longer than it says")
            self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            self._view = memoryview(self._map)
            self.made, self._sections = told.made, told.sections
            if status.st_mtime_ns != told.modified * 1_000_000_000:
                self.require_sound()
                _set_time(descriptor, told.modified)
            self._identity = _identity(os.fstat(descriptor))
        except (OSError, ValueError, LookupError, TypeError) as cause:
            raise AdjacencyDamaged(f"{path} cannot be mapped") from cause
        finally:
            os.close(descriptor)

    def is_at(self, path: Path) -> bool:
        """Whether a path still leads to this file, untouched."""
        try:
            return _identity(os.stat(path)) == self._identity
        except OSError:
            return False

    def numbers(self, name: str, form: Literal["i", "q"]) -> memoryview[int]:
        """An array of numbers, `i` of 32 bits or `q` of 64.

        Raises:
            AdjacencyDamaged: there is none of that name.
        """
        section = self._section(name)
        view = self._view[section.offset : section.offset + section.length]
        return view.cast(form)

    def blob(self, name: str) -> memoryview[int]:
        """Bytes.

        Raises:
            AdjacencyDamaged: there are none of that name.
        """
        section = self._section(name)
        return self._view[section.offset : section.offset + section.length]

    def says_as(self, other: Mapped) -> bool:
        """Whether two files say that they hold the same arrays of the same rows."""
        return (self.made, self._sections) == (other.made, other._sections)

    def require_sound(self) -> None:
        """Read every array and compare it with its digest.

        Raises:
            AdjacencyDamaged: one is not what was written.
        """
        for name, section in self._sections.items():
            digest = hashlib.sha256()
            end = section.offset + section.length
            for start in range(section.offset, end, _READ_AT_ONCE):
                digest.update(self._view[start : min(start + _READ_AT_ONCE, end)])
            if digest.hexdigest() != section.digest:
                raise AdjacencyDamaged(f"{name} is not as it was written")

    def _section(self, name: str) -> Section:
        try:
            return self._sections[name]
        except KeyError as cause:
            raise AdjacencyDamaged(f"it lacks {name}") from cause


@dataclass(frozen=True, slots=True)
class _Header:
    made: Made
    bytes: int
    modified: int
    sections: dict[str, Section]


def _read_header(data: bytes) -> _Header:
    magic, rest = data[: len(MAGIC)], data[len(MAGIC) :]
    digest, _, rest = rest.partition(b"\n")
    text, end, _ = rest.partition(b"\n")
    if magic != MAGIC or not end:
        raise AdjacencyDamaged("it is no adjacency file of this version")
    if hashlib.sha256(text).hexdigest().encode() != digest:
        raise AdjacencyDamaged("its header is not as it was written")
    told = json.loads(text)
    if told["schema"] != SCHEMA_VERSION:
        raise AdjacencyDamaged("it was made of a projection of another version")
    sections = {
        str(name): Section(int(offset), int(length), str(digest))
        for name, (offset, length, digest) in told["sections"].items()
    }
    return _Header(
        Made(str(told["projection"]), int(told["applied"]), str(told["root"])),
        int(told["bytes"]),
        int(told["modified"]),
        sections,
    )


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _set_time(descriptor: int, modified: int) -> None:
    """Say again when the file was written, so that it is not read whole next time."""
    with contextlib.suppress(PermissionError):
        os.utime(descriptor, (modified, modified))
