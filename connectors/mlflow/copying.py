"""Copying a model version to another MLflow server: every byte checked on both sides.

Files belong to a run of their own that is found again by its tags, so that a copy which
broke off is taken up again and made once. The version is created last. MLflow takes a
source only where the run that is named with it keeps its artifacts.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.mlflow.client import MlflowClient, patiently
from connectors.mlflow.served_artifacts import ServedArtifacts
from connectors.parsing import text_of, well_formed
from connectors.protocols import ArtifactFile

ORIGIN_TAG = "countersign.copied_from"
MANIFEST_TAG = "countersign.manifest.sha256"
_API = "/api/2.0/mlflow"
_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_EXPERIMENT = "countersign copies"
_PROXIED = "mlflow-artifacts:/"
_MOST_FOUND = 1000
_SPOOLED_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """What is to be on the other server."""

    model: str
    manifest: str
    """Digest of the manifest that was approved."""
    files: tuple[ArtifactFile, ...]
    origin: str
    """Where it comes from, for a person: `source/model@version`."""


class MlflowCopies:
    """Puts versions on one server."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._artifacts = ServedArtifacts(client)

    def place(
        self, order: CopyOrder, read: Callable[[str], Iterator[bytes]]
    ) -> tuple[str, str]:
        """Number and location of the version with those bytes, made if there is none.

        `read` gives one file of the original in pieces.

        Raises:
            ConnectorRefused: the original or the copy is not what was approved.
            ConnectorUnavailable: a server does not answer; trying again goes on.
        """
        known = self._known(order)
        if known:
            self._require_same(order, known[1])
            return known
        run, location = self._run(order)
        there = {file.path: file.sha256 for file in self._files(location)}
        for file in order.files:
            if there.get(file.path) != file.sha256:
                self._upload(order, file, read, location)
        self._require_same(order, location)
        self._create_model(order.model)
        made = self._client.post(
            f"{_API}/model-versions/create",
            {
                "name": order.model,
                "source": location,
                "run_id": run,
                "description": f"Copied from {order.origin} by a promotion.",
                "tags": _tags(order),
            },
        )
        with well_formed(f"{self._client.address}: the new version"):
            return str(made["model_version"]["version"]), location

    def _known(self, order: CopyOrder) -> tuple[str, str] | None:
        """An earlier copy of the same bytes, by its tags."""
        quote = '"' if "'" in order.model else "'"
        if quote in order.model:
            raise ConnectorRefused(
                f"{order.model!r} holds both kinds of quotes, which no search can name"
            )
        query: dict[str, str | int] = {
            "filter": f"name = {quote}{order.model}{quote} AND "
            f"tags.`{MANIFEST_TAG}` = '{order.manifest}'",
            "max_results": _MOST_FOUND,
        }
        answer = self._client.get(f"{_API}/model-versions/search", query)
        with well_formed(f"{self._client.address}: versions of {order.model!r}"):
            for found in answer.get("model_versions", []):
                if text_of(found.get("name")) == order.model and _is_tagged(
                    found, order
                ):
                    return str(found["version"]), text_of(found.get("source"))
        return None

    def _run(self, order: CopyOrder) -> tuple[str, str]:
        """The run that keeps the copy's files, made if there is none, and where."""
        experiment = self._experiment()
        found = self._client.search(
            f"{_API}/runs/search",
            {
                "experiment_ids": [experiment],
                "filter": f"tags.`{MANIFEST_TAG}` = '{order.manifest}'",
                "max_results": _MOST_FOUND,
            },
        )
        with well_formed(f"{self._client.address}: runs of {_EXPERIMENT!r}"):
            for run in found.get("runs", []):
                if _is_tagged(run.get("data", {}), order):
                    return self._location(run["info"])
        made = self._client.post(
            f"{_API}/runs/create",
            {
                "experiment_id": experiment,
                "run_name": f"copy of {order.origin}"[:250],
                "tags": _tags(order),
            },
        )
        with well_formed(f"{self._client.address}: the new run"):
            return self._location(made["run"]["info"])

    def _location(self, info: Mapping[str, Any]) -> tuple[str, str]:
        artifacts = text_of(info.get("artifact_uri")).rstrip("/")
        if not artifacts.startswith(_PROXIED):
            raise ConnectorRefused(
                f"{self._client.address} keeps artifacts at {artifacts}, which it does "
                "not take itself",
                hint="Start it with --serve-artifacts.",
            )
        return text_of(info["run_id"]), f"{artifacts}/model"

    def _experiment(self) -> str:
        """The experiment that holds the runs of copies."""
        name = {"experiment_name": _EXPERIMENT}
        path = f"{_API}/experiments/get-by-name"
        try:
            found = self._client.get(path, name)
        except ConnectorRefused:
            self._client.post(f"{_API}/experiments/create", {"name": _EXPERIMENT})
            found = self._client.get(path, name)
        with well_formed(f"{self._client.address}: experiment {_EXPERIMENT!r}"):
            return text_of(found["experiment"]["experiment_id"])

    def _files(self, location: str) -> list[ArtifactFile]:
        try:
            return self._artifacts.files(location)
        except ConnectorUnavailable:
            return []

    def _upload(
        self,
        order: CopyOrder,
        file: ArtifactFile,
        read: Callable[[str], Iterator[bytes]],
        location: str,
    ) -> None:
        """Bring one file over, once it is known to be the approved one."""
        with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES) as spool:
            digest = hashlib.sha256()
            for piece in read(file.path):
                digest.update(piece)
                spool.write(piece)
            if digest.hexdigest() != file.sha256:
                raise ConnectorRefused(
                    f"{file.path} of {order.origin} is not the file that was approved",
                    hint="Its bytes changed. Register them as a new version and ask "
                    "anew.",
                )
            self._put(f"{location.removeprefix(_PROXIED)}/{file.path}", spool)

    def _put(self, path: str, spool: IO[bytes]) -> None:
        def once() -> None:
            size = spool.seek(0, 2)
            spool.seek(0)
            self._client.put(f"{_PROXY}/{path}", spool, size)

        try:
            patiently(once)
        except ConnectorRefused as cause:
            raise ConnectorRefused(
                f"{self._client.address} takes no artifacts: {cause}",
                hint=cause.hint or "Start it with --serve-artifacts.",
            ) from cause

    def _require_same(self, order: CopyOrder, location: str) -> None:
        wanted = {file.path: file.sha256 for file in order.files}
        found = {file.path: file.sha256 for file in self._artifacts.files(location)}
        for path in sorted(wanted.keys() | found.keys()):
            if wanted.get(path) != found.get(path):
                raise ConnectorRefused(
                    f"{path!r} at {location} of {self._client.address} is not the "
                    "file that was approved",
                    hint="Somebody wrote there. Remove that folder and try again.",
                )

    def _create_model(self, name: str) -> None:
        try:
            self._client.get(f"{_API}/registered-models/get", {"name": name})
        except ConnectorRefused:
            self._client.post(f"{_API}/registered-models/create", {"name": name})


def _tags(order: CopyOrder) -> list[dict[str, str]]:
    return [
        {"key": ORIGIN_TAG, "value": order.origin},
        {"key": MANIFEST_TAG, "value": order.manifest},
    ]


def _is_tagged(holder: Mapping[str, Any], order: CopyOrder) -> bool:
    tags = {text_of(t["key"]): text_of(t.get("value")) for t in holder.get("tags", [])}
    return (tags.get(MANIFEST_TAG), tags.get(ORIGIN_TAG)) == (
        order.manifest,
        order.origin,
    )
