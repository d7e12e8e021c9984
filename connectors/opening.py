"""From an address that a person typed to the source it names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from connectors.data_files import LocalFiles, as_unicode
from connectors.data_formats import SUFFIXES as DATA_SUFFIXES
from connectors.data_formats import stem_of
from connectors.data_opening import (
    CROISSANT_MARK,
    DELTA_LOG,
    DESCRIPTOR,
    MOST_DESCRIPTORS,
    data_in_files,
    descriptor_source,
    is_descriptor,
    is_table,
    sources_in_bucket,
    table_metadata_file,
    table_source,
)
from connectors.errors import ConnectorUnavailable, MalformedInput
from connectors.mlflow.client import MlflowClient, Secret, authorisation_from
from connectors.mlflow.database_address import (
    is_database_address,
    read_address,
)
from connectors.openlineage_files import SUFFIXES as EVENT_SUFFIXES
from connectors.openlineage_files import is_events_file
from connectors.protocols import ArtifactReader, FactSource

ACCEPTED = (
    "an MLflow server (http://...), its database (mlflow.db, postgresql://... or "
    "mysql://...), an mlruns/ folder, a Kubeflow Hub (kubeflow-hub+http://...), a git "
    "repository or .bundle, OpenLineage events (.json, .ndjson, .jsonl, also .gz), "
    "Parquet, CSV, Delta or Iceberg data, Croissant descriptors, a folder of these, or "
    "data in a bucket (s3://BUCKET/PREFIX)"
)
HUB = "kubeflow-hub+"
_SQLITE_HEADER = b"SQLite format 3\x00"
_DATABASES = (".db", ".sqlite", ".sqlite3")
_MOST_LOOKED_AT = 10_000
_SNIFFED_BYTES = 1024**2
_ARTIFACT_FOLDERS = ("mlartifacts", "artifacts")


def open_sources(
    address: str,
    *,
    name: str = "",
    artifacts: str = "",
    environment: Mapping[str, str] = os.environ,
    password: Secret | None = None,
) -> list[FactSource]:
    """The sources at an address: one, or those that a folder holds side by side.

    A database's password is the one given, else the address's, else the environment's.

    Raises:
        MalformedInput: nothing is there that can be read.
    """
    if address.startswith(("http://", "https://")):
        return [_server(address, name, artifacts, environment)]
    if address.startswith(HUB):
        return [_hub(address.removeprefix(HUB), name, environment)]
    if is_database_address(address):
        return [_database_server(address, name, artifacts, environment, password)]
    if address.startswith("s3://"):
        return sources_in_bucket(address, name)
    try:
        path = _path(address)
        found = _at(path, name, artifacts) if path.exists() else None
    except (OSError, ValueError) as cause:
        raise ConnectorUnavailable(f"cannot look at {address!r}: {cause}") from cause
    if found is None:
        raise MalformedInput(f"{address} is not there", hint=f"Give {ACCEPTED}.")
    if not found:
        raise MalformedInput(
            f"{address} holds nothing that can be imported", hint=f"Give {ACCEPTED}."
        )
    return found


def _path(address: str) -> Path:
    if address.startswith("file://"):
        return Path(unquote(urlsplit(address).path))
    return Path(os.path.expanduser(address.removeprefix("sqlite:///")))


def _at(path: Path, name: str, artifacts: str) -> list[FactSource]:
    if path.is_file():
        source = _file(path, name, artifacts)
    else:
        source = _folder(path, name, artifacts)
    if source is not None:
        return [source]
    return list(_side_by_side(path, artifacts)) if path.is_dir() else []


def _file(path: Path, name: str, artifacts: str) -> FactSource | None:
    """The source that a single file is, or None."""
    if path.suffix in _DATABASES or _begins_with(path, _SQLITE_HEADER):
        return _database(path, name, artifacts)
    if path.suffix == ".bundle":
        return _git(path, name)
    if table_metadata_file(path.name):
        return _table_at(path, name)
    if _is_descriptor(path):
        return _described(path, name)
    if path.name.endswith(EVENT_SUFFIXES):
        return _events(path, name)
    if path.name.endswith(DATA_SUFFIXES):
        return _data(path, name)
    return None


def _folder(path: Path, name: str, artifacts: str) -> FactSource | None:
    """The source that a whole folder is, or None when it holds several or none."""
    if _is_repository(path):
        return _git(path, name)
    if _is_mlruns(path):
        from connectors.mlflow.folder import MlflowFolder
        from connectors.mlflow.telling import MlflowSource

        reader = _local(artifacts, None)
        return MlflowSource(name or path.resolve().name, MlflowFolder(path), reader)
    files = LocalFiles(path)
    if is_table(files):
        return table_source(files, name or path.resolve().name)
    if any(_is_a_source_itself(child) for child in path.iterdir()):
        return None
    if _descriptors(path):
        return None
    data = data_in_files(files, name or path.resolve().stem)
    has_data, has_events = data is not None, _holds_events(path)
    if has_data and not has_events:
        return data
    if has_events and not has_data:
        return _events(path, name)
    return None


def _side_by_side(path: Path, artifacts: str) -> Iterator[FactSource]:
    """What lies in a folder, events last: their runs may be those of a registry."""
    from connectors.mlflow.telling import MlflowSource

    runs_of, events = "", []
    for child in sorted(path.iterdir()):
        source: FactSource | None = None
        if child.is_symlink() or child.name in _ARTIFACT_FOLDERS:
            continue
        if child.is_dir():
            source = _folder(child, "", artifacts)
            if source is None:
                yield from _described_data(child)
        elif _is_descriptor(child):
            source = _described(child, "")
        elif is_events_file(child):
            events.append(child)
        elif child.suffix in (*_DATABASES, ".bundle"):
            source = _file(child, "", artifacts)
        if isinstance(source, MlflowSource):
            runs_of = runs_of or source.name
        if source is not None:
            yield source
    data = data_in_files(LocalFiles(path), path.resolve().stem)
    if data is not None:
        yield data
    for child in events:
        yield _events(child, "", runs_of)


def _is_descriptor(path: Path) -> bool:
    """Whether a file is a Croissant descriptor; many files of events are .json too."""
    if path.suffix != DESCRIPTOR or path.is_symlink() or not path.is_file():
        return False
    with open(path, "rb") as stream:
        if CROISSANT_MARK not in stream.read(_SNIFFED_BYTES):
            return False
    return is_descriptor(LocalFiles(path.parent), path.name)


def _descriptors(path: Path) -> list[Path]:
    named = (child for child in sorted(path.iterdir()) if child.suffix == DESCRIPTOR)
    looked_at = islice(named, MOST_DESCRIPTORS)
    return [child for child in looked_at if _is_descriptor(child)]


def _described_data(path: Path) -> Iterator[FactSource]:
    """The data in a folder with descriptors, and those."""
    descriptors = _descriptors(path)
    data = data_in_files(LocalFiles(path), path.resolve().stem)
    if descriptors and data is not None:
        yield data
    for child in descriptors:
        yield _described(child, "")


def _described(path: Path, name: str) -> FactSource:
    at = path.resolve()
    return descriptor_source(LocalFiles(at.parent), at.name, name or at.stem)


def _is_a_source_itself(child: Path) -> bool:
    if child.is_dir():
        is_link = child.is_symlink()
        is_data = not is_link and is_table(LocalFiles(child))
        return _is_repository(child) or _is_mlruns(child) or is_data
    return child.suffix in (*_DATABASES, ".bundle")


def _is_repository(path: Path) -> bool:
    is_bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
    return is_bare or (path / ".git").exists()


def _is_mlruns(path: Path) -> bool:
    from connectors.mlflow.folder import is_mlruns

    return is_mlruns(path)


def _holds_events(path: Path) -> bool:
    looked_at = 0
    for place, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != DELTA_LOG]
        for name in names:
            looked_at += 1
            if looked_at > _MOST_LOOKED_AT:
                return False
            if is_events_file(Path(place) / name):
                return True
    return False


def _git(path: Path, name: str) -> FactSource:
    from connectors.git import GitSource

    return GitSource(name or path.resolve().stem, path, repository=name)


def _events(path: Path, name: str, runs_of: str = "") -> FactSource:
    from connectors.openlineage import OpenLineageSource

    default = path.resolve().name if path.is_dir() else path.name.partition(".")[0]
    return OpenLineageSource(name or default, path, runs_of=runs_of)


def _data(path: Path, name: str) -> FactSource:
    from connectors.data import DataSource

    at = path.resolve()
    dataset = name or as_unicode(stem_of(path.name))
    return DataSource(dataset, LocalFiles(at.parent), only=at.name, dataset=dataset)


def _table_at(path: Path, name: str) -> FactSource:
    """A table as one of its metadata files tells it."""
    folder = path.resolve().parent.parent
    return table_source(LocalFiles(folder), name or folder.name, metadata=path.name)


def _database(path: Path, name: str, artifacts: str) -> FactSource:
    from connectors.mlflow.database import MlflowDatabase
    from connectors.mlflow.telling import MlflowSource

    database = MlflowDatabase(path)
    database.check()
    folders = (path.parent / folder for folder in _ARTIFACT_FOLDERS)
    beside = next((folder for folder in folders if folder.is_dir()), None)
    reader = _kept(artifacts, beside, os.environ)
    return MlflowSource(name or path.stem, database, reader)


def _database_server(
    address: str,
    name: str,
    artifacts: str,
    environment: Mapping[str, str],
    password: Secret | None,
) -> FactSource:
    from connectors.mlflow.database import MlflowDatabase
    from connectors.mlflow.servers import open_engine
    from connectors.mlflow.telling import MlflowSource

    at = read_address(address, environment, password)
    database = MlflowDatabase(open_engine(at))
    database.check()
    reader = _kept(artifacts, None, environment)
    return MlflowSource(name or at.default_name, database, reader)


def _kept(
    artifacts: str, beside: Path | None, environment: Mapping[str, str]
) -> ArtifactReader:
    """The artifacts of a database: by the server of that, or where they lie."""
    if artifacts.startswith(("http://", "https://")):
        from connectors.mlflow.served_artifacts import ServedArtifacts

        return ServedArtifacts(_client(artifacts, environment))
    return _local(artifacts, beside)


def _client(address: str, environment: Mapping[str, str]) -> MlflowClient:
    return MlflowClient(address, authorisation=authorisation_from(environment))


def _local(artifacts: str, beside: Path | None) -> ArtifactReader:
    from connectors.artifacts import LocalArtifacts
    from connectors.s3_artifacts import PlacedArtifacts

    folder = Path(os.path.expanduser(artifacts)) if artifacts else beside
    return PlacedArtifacts(LocalArtifacts(folder))


def _server(
    address: str, name: str, artifacts: str, environment: Mapping[str, str]
) -> FactSource:
    from connectors.mlflow.rest import MlflowRest
    from connectors.mlflow.served_artifacts import ServedArtifacts
    from connectors.mlflow.telling import MlflowSource

    client = _client(address, environment)
    reader: ArtifactReader = (
        _local(artifacts, None) if artifacts else ServedArtifacts(client)
    )
    default = (urlsplit(address).hostname or "mlflow").replace(".", "-")
    return MlflowSource(name or default, MlflowRest(client), reader)


def _hub(address: str, name: str, environment: Mapping[str, str]) -> FactSource:
    from connectors.kubeflow_hub import BucketsOnly, KubeflowHub, hub_client
    from connectors.mlflow.telling import MlflowSource

    if not address.startswith(("http://", "https://")):
        raise MalformedInput(
            f"{address!r:.200} is no address of a Kubeflow Hub",
            hint=f"Write {HUB}https://HOST.",
        )
    hub = KubeflowHub(hub_client(address, environment))
    default = (urlsplit(address).hostname or "kubeflow-hub").replace(".", "-")
    return MlflowSource(name or default, hub, BucketsOnly())


def _begins_with(path: Path, header: bytes) -> bool:
    with open(path, "rb") as stream:
        return stream.read(len(header)) == header
