"""Putting an approved version where an environment's registry can serve it.

A registry of another source than the version's own gets a copy, file by file against
the manifest that was approved, before any alias moves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.mlflow.copying import CopyOrder
from connectors.protocols import ArtifactFile
from console.services.artifact_check import artifact_reader
from console.services.configuration import EnvironmentSetting
from console.services.opened import OpenStore
from policies.evidence import ModelItem
from store.identifiers import model_version_key


@dataclass(frozen=True, slots=True)
class Place:
    """Which version the registry is to show: a copy, or the version itself."""

    model: str
    version: str
    copy: str = ""
    """Key of the copy, or empty."""
    location: str = ""


NOWHERE = Place("", "")
"""Where nothing was put."""


def is_elsewhere(model: ModelItem, setting: EnvironmentSetting) -> bool:
    """Whether the environment's registry is not the one that has the version."""
    return bool(setting.source) and setting.source != model.source


def place_version(
    store: OpenStore,
    model: ModelItem,
    setting: EnvironmentSetting,
    environment: Mapping[str, str] = os.environ,
) -> Place:
    """The version as the environment's registry shows it, copied there if need be.

    Raises:
        ConnectorError: a server does not answer, or bytes are not the approved ones.
    """
    if not is_elsewhere(model, setting):
        return Place(model.model, model.version)
    from connectors.mlflow.client import MlflowClient, authorisation_from
    from connectors.mlflow.copying import MlflowCopies

    reader = artifact_reader(store, model.source)
    client = MlflowClient(
        setting.registry, authorisation=authorisation_from(environment)
    )
    order = CopyOrder(
        model.model,
        model.manifest,
        tuple(ArtifactFile(file.path, file.sha256, file.size) for file in model.files),
        f"{model.source}/{model.model}@{model.version}",
    )
    version, location = MlflowCopies(client).place(
        order, lambda path: reader.pieces(model.location, path)
    )
    key = model_version_key(setting.source, model.model, version)
    return Place(model.model, version, key, location)
