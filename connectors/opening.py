"""From an address that a person typed to the source it names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from connectors.errors import MalformedInput
from connectors.protocols import ArtifactReader, FactSource

ACCEPTED = (
    "an MLflow server (http://...), its database (mlflow.db), an mlruns/ folder, a git "
    "repository or .bundle, OpenLineage events (.json, .ndjson, .gz), or a folder of "
    "these"
)
_SQLITE_HEADER = b"SQLite format 3\x00"


def open_sources(
    address: str,
    *,
    name: str = "",
    artifacts: str = "",
    environment: Mapping[str, str] = os.environ,
) -> list[FactSource]:
    """The sources at an address: one, or those that a folder holds side by side.

    Raises:
        MalformedInput: nothing is there that can be read.
    """
    if address.startswith(("http://", "https://")):
        return [_server(address, name, artifacts, environment)]
    path = Path(address.removeprefix("sqlite:///")).expanduser()
    if not path.exists():
        raise MalformedInput(f"{address} is not there", hint=f"Give {ACCEPTED}.")
    found = list(_at(path, name, artifacts))
    if not found:
        raise MalformedInput(
            f"{address} holds nothing that can be imported", hint=f"Give {ACCEPTED}."
        )
    return found


def _at(path: Path, name: str, artifacts: str) -> Iterator[FactSource]:
    source = _single(path, name, artifacts)
    if source is not None:
        yield source
        return
    if not path.is_dir():
        return
    inner = [_single(child, "", artifacts) for child in sorted(path.iterdir())]
    sources = [found for found in inner if found is not None]
    from connectors.mlflow.telling import MlflowSource
    from connectors.openlineage import OpenLineageSource

    runs_of = next((s.name for s in sources if isinstance(s, MlflowSource)), "")
    for child, found in zip(sorted(path.iterdir()), inner, strict=True):
        if isinstance(found, OpenLineageSource):
            yield OpenLineageSource(found.name, child, runs_of=runs_of)
        elif found is not None:
            yield found


def _single(path: Path, name: str, artifacts: str) -> FactSource | None:
    """The source at exactly this path, or None."""
    from connectors.git import GitSource
    from connectors.mlflow.folder import MlflowFolder, is_mlruns
    from connectors.mlflow.telling import MlflowSource
    from connectors.openlineage import SUFFIXES, OpenLineageSource

    if path.is_file():
        if _begins_with(path, _SQLITE_HEADER) or path.suffix == ".db":
            return _database(path, name, artifacts)
        if path.suffix == ".bundle":
            return GitSource(name or path.stem, path)
        if path.name.endswith(SUFFIXES):
            return OpenLineageSource(name or path.name.partition(".")[0], path)
        return None
    if (path / ".git").exists() or (
        (path / "HEAD").is_file() and (path / "objects").is_dir()
    ):
        return GitSource(name or path.resolve().stem, path)
    if is_mlruns(path):
        local = _local(artifacts, None)
        return MlflowSource(name or "mlruns", MlflowFolder(path), local)
    if path.is_dir() and any(
        child.name.endswith(SUFFIXES) for child in path.rglob("*") if child.is_file()
    ):
        has_other = any(child.suffix in (".db", ".bundle") for child in path.iterdir())
        if not has_other:
            return OpenLineageSource(name or path.resolve().name, path)
    return None


def _database(path: Path, name: str, artifacts: str) -> FactSource:
    from connectors.mlflow.database import MlflowDatabase
    from connectors.mlflow.telling import MlflowSource

    database = MlflowDatabase(path)
    database.check()
    beside = next(
        (
            path.parent / f
            for f in ("mlartifacts", "artifacts")
            if (path.parent / f).is_dir()
        ),
        None,
    )
    return MlflowSource(name or path.stem, database, _local(artifacts, beside))


def _local(artifacts: str, beside: Path | None) -> ArtifactReader:
    from connectors.artifacts import LocalArtifacts

    return LocalArtifacts(Path(artifacts).expanduser() if artifacts else beside)


def _server(
    address: str, name: str, artifacts: str, environment: Mapping[str, str]
) -> FactSource:
    from connectors.mlflow.client import MlflowClient, authorisation_from
    from connectors.mlflow.rest import MlflowRest
    from connectors.mlflow.served_artifacts import ServedArtifacts
    from connectors.mlflow.telling import MlflowSource

    client = MlflowClient(address, authorisation=authorisation_from(environment))
    reader: ArtifactReader = (
        _local(artifacts, None) if artifacts else ServedArtifacts(client)
    )
    default = (urlsplit(address).hostname or "mlflow").replace(".", "-")
    return MlflowSource(name or default, MlflowRest(client), reader)


def _begins_with(path: Path, header: bytes) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read(len(header)) == header
    except OSError:
        return False
