"""Artifacts of models in S3 buckets, read directly by where the registry says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice

from connectors.artifacts import MOST_FILES
from connectors.data_files import steps_of
from connectors.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from connectors.protocols import ArtifactFile, ArtifactReader
from connectors.s3_objects import S3Objects

SCHEMES = ("s3://", "s3a://", "s3n://")


class S3Artifacts:
    """Reads every object below a location.

    A bucket that refused once is not asked again: a registry has many versions.
    """

    def __init__(self) -> None:
        self._first: S3Objects | None = None
        self._refused: dict[str, ConnectorError] = {}

    def files(self, location: str) -> list[ArtifactFile]:
        """See ArtifactReader.files."""
        bucket = location.partition("://")[2].partition("/")[0]
        if bucket in self._refused:
            raise self._refused[bucket]
        objects = self._at(location)
        try:
            listed = list(islice(objects.listed("", is_deep=True), MOST_FILES + 1))
        except ConnectorError as problem:
            self._refused[bucket] = problem
            raise
        paths = _paths(location, [path for path, _ in listed])
        return [self._hashed(objects, path) for path in paths]

    def read(self, location: str, path: str, *, at_most: int) -> bytes:
        """See ArtifactReader.read."""
        data = bytearray()
        for piece in self.pieces(location, path):
            data += piece
            if len(data) > at_most:
                raise ConnectorRefused(f"{path} is larger than {at_most} bytes")
        return bytes(data)

    def pieces(self, location: str, path: str) -> Iterator[bytes]:
        """See ArtifactReader.pieces."""
        yield from _pieces(self._at(location), "/".join(steps_of(path)))

    def _at(self, location: str) -> S3Objects:
        found = S3Objects(location, beside=self._first)
        self._first = self._first or found
        return found

    def _hashed(self, objects: S3Objects, path: str) -> ArtifactFile:
        digest, size = hashlib.sha256(), 0
        for piece in _pieces(objects, path):
            digest.update(piece)
            size += len(piece)
        return ArtifactFile(path, digest.hexdigest(), size)


class PlacedArtifacts:
    """Reads from a bucket what lies in one, and all else as another reader does."""

    def __init__(self, other: ArtifactReader) -> None:
        self._other = other
        self._in_buckets = S3Artifacts()

    def files(self, location: str) -> list[ArtifactFile]:
        """See ArtifactReader.files."""
        return self._reader(location).files(location)

    def read(self, location: str, path: str, *, at_most: int) -> bytes:
        """See ArtifactReader.read."""
        return self._reader(location).read(location, path, at_most=at_most)

    def pieces(self, location: str, path: str) -> Iterator[bytes]:
        """See ArtifactReader.pieces."""
        return self._reader(location).pieces(location, path)

    def _reader(self, location: str) -> ArtifactReader:
        return self._in_buckets if location.startswith(SCHEMES) else self._other


def _paths(location: str, listed: list[str]) -> list[str]:
    """The files among the keys below a location, sorted."""
    if len(listed) > MOST_FILES:
        raise ConnectorRefused(f"{location} holds more than {MOST_FILES} files")
    paths = sorted(path for path in listed if path and not path.endswith("/"))
    if not paths:
        raise ConnectorUnavailable(f"{location} holds no files")
    for path in paths:
        steps_of(path)
    return paths


def _pieces(objects: S3Objects, path: str) -> Iterator[bytes]:
    with objects.opened(path) as told:
        size = 0
        for piece in told.pieces:
            size += len(piece)
            yield piece
        if size != told.size:
            raise ConnectorUnavailable(f"{path} broke off", hint="Try again.")
