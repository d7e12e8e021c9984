"""Artifacts as an MLflow server hands them out, wherever it keeps them itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from connectors.artifacts import MOST_FILES
from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.mlflow.client import MlflowClient, patiently
from connectors.parsing import text_of, well_formed
from connectors.protocols import ArtifactFile

LARGEST_FILE_BYTES = 1024**4
_DEEPEST = 64
_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_API = "/api/2.0/mlflow"
_LOGGED_MODEL = re.compile(r"(?:.*/)?models/(m-[0-9a-f]{32})/artifacts/?(.*)")
_OF_RUN = re.compile(r"(?:.*/)?([0-9a-f]{32})/artifacts/?(.*)")


@dataclass(frozen=True, slots=True)
class _Door:
    """One of the ways in: where to list, where to read, and what to ask for."""

    top: str
    """Folder of the location, as this way names it."""
    list_path: str
    read_path: str
    argument_of_list: str
    argument_of_read: str
    """Name of the query parameter; empty when the path itself is asked for."""
    fixed: tuple[tuple[str, str], ...] = ()
    lists_names_only: bool = False


class ServedArtifacts:
    """Reads by the artifact proxy, or as artifacts of a run or a logged model."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def files(self, location: str) -> list[ArtifactFile]:
        """See ArtifactReader.files."""
        door = _door(location)
        paths = []
        for path in self._list(door, ""):
            paths.append(path)
            if len(paths) > MOST_FILES:
                raise ConnectorRefused(f"{location} holds more than {MOST_FILES} files")
        if not paths:
            raise ConnectorUnavailable(f"{location} holds no files")
        return [
            patiently(lambda path=path: self._hash(door, path))  # type: ignore[misc]
            for path in sorted(paths)
        ]

    def read(self, location: str, path: str, *, at_most: int) -> bytes:
        """See ArtifactReader.read."""
        return patiently(
            lambda: b"".join(self._stream(_door(location), path, at_most=at_most))
        )

    def pieces(self, location: str, path: str) -> Iterator[bytes]:
        """See ArtifactReader.pieces."""
        return self._stream(_door(location), path, at_most=LARGEST_FILE_BYTES)

    def _hash(self, door: _Door, path: str) -> ArtifactFile:
        digest, size = hashlib.sha256(), 0
        for piece in self._stream(door, path, at_most=LARGEST_FILE_BYTES):
            digest.update(piece)
            size += len(piece)
        return ArtifactFile(path, digest.hexdigest(), size)

    def _stream(self, door: _Door, path: str, *, at_most: int) -> Iterator[bytes]:
        whole = _joined(door.top, _safe(path))
        if door.argument_of_read:
            query = {**dict(door.fixed), door.argument_of_read: whole}
            return self._client.stream(door.read_path, query, at_most=at_most)
        return self._client.stream(f"{door.read_path}/{whole}", at_most=at_most)

    def _list(self, door: _Door, below: str, depth: int = 0) -> Iterator[str]:
        folder = _joined(door.top, below)
        if depth > _DEEPEST:
            raise ConnectorRefused(f"{folder!r} is nested too deeply")
        query: dict[str, str | int] = dict(door.fixed)
        if folder:
            query[door.argument_of_list] = folder
        answer = self._client.get(door.list_path, query)
        if answer.get("next_page_token"):
            raise ConnectorRefused(f"{folder!r} holds more files than one page")
        with well_formed(f"the list of {folder!r}"):
            entries = [
                (text_of(e["path"]), e.get("is_dir")) for e in answer.get("files", [])
            ]
        for listed, is_folder in entries:
            prefix = "" if door.lists_names_only or not folder else f"{folder}/"
            if not listed.startswith(prefix):
                raise MalformedInput(f"{folder!r} lists {listed!r}, which is elsewhere")
            name = listed.removeprefix(prefix)
            if name in ("", ".", "..") or "/" in name:
                raise ConnectorRefused(f"{folder!r} lists a file called {name!r}")
            path = _joined(below, name)
            if is_folder:
                yield from self._list(door, path, depth + 1)
            else:
                yield path


def _door(location: str) -> _Door:
    try:
        parts = urlsplit(location)
    except ValueError as cause:
        raise ConnectorRefused(f"{location!r} is no artifact location") from cause
    path = _safe(unquote(parts.path).strip("/"))
    if parts.scheme == "mlflow-artifacts":
        return _Door(path, _PROXY, _PROXY, "path", "", lists_names_only=True)
    if found := _LOGGED_MODEL.fullmatch(path):
        return _Door(
            found[2],
            f"{_API}/logged-models/{found[1]}/artifacts/directories",
            f"/ajax-api/2.0/mlflow/logged-models/{found[1]}/artifacts/files",
            "artifact_directory_path",
            "artifact_file_path",
        )
    if found := _OF_RUN.fullmatch(path):
        run = (("run_id", found[1]),)
        listing = f"{_API}/artifacts/list"
        return _Door(found[2], listing, "/get-artifact", "path", "path", run)
    raise ConnectorRefused(
        f"the server does not hand out artifacts at {location}",
        hint="Start it with --serve-artifacts, or give --artifacts FOLDER.",
    )


def _safe(path: str) -> str:
    if ".." in path.split("/"):
        raise ConnectorRefused(f"{path!r} leads out of the artifacts")
    return path


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
