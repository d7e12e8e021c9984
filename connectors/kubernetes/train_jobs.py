"""A TrainJob for the version of the definition that a cluster has.

The definition changes from release to release without a new version: what is written
here is held against the fields that the cluster says it knows, and what it lacks is
refused, never sent and dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from connectors.errors import ConnectorRefused
from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.kinds import TRAIN_JOB, served
from connectors.parsing import well_formed

_DEEPEST = 64
_PREFIX = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Training:
    """What to train, on which runtime."""

    runtime: str
    image: str = ""
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    nodes: int = 0
    """0: as the runtime has it."""
    resources: Mapping[str, str] = field(default_factory=dict)
    """Requested and allowed for each node: `cpu`, `memory`, `nvidia.com/gpu`."""
    dataset: str = ""
    """Where the data set lies, for the runtime's initializer."""
    model: str = ""
    is_namespaced_runtime: bool = False
    deadline_seconds: int = 0
    """0: none. Older definitions know none."""


def train_job(training: Training) -> Json:
    """The manifest, without a name: that comes from its launch."""
    kind = "TrainingRuntime" if training.is_namespaced_runtime else ""
    reference = {"name": training.runtime} | ({"kind": kind} if kind else {})
    spec: Json = {"runtimeRef": reference, "suspend": True}
    if trainer := _trainer(training):
        spec["trainer"] = trainer
    initializer = {
        name: {"storageUri": uri}
        for name, uri in (("dataset", training.dataset), ("model", training.model))
        if uri
    }
    if initializer:
        spec["initializer"] = initializer
    if training.deadline_seconds:
        spec["activeDeadlineSeconds"] = training.deadline_seconds
    version = f"{TRAIN_JOB.group}/{TRAIN_JOB.versions[0]}"
    return {"apiVersion": version, "kind": TRAIN_JOB.kind, "spec": spec}


def _trainer(training: Training) -> Json:
    trainer: Json = {}
    if training.image:
        trainer["image"] = training.image
    if training.command:
        trainer["command"] = list(training.command)
    if training.arguments:
        trainer["args"] = list(training.arguments)
    if training.environment:
        pairs = sorted(training.environment.items())
        trainer["env"] = [{"name": name, "value": value} for name, value in pairs]
    if training.nodes:
        trainer["numNodes"] = training.nodes
    if training.resources:
        amounts = dict(training.resources)
        trainer["resourcesPerNode"] = {"requests": amounts, "limits": dict(amounts)}
    return trainer


def published_schema(client: KubernetesClient) -> Json:
    """The schema of a TrainJob as the cluster publishes it.

    Raises:
        ConnectorRefused: the cluster knows no TrainJob.
        ConnectorError: it does not answer.
    """
    place = served(client, TRAIN_JOB)
    path = f"/openapi/v3/apis/{TRAIN_JOB.group}/{place.version}"
    document = client.get(path)
    with well_formed(f"the schemas of {TRAIN_JOB.group}"):
        schemas: Json = document["components"]["schemas"]
        for schema in schemas.values():
            kinds = schema.get("x-kubernetes-group-version-kind") or []
            if any(
                one.get("group") == TRAIN_JOB.group
                and one.get("kind") == TRAIN_JOB.kind
                for one in kinds
            ):
                return {**schema, "definitions": schemas}
    raise ConnectorRefused("the cluster publishes no schema of a TrainJob")


def check_known(manifest: Json, schema: Json) -> None:
    """Hold a manifest against the fields that a definition knows.

    Raises:
        ConnectorRefused: it uses one that the definition lacks.
    """
    with well_formed("a published schema"):
        unknown = sorted(_unknown(manifest, schema, schema, "", 0))
    if unknown:
        raise ConnectorRefused(
            f"the TrainJob of this cluster has no {', '.join(unknown)}",
            hint="Leave it out, or install a newer version of the trainer.",
        )


def _unknown(
    value: object, schema: Json, root: Json, path: str, depth: int
) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    schema = _resolved(schema, root)
    if isinstance(value, list):
        for one in value:
            yield from _unknown(one, schema.get("items") or {}, root, path, depth + 1)
    if not isinstance(value, dict):
        return
    properties, more = schema.get("properties"), schema.get("additionalProperties")
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or more is True
    for key, part in value.items():
        where = f"{path}.{key}" if path else key
        if path == "" and key == "metadata":
            continue
        if properties and key in properties:
            yield from _unknown(part, properties[key], root, where, depth + 1)
        elif isinstance(more, dict):
            yield from _unknown(part, more, root, where, depth + 1)
        elif properties is not None and not is_open:
            yield where


def _resolved(schema: Json, root: Json) -> Json:
    for part in [schema, *(schema.get("allOf") or [])]:
        name = part.get("$ref")
        if isinstance(name, str):
            found = root["definitions"][name.removeprefix(_PREFIX)]
            return dict(found)
    return schema
