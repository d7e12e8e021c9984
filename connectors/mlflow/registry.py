"""MLflow's model registry, written to: aliases, legacy stages and tags of versions.

None of it is compare-and-swap, so whoever writes reads back.
"""

from __future__ import annotations

from connectors.errors import ConnectorRefused
from connectors.mlflow.client import MlflowClient
from connectors.mlflow.rest import listed
from connectors.parsing import well_formed

_API = "/api/2.0/mlflow"


class MlflowRegistry:
    """The registry of one server. See AliasWriter, StageWriter and TagWriter."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    @property
    def address(self) -> str:
        """See AliasWriter."""
        return self._client.address

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """See AliasWriter."""
        client, name = self._holder_of(model)
        client.post(
            f"{_API}/registered-models/alias",
            {"name": name, "alias": alias, "version": version},
        )

    def remove_alias(self, model: str, alias: str) -> None:
        """See AliasWriter."""
        client, name = self._holder_of(model)
        client.delete(f"{_API}/registered-models/alias", {"name": name, "alias": alias})

    def read_alias(self, model: str, alias: str) -> str:
        """See AliasWriter."""
        client, name = self._holder_of(model)
        try:
            found = client.get(f"{_API}/registered-models/get", {"name": name})
        except ConnectorRefused as cause:
            raise ConnectorRefused(
                f"{self.address} does not show model {model!r}: {cause}",
                hint=cause.hint
                or "Check the server in [environments.*] of countersign.toml.",
            ) from cause
        with well_formed(f"{self.address}: model {model!r}"):
            for entry in found.get("registered_model", {}).get("aliases", []):
                if entry["alias"] == alias:
                    return str(entry["version"])
        return ""

    def set_stage(
        self, model: str, version: str, stage: str, *, is_alone: bool = False
    ) -> None:
        """See StageWriter."""
        client, name = self._holder_of(model)
        client.post(
            f"{_API}/model-versions/transition-stage",
            {
                "name": name,
                "version": version,
                "stage": stage,
                "archive_existing_versions": is_alone,
            },
        )

    def versions_in(self, model: str, stage: str) -> list[str]:
        """See StageWriter."""
        client, name = self._holder_of(model)
        path, field = "model-versions/search", "model_versions"
        found = listed(client, path, field, f"name = {_quoted(name)}")
        with well_formed(f"{self.address}: versions of {model!r}"):
            versions = [
                str(entry["version"])
                for entry in found
                if entry["name"] == name and entry.get("current_stage") == stage
            ]
        return sorted(versions, key=lambda v: (v.isdecimal(), len(v), v), reverse=True)

    def set_version_tag(self, model: str, version: str, name: str, text: str) -> None:
        """See TagWriter."""
        client, called = self._holder_of(model)
        client.post(
            f"{_API}/model-versions/set-tag",
            {"name": called, "version": version, "key": name, "value": text},
        )

    def read_version_tag(self, model: str, version: str, name: str) -> str:
        """See TagWriter."""
        client, called = self._holder_of(model)
        found = client.get(
            f"{_API}/model-versions/get", {"name": called, "version": version}
        )
        with well_formed(f"{self.address}: version {version} of {model!r}"):
            for tag in found["model_version"].get("tags", []):
                if tag["key"] == name:
                    return str(tag["value"])
        return ""

    def _holder_of(self, model: str) -> tuple[MlflowClient, str]:
        """The workspace that a qualified name leads with, and the name in it."""
        workspace, slash, name = model.partition("/")
        if not slash:
            return self._client, model
        return self._client.in_workspace(workspace), name


def _quoted(name: str) -> str:
    """A name as MLflow's filters take it.

    Raises:
        ConnectorRefused: they take it in no form.
    """
    for quote in "'\"":
        if quote not in name:
            return f"{quote}{name}{quote}"
    raise ConnectorRefused(f"MLflow cannot look for a model called {name!r}")
