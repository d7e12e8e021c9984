"""Artifacts in a local folder: walked without following links, hashed as they are."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.protocols import ArtifactFile

MOST_FILES = 10_000
_DEEPEST = 64
_PIECE_BYTES = 1024**2
_HINT = "Give the folder with the artifacts: --artifacts FOLDER."


class LocalArtifacts:
    """Reads `mlflow-artifacts:` locations below a folder, and `file:` locations."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def files(self, location: str) -> list[ArtifactFile]:
        """See ArtifactReader.files."""
        folder = self._folder(location)
        paths = []
        for relative in _walk(folder, folder):
            paths.append(relative)
            if len(paths) > MOST_FILES:
                raise ConnectorRefused(f"{location} holds more than {MOST_FILES} files")
        if not paths:
            raise ConnectorUnavailable(f"{location} holds no files", hint=_HINT)
        return [_hash_file(folder, relative) for relative in sorted(paths)]

    def read(self, location: str, path: str, *, at_most: int) -> bytes:
        """See ArtifactReader.read."""
        folder = self._folder(location)
        with open_below(folder, path) as stream:
            data = stream.read(at_most + 1)
        if len(data) > at_most:
            raise ConnectorRefused(f"{path} is larger than {at_most} bytes")
        return data

    def pieces(self, location: str, path: str) -> Iterator[bytes]:
        """See ArtifactReader.pieces."""
        with open_below(self._folder(location), path) as stream:
            while piece := stream.read(_PIECE_BYTES):
                yield piece

    def _folder(self, location: str) -> Path:
        if "\x00" in location:
            raise ConnectorRefused("an artifact location holds a NUL character")
        try:
            parts = urlsplit(location)
        except ValueError as cause:
            raise ConnectorRefused(f"{location!r} is no artifact location") from cause
        if parts.scheme == "mlflow-artifacts" and self._root is not None:
            below = _inside(unquote(parts.path).lstrip("/"))
            return self._root.joinpath(*below)
        if parts.scheme == "file" and parts.netloc in ("", "localhost"):
            return Path("/").joinpath(*_inside(unquote(parts.path).lstrip("/")))
        if not parts.scheme and location.startswith("/"):
            return Path("/").joinpath(*_inside(location.lstrip("/")))
        raise ConnectorRefused(
            f"artifacts at {location} cannot be read here",
            hint=f"Local folders and mlflow-artifacts: are read. {_HINT}",
        )


def _inside(path: str) -> tuple[str, ...]:
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or "\x00" in path:
        raise ConnectorRefused(f"{path!r} leads out of the artifact folder")
    return relative.parts


def _walk(folder: Path, top: Path, depth: int = 0) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ConnectorRefused(f"folders are nested deeper than {_DEEPEST}")
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
    except OSError as cause:
        if depth == 0 and isinstance(cause, FileNotFoundError):
            return
        name = folder.relative_to(top).as_posix()
        raise ConnectorUnavailable(f"cannot list {name!r}: {cause.strerror}") from cause
    for entry in listed:
        if entry.is_symlink():
            raise ConnectorRefused(
                f"{entry.name!r} is a symbolic link",
                hint="An artifact's bytes must lie in its own folder.",
            )
        if not _is_unicode(entry.name):
            raise ConnectorRefused(f"the file name {entry.name!r} is not UTF-8")
        if entry.is_dir():
            yield from _walk(Path(entry.path), top, depth + 1)
        else:
            yield Path(entry.path).relative_to(top).as_posix()


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_below(folder: Path, path: str) -> BufferedReader:
    """Open a regular file below a folder; no step of the way may be a link.

    Raises:
        ConnectorError: it is not there, not a regular file, or not below the folder.
    """
    *folders, name = _inside(path) or (".",)
    directory = os.O_RDONLY | os.O_DIRECTORY
    try:
        with contextlib.ExitStack() as opened:

            def enter(step: str | Path, flags: int, within: int | None) -> int:
                descriptor = os.open(step, flags, dir_fd=within)
                opened.callback(os.close, descriptor)
                return descriptor

            place = enter(folder, directory, None)
            for step in folders:
                place = enter(step, directory | os.O_NOFOLLOW, place)
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            found = os.open(name, flags, dir_fd=place)
    except OSError as cause:
        raise ConnectorUnavailable(f"cannot read {path!r}: {cause.strerror}") from cause
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise ConnectorRefused(f"{path!r} is no regular file")
    return os.fdopen(found, "rb")


def _hash_file(folder: Path, relative: str) -> ArtifactFile:
    with open_below(folder, relative) as stream:
        try:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as cause:
            raise ConnectorUnavailable(
                f"cannot read {relative!r}: {cause.strerror}"
            ) from cause
        size = os.fstat(stream.fileno()).st_size
    return ArtifactFile(relative, digest, size)
