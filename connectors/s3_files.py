"""Data in a bucket: each object is fetched whole once, hashed, and read from a copy."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from connectors.data_files import MOST_FILES, HashedFile, OpenedFile, steps_of
from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.s3_objects import S3Object, S3Objects

MOST_IN_MEMORY = 16 * 1024**2
_SPARE_BYTES = 256 * 1024**2


class S3Files:
    """A part of a bucket, as folders of files."""

    def __init__(self, objects: S3Objects) -> None:
        self._objects = objects
        self._listed: dict[str, list[tuple[str, bool]]] = {}

    def location(self) -> str:
        """See DataFiles.location."""
        return self._objects.place.address

    def below(self, folder: str) -> S3Files:
        """A folder of it, as a place of its own.

        Raises:
            ConnectorError: it is not below this place.
        """
        address = "/".join((self.location(), *steps_of(folder)))
        return S3Files(S3Objects(address, beside=self._objects))

    def names(self, folder: str = "") -> list[str]:
        """See DataFiles.names."""
        return [name for name, is_folder in self._list(folder) if not is_folder]

    def folders(self, folder: str = "") -> list[str]:
        """See DataFiles.folders."""
        return [name for name, is_folder in self._list(folder) if is_folder]

    def _list(self, folder: str) -> list[tuple[str, bool]]:
        steps_of(folder)
        if folder not in self._listed:
            found = []
            for name, is_folder in self._objects.listed(folder, is_deep=False):
                if name not in ("", ".", ".."):
                    found.append((name, is_folder))
                if len(found) > MOST_FILES:
                    raise MalformedInput(
                        f"{self.location()}/{folder} holds more than {MOST_FILES} files"
                    )
            self._listed[folder] = sorted(found)
        return self._listed[folder]

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[OpenedFile]:
        """See DataFiles.opened."""
        where = "/".join(steps_of(path))
        with (
            self._objects.opened(where) as told,
            tempfile.SpooledTemporaryFile(MOST_IN_MEMORY) as copy,
        ):
            _check_space(where, told.size)
            sha256 = _copied(where, told, copy)  # type: ignore[arg-type]  # it reads and writes like a file
            hashed = HashedFile(
                sha256,
                told.size,
                self._objects.place.address.rstrip("/") + "/" + where,
                told.version,
                told.retention,
                told.has_legal_hold,
            )
            yield OpenedFile(copy, hashed)  # type: ignore[arg-type]  # the same


def _copied(path: str, told: S3Object, copy: BinaryIO) -> str:
    """Write the bytes of an object into a file, and hash them on the way."""
    digest, size = hashlib.sha256(), 0
    for piece in told.pieces:
        size += len(piece)
        if size > told.size:
            break
        digest.update(piece)
        copy.write(piece)
    if size != told.size:
        raise ConnectorUnavailable(
            f"{path} has other than the {told.size} bytes that were told",
            hint="Try again.",
        )
    copy.seek(0)
    return digest.hexdigest()


def _check_space(path: str, size: int) -> None:
    folder = tempfile.gettempdir()
    if size > MOST_IN_MEMORY and shutil.disk_usage(folder).free < size + _SPARE_BYTES:
        raise ConnectorRefused(
            f"{path} has {size} bytes, more than there is room for in {folder}",
            hint="Name a folder with more room in TMPDIR.",
        )
