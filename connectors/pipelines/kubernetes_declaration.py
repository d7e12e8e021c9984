"""What a manifest declares: the variables of its containers, or the parameters of a
Workflow. All of them are texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connectors.errors import ConnectorRefused
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import TRAIN_JOB, WORKFLOW, WorkKind
from connectors.kubernetes.templates import pod_sets
from connectors.parsing import text_of, well_formed
from connectors.pipelines.declarations import Declaration, DeclaredParameter
from connectors.pipelines.kubernetes_planning import read_manifest
from connectors.pipelines.project_path import project_path


def declared_manifest(project: str, ref: str) -> Declaration:
    """The parameters of a manifest file.

    Raises:
        ConnectorError: it is none that is launched on a cluster.
    """
    if ref:
        raise ConnectorRefused(
            "a commit cannot be kept to on a cluster",
            hint="Leave it out: an image by digest is the code.",
        )
    path = project_path(project)
    manifest, kind = read_manifest(path)
    with well_formed(path.name):
        name = text_of((manifest.get("metadata") or {}).get("name"))
        given = {
            text_of(one["name"]): text_of(one.get("value"))
            for one in _declared(manifest, kind)
            if "valueFrom" not in one
        }
    parameters = [
        DeclaredParameter(name, "text", value, is_needed=False, check=_any)
        for name, value in given.items()
    ]
    return Declaration(name or path.stem, (), tuple(parameters))


def _declared(manifest: Json, kind: WorkKind) -> Iterator[Json]:
    if kind is WORKFLOW:
        arguments = manifest["spec"].get("arguments") or {}
        yield from arguments.get("parameters") or []
    elif kind is TRAIN_JOB:
        yield from (manifest["spec"].get("trainer") or {}).get("env") or []
    else:
        yield from _variables(
            container
            for one in pod_sets(manifest, kind)
            for container in one.containers
        )


def _variables(containers: Iterable[Json]) -> Iterator[Json]:
    for container in containers:
        yield from container.get("env") or []


def _any(_: str) -> None:
    """Every text is one."""
