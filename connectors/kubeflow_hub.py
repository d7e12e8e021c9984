"""Kubeflow Hub (model registry v1alpha3) over REST, as the rows that MLflow tells too.

The registry keeps models, versions, where their artifacts lie, and experiment runs. It
knows no aliases or stages, and nothing it says of itself is evidence. Nothing is
written. Source: its OpenAPI document.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.mlflow.client import Authorisation, MlflowClient, Secret
from connectors.mlflow.rows import (
    DatasetInputRow,
    ExperimentRow,
    MetricRow,
    ModelRow,
    RunRow,
    VersionRow,
)
from connectors.parsing import text_of, without_userinfo
from connectors.protocols import ArtifactFile
from connectors.s3_artifacts import SCHEMES, S3Artifacts

TOKEN_VARIABLE = "KUBEFLOW_HUB_TOKEN"  # noqa: S105 - the name of a variable
API = "/api/model_registry/v1alpha3"
PAGE_SIZE = 100
MOST_PAGES = 1_000_000
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
_BUCKET_QUERY = re.compile(r"\?(endpoint|defaultRegion)=.*")
_VALUES = (
    "string_value",
    "int_value",
    "double_value",
    "bool_value",
    "struct_value",
    "proto_value",
)


def hub_client(address: str, environment: Mapping[str, str]) -> MlflowClient:
    """A client of one registry, with the token in KUBEFLOW_HUB_TOKEN, if there is one.

    Raises:
        ConnectorRefused: the address is none, or holds credentials.
    """
    return MlflowClient(
        address,
        authorisation=_authorisation(environment),
        credentials_hint=f"Set {TOKEN_VARIABLE} to the token of somebody who may.",
    )


def _authorisation(environment: Mapping[str, str]) -> Authorisation:
    def find() -> Secret | None:
        token = environment.get(TOKEN_VARIABLE)
        return Secret(f"Bearer {token}") if token else None

    return find


class KubeflowHub:
    """What a registry holds, page by page."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def experiments(self) -> Iterator[ExperimentRow]:
        """See MlflowReader.experiments."""
        for found in self._pages("/experiments"):
            yield ExperimentRow(_id(found), text_of(found.get("name")))

    def runs(self) -> Iterator[RunRow]:
        """See MlflowReader.runs."""
        for found in self._pages("/experiment_runs"):
            run = _run(found)
            where = f"/experiment_runs/{quote(run.id, safe='')}/artifacts"
            for artifact in self._pages(where):
                _log(run, artifact)
            yield run

    def models(self) -> Iterator[ModelRow]:
        """See MlflowReader.models."""
        for found in self._pages("/registered_models"):
            fields = ("state", "owner", "license", "licenseLink", "provider")
            yield ModelRow(
                name=_name(found),
                description=text_of(found.get("description")),
                tags=_tags(found, fields),
            )

    def versions(self) -> Iterator[VersionRow]:
        """See MlflowReader.versions."""
        for model in self._pages("/registered_models"):
            where = f"/registered_models/{quote(_id(model), safe='')}/versions"
            for found in self._pages(where):
                yield self._version(_name(model), found)

    def _version(self, model: str, found: Mapping[str, Any]) -> VersionRow:
        where = f"/model_versions/{quote(_id(found), safe='')}/artifacts"
        artifacts = [
            artifact
            for artifact in self._pages(where)
            if artifact.get("artifactType") == "model-artifact"
        ]
        newest: Mapping[str, Any] = max(artifacts, key=_age, default={})
        tags = _tags(found, ("state", "author", "description"))
        return VersionRow(
            name=model,
            version=_name(found),
            created_ms=_integer(found.get("createTimeSinceEpoch")),
            status=text_of(found.get("state")),
            stage="",
            location=_location(newest),
            run_id=text_of(newest.get("experimentRunId")),
            tags=tags | _artifact_tags(newest),
        )

    def _pages(self, path: str) -> Iterator[Mapping[str, Any]]:
        """Every item of a list, one page after another."""
        token, seen = "", set[str]()
        for _ in range(MOST_PAGES):
            query: dict[str, str | int] = {"pageSize": PAGE_SIZE}
            if token:
                query["nextPageToken"] = token
            page = self._client.get(API + path, query)
            items = page.get("items") or []
            if not isinstance(items, list):
                raise MalformedInput(f"{path} lists something other than items")
            for item in items:
                if not isinstance(item, dict):
                    raise MalformedInput(f"{path} lists {item!r:.80}")
                yield item
            token = text_of(page.get("nextPageToken"))
            if not token:
                return
            if token in seen:
                raise ConnectorRefused(f"{path} gives the same page again and again")
            seen.add(token)
        raise ConnectorRefused(f"{path} has more than {MOST_PAGES} pages")


