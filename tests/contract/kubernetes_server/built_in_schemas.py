"""Schemas of the built-in kinds, made of the official client's models."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from tests.contract.kubernetes_server.objects import Object

PREFIX = "#/components/schemas/"

# Lists that are merged by a key, as the published API marks them.
_MERGE_KEYS: dict[tuple[str, str], tuple[str, ...]] = {
    ("V1PodSpec", "containers"): ("name",),
    ("V1PodSpec", "initContainers"): ("name",),
    ("V1PodSpec", "ephemeralContainers"): ("name",),
    ("V1PodSpec", "volumes"): ("name",),
    ("V1PodSpec", "imagePullSecrets"): ("name",),
    ("V1PodSpec", "hostAliases"): ("ip",),
    ("V1Container", "env"): ("name",),
    ("V1Container", "ports"): ("containerPort", "protocol"),
    ("V1Container", "volumeMounts"): ("mountPath",),
    ("V1Container", "volumeDevices"): ("devicePath",),
    ("V1ObjectMeta", "ownerReferences"): ("uid",),
    ("V1PodStatus", "conditions"): ("type",),
    ("V1NamespaceStatus", "conditions"): ("type",),
    ("V1ServiceAccount", "secrets"): ("name",),
    ("V1CustomResourceDefinitionStatus", "conditions"): ("type",),
}
_SETS = {("V1ObjectMeta", "finalizers")}
_ATOMIC_MODELS = {
    "V1LabelSelector",
    "V1ObjectReference",
    "V1LocalObjectReference",
    "V1SecretKeySelector",
    "V1ConfigMapKeySelector",
    "V1ObjectFieldSelector",
    "V1NodeSelector",
}
_ATOMIC_MAPS = {("V1PodSpec", "nodeSelector")}
_PLAIN: dict[str, Object] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "str": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
}
_OPEN: Object = {"x-kubernetes-preserve-unknown-fields": True}
_QUANTITIES = {"limits", "requests", "capacity", "hard", "used", "overhead"}


def reference(model: str) -> Object:
    """A reference to a model's schema."""
    return {"$ref": PREFIX + model}


def resolved(schema: Object) -> Object:
    """The schema itself where it is only referred to."""
    found = schema.get("$ref")
    return model_schema(found.removeprefix(PREFIX)) if found else schema


@cache
def model_schema(name: str) -> Object:
    """The schema of one model, with references to those it is made of."""
    from kubernetes.client import models

    model: Any = getattr(models, name)
    properties = {}
    for attribute, written in model.attribute_map.items():
        properties[written] = _typed(name, written, model.openapi_types[attribute])
    required = [
        model.attribute_map[attribute]
        for attribute, field in model.model_fields.items()
        if field.is_required()
    ]
    schema: Object = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if name in _ATOMIC_MODELS:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _typed(model: str, field: str, said: str) -> Object:
    if said in _PLAIN:
        return dict(_PLAIN[said])
    if found := re.fullmatch(r"List\[(.*)\]", said):
        items = _typed(model, "", found[1])
        return {"type": "array", "items": items} | _list_kind(model, field)
    if found := re.fullmatch(r"Dict\[str, (.*)\]", said):
        values = _typed(model, "", found[1])
        if field in _QUANTITIES:
            values = {"x-kubernetes-int-or-string": True}
        kind: Object = {"type": "object", "additionalProperties": values}
        if (model, field) in _ATOMIC_MAPS:
            kind["x-kubernetes-map-type"] = "atomic"
        return kind
    if re.fullmatch(r"\w+", said) and said != "object" and _is_model(said):
        return reference(said)
    return dict(_OPEN)


def _is_model(name: str) -> bool:
    from kubernetes.client import models

    return hasattr(getattr(models, name, None), "attribute_map")


def _list_kind(model: str, field: str) -> Object:
    keys = _MERGE_KEYS.get((model, field))
    if keys:
        return {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": list(keys),
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": keys[0],
        }
    if (model, field) in _SETS:
        return {
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        }
    return {"x-kubernetes-list-type": "atomic"}


def used_by(models: list[str]) -> dict[str, Object]:
    """Every schema that some models need, by name, themselves included."""
    found: dict[str, Object] = {}
    waiting = list(models)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = model_schema(name)
            waiting.extend(_referred(found[name]))
    return found


def _referred(schema: object) -> list[str]:
    if isinstance(schema, dict):
        own = schema.get("$ref")
        named = [own.removeprefix(PREFIX)] if isinstance(own, str) else []
        return named + [name for part in schema.values() for name in _referred(part)]
    return []
