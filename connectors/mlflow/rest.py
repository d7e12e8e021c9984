"""MLflow over REST: pages bounded by the ceilings that its server sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.mlflow.client import MlflowClient
from connectors.mlflow.rows import (
    DatasetInputRow,
    ExperimentRow,
    MetricRow,
    ModelRow,
    RunRow,
    VersionRow,
    qualified,
)
from connectors.parsing import text_of

_API = "/api/2.0/mlflow"
_SERVER = "/api/3.0/mlflow"
_PAGE = 1000
_MOST_PAGES = 100_000


class MlflowRest:
    """One MLflow server, read over REST; also moves aliases."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._found_workspaces: dict[str, MlflowClient] = {}

    @property
    def address(self) -> str:
        """The server, without credentials."""
        return self._client.address

    def experiments(self) -> Iterator[ExperimentRow]:
        """See MlflowReader."""
        for client in self._workspaces().values():
            for found in _experiments(client):
                yield ExperimentRow(
                    text_of(found["experiment_id"]), text_of(found.get("name"))
                )

    def runs(self) -> Iterator[RunRow]:
        """See MlflowReader."""
        for client in self._workspaces().values():
            for experiment in _experiments(client):
                body = {
                    "experiment_ids": [experiment["experiment_id"]],
                    "run_view_type": "ALL",
                }
                for found in _asked(client, "runs/search", "runs", body):
                    yield _run(found)

    def models(self) -> Iterator[ModelRow]:
        """See MlflowReader."""
        for workspace, client in self._workspaces().items():
            path = "registered-models/search"
            for found in listed(client, path, "registered_models"):
                yield ModelRow(
                    name=qualified(text_of(found["name"]), workspace),
                    description=text_of(found.get("description")),
                    aliases={
                        text_of(a["alias"]): str(a["version"])
                        for a in found.get("aliases", [])
                    },
                    tags=_tags(found),
                )

    def versions(self) -> Iterator[VersionRow]:
        """See MlflowReader."""
        for workspace, client in self._workspaces().items():
            for found in listed(client, "model-versions/search", "model_versions"):
                yield _version(client, workspace, found)

    def _workspaces(self) -> dict[str, MlflowClient]:
        """Every workspace; one without a name where the server has none."""
        if self._found_workspaces:
            return self._found_workspaces
        try:
            server = self._client.get(f"{_SERVER}/server-info")
        except ConnectorRefused:
            server = {}
        found = {"": self._client}
        if server.get("workspaces_enabled"):
            answer = self._client.get(f"{_SERVER}/workspaces")
            names = [text_of(entry["name"]) for entry in answer["workspaces"]]
            found = {name: self._client.in_workspace(name) for name in names}
        self._found_workspaces = found
        return found


def _experiments(client: MlflowClient) -> Iterator[dict[str, Any]]:
    everything = {"view_type": "ALL"}
    yield from _asked(client, "experiments/search", "experiments", everything)


def _asked(
    client: MlflowClient, path: str, field: str, body: Mapping[str, object]
) -> Iterator[dict[str, Any]]:
    """All pages of a search that is posted."""
    token = ""
    for _ in range(_MOST_PAGES):
        extra: dict[str, object] = {"max_results": _PAGE}
        if token:
            extra["page_token"] = token
        page = client.search(f"{_API}/{path}", {**body, **extra})
        yield from page.get(field, [])
        token = _next_token(page, token)
        if not token:
            return
    raise MalformedInput(f"{client.address}: {path} has no end")


def listed(
    client: MlflowClient, path: str, field: str, condition: str = ""
) -> Iterator[dict[str, Any]]:
    """All pages of a search by query."""
    token = ""
    for _ in range(_MOST_PAGES):
        query: dict[str, str | int] = {"max_results": _PAGE}
        if condition:
            query["filter"] = condition
        if token:
            query["page_token"] = token
        page = client.get(f"{_API}/{path}", query)
        yield from page.get(field, [])
        token = _next_token(page, token)
        if not token:
            return
    raise MalformedInput(f"{client.address}: {path} has no end")


def _next_token(page: Mapping[str, Any], token: str) -> str:
    following = text_of(page.get("next_page_token"))
    if following and following == token:
        raise MalformedInput("the server answers the same page again and again")
    return following


def _version(
    client: MlflowClient, workspace: str, found: Mapping[str, Any]
) -> VersionRow:
    name, version = text_of(found["name"]), str(found["version"])
    location = text_of(found.get("source"))
    if location.startswith(("models:", "runs:")):
        answer = client.get(
            f"{_API}/model-versions/get-download-uri",
            {"name": name, "version": version},
        )
        location = text_of(answer.get("artifact_uri")) or location
    return VersionRow(
        name=qualified(name, workspace),
        version=version,
        created_ms=_integer(found.get("creation_timestamp")),
        status=text_of(found.get("status")),
        stage=text_of(found.get("current_stage")),
        location=location,
        run_id=text_of(found.get("run_id")),
        tags=_tags(found),
    )


def _run(found: Mapping[str, Any]) -> RunRow:
    info, data = found["info"], found.get("data", {})
    inputs = found.get("inputs", {}).get("dataset_inputs", [])
    return RunRow(
        id=text_of(info["run_id"]),
        experiment_id=text_of(info.get("experiment_id")),
        name=text_of(info.get("run_name")),
        user=text_of(info.get("user_id")),
        status=text_of(info.get("status")),
        start_ms=_integer(info.get("start_time")),
        end_ms=_integer(info.get("end_time")),
        lifecycle=text_of(info.get("lifecycle_stage")),
        artifact_uri=text_of(info.get("artifact_uri")),
        params=[
            (text_of(p["key"]), text_of(p.get("value"))) for p in data.get("params", [])
        ],
        metrics=[
            MetricRow(
                text_of(m["key"]),
                float(m["value"]),
                _integer(m.get("timestamp")),
                _integer(m.get("step")) or 0,
            )
            for m in data.get("metrics", [])
        ],
        tags=_tags(data),
        inputs=[_input(entry) for entry in inputs],
    )


def _input(entry: Mapping[str, Any]) -> DatasetInputRow:
    dataset = entry.get("dataset", {})
    contexts = [
        text_of(tag.get("value"))
        for tag in entry.get("tags", [])
        if tag["key"] == "mlflow.data.context"
    ]
    return DatasetInputRow(
        name=text_of(dataset.get("name")),
        digest=text_of(dataset.get("digest")),
        source=text_of(dataset.get("source")),
        schema=text_of(dataset.get("schema")),
        context=contexts[0] if contexts else "",
    )


def _tags(holder: Mapping[str, Any]) -> dict[str, str]:
    return {text_of(t["key"]): text_of(t.get("value")) for t in holder.get("tags", [])}


def _integer(value: object) -> int | None:
    return None if value is None else int(str(value))