class BucketsOnly:
    """Reads model files in S3 buckets; a remote registry names no folder of ours."""

    def __init__(self) -> None:
        self._in_buckets = S3Artifacts()

    def files(self, location: str) -> list[ArtifactFile]:
        """See ArtifactReader.files."""
        return self._of(location).files(location)

    def read(self, location: str, path: str, *, at_most: int) -> bytes:
        """See ArtifactReader.read."""
        return self._of(location).read(location, path, at_most=at_most)

    def pieces(self, location: str, path: str) -> Iterator[bytes]:
        """See ArtifactReader.pieces."""
        return self._of(location).pieces(location, path)

    def _of(self, location: str) -> S3Artifacts:
        if not location.startswith(SCHEMES):
            scheme = location.partition(":")[0][:40]
            raise ConnectorUnavailable(f"artifacts at {scheme}: are not read here")
        return self._in_buckets


def _run(found: Mapping[str, Any]) -> RunRow:
    return RunRow(
        id=_id(found),
        experiment_id=text_of(found.get("experimentId")),
        name=text_of(found.get("name")),
        user=text_of(found.get("owner")),
        status=text_of(found.get("status")),
        start_ms=_integer(found.get("startTimeSinceEpoch")),
        end_ms=_integer(found.get("endTimeSinceEpoch")),
        lifecycle="active",
        artifact_uri="",
        tags=_tags(found, ("state", "description")),
    )


def _log(run: RunRow, artifact: Mapping[str, Any]) -> None:
    """Put what a run logged where it belongs; documents are left out."""
    name = text_of(artifact.get("name"))
    match artifact.get("artifactType"):
        case "metric":
            run.metrics.append(
                MetricRow(
                    name,
                    float(artifact["value"]),
                    _integer(artifact.get("timestamp")),
                    _integer(artifact.get("step")),
                )
            )
        case "parameter":
            run.params.append((name, text_of(artifact.get("value"))))
        case "dataset-artifact":
            run.inputs.append(_input(name, artifact))


def _input(name: str, artifact: Mapping[str, Any]) -> DatasetInputRow:
    digest = text_of(artifact.get("digest"))
    match = _SHA256.fullmatch(digest)
    place = text_of(artifact.get("source")) or text_of(artifact.get("uri"))
    return DatasetInputRow(
        name=name,
        digest=match[1].lower() if match else digest or "none",
        source=without_userinfo(place),
        schema=text_of(artifact.get("schema")),
        context="",
        algorithm="sha256" if match else "kubeflow-hub",
    )


def _location(artifact: Mapping[str, Any]) -> str:
    """Where an artifact lies; which service to ask is not for the registry to say."""
    return _BUCKET_QUERY.sub("", without_userinfo(text_of(artifact.get("uri"))))


def _artifact_tags(artifact: Mapping[str, Any]) -> dict[str, str]:
    fields = (
        "modelFormatName",
        "modelFormatVersion",
        "modelSourceKind",
        "modelSourceClass",
        "modelSourceGroup",
        "modelSourceId",
        "modelSourceName",
        "serviceAccountName",
    )
    tags = {f"artifact.{k}": v for k, v in _custom(artifact).items()}
    return tags | _told(artifact, fields)


def _tags(found: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, str]:
    """Custom properties by their names, and fields of the registry's own as `hub.`."""
    return _custom(found) | _told(found, fields)


def _told(found: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, str]:
    return {
        f"hub.{name}": text for name in fields if (text := text_of(found.get(name)))
    }


def _custom(found: Mapping[str, Any]) -> dict[str, str]:
    properties = found.get("customProperties") or {}
    return {str(name): _value(held) for name, held in properties.items()}


def _value(held: Mapping[str, Any]) -> str:
    for name in _VALUES:
        if name in held:
            value = held[name]
            if isinstance(value, bool):
                return "true" if value else "false"
            if name == "struct_value":
                return _decoded(str(value))
            return str(value)
    raise MalformedInput(f"a property holds {held!r:.80}")


def _decoded(text: str) -> str:
    """A structure, which the registry hands out as JSON in Base64."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return text


def _id(found: Mapping[str, Any]) -> str:
    text = text_of(found.get("id"))
    if not text:
        raise MalformedInput(f"something without an id is listed: {found!r:.80}")
    return text


def _name(found: Mapping[str, Any]) -> str:
    return text_of(found.get("name")) or _id(found)


def _age(artifact: Mapping[str, Any]) -> tuple[int, str]:
    return _integer(artifact.get("createTimeSinceEpoch")) or 0, _id(artifact)


def _integer(value: object) -> int | None:
    """A number that JSON carries as text or as itself."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise MalformedInput(f"a whole number is expected where {value!r:.80} stands")
    return int(value)
