"""The bytes of a model as they are now, against those that were registered."""

from __future__ import annotations

from pathlib import Path

from connectors.errors import ConnectorError, ConnectorUnavailable
from connectors.protocols import ArtifactFile, ArtifactReader
from console.services.opened import OpenStore
from console.services.secret_references import password_of
from policies.evidence import ArtifactItem, FileChange, ModelItem
from store.manifest import manifest_digest


def check_artifact(
    store: OpenStore,
    model: ModelItem,
    *,
    folder: str = "",
    source: str = "",
    location: str = "",
) -> ArtifactItem:
    """Hash the artifact as it is now: at its registered place, in a folder, or where
    a copy of it lies."""
    try:
        if folder:
            from connectors.artifacts import LocalArtifacts

            place = Path(folder).expanduser().resolve()
            files = LocalArtifacts(None).files(place.as_uri())
        else:
            files = artifact_reader(store, source or model.source).files(
                location or model.location
            )
    except ConnectorError:
        return ArtifactItem(is_readable=False, found="", changes=())
    return compare_files(model, files)


def artifact_reader(store: OpenStore, source: str) -> ArtifactReader:
    """The artifact reader of a source, by where this machine reads it.

    Raises:
        ConnectorError: it is not known or cannot be opened.
    """
    from connectors.opening import open_sources

    setting = store.sources().get(source)
    if setting is not None:
        given = open_sources(
            setting.address,
            artifacts=setting.artifacts,
            password=password_of(setting),
        )
        for found in given:
            reader = getattr(found, "artifacts", None)
            if isinstance(reader, ArtifactReader):
                return reader
    raise ConnectorUnavailable(f"this machine does not know where {source} is read")


def compare_files(model: ModelItem, files: list[ArtifactFile]) -> ArtifactItem:
    """Registered files against those found."""
    registered = {file.path: file.sha256 for file in model.files}
    found = {file.path: file.sha256 for file in files}
    changes = tuple(
        FileChange(path, registered.get(path, ""), found.get(path, ""))
        for path in sorted(registered.keys() | found.keys())
        if registered.get(path) != found.get(path)
    )
    return ArtifactItem(
        is_readable=True, found=manifest_digest(found.items()), changes=changes
    )
