"""OpenAPI documents: enough for `kubectl apply`, `explain` and validation."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from tests.contract.kubernetes_server.built_in_schemas import PREFIX, used_by
from tests.contract.kubernetes_server.cluster import VERSION, Cluster, schema_of
from tests.contract.kubernetes_server.objects import Object, compact
from tests.contract.kubernetes_server.problems import no_such_path
from tests.contract.kubernetes_server.resources import Resource

_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
)
_STRATEGIC = "application/strategic-merge-patch+json"


def index(cluster: Cluster) -> Object:
    """/openapi/v3"""
    paths = {}
    for one in cluster.resources:
        place = f"apis/{one.group_version}" if one.group else f"api/{one.version}"
        if place not in paths:
            said = document(cluster, one.group, one.version)
            digest = hashlib.sha256(compact(said)).hexdigest().upper()
            url = f"/openapi/v3/{place}?hash={digest}"
            paths[place] = {"serverRelativeURL": url}
    return {"paths": paths}


def document(cluster: Cluster, group: str, version: str) -> Object:
    """The document of one version of one group.

    Raises:
        ApiError: there is none.
    """
    found = [r for r in cluster.resources if (r.group, r.version) == (group, version)]
    if not found:
        raise no_such_path()
    schemas = used_by([one.model for one in found if one.model] + ["V1ObjectMeta"])
    schemas = copy.deepcopy(schemas)
    for one in found:
        name = _schema_name(one)
        if one.is_custom:
            schemas[name] = copy.deepcopy(schema_of(one))
        schemas[name]["x-kubernetes-group-version-kind"] = [_kind(one)]
    paths: Object = {}
    for one in found:
        paths |= _paths(one)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schema_name(resource: Resource) -> str:
    return resource.model or f"{resource.group}.{resource.version}.{resource.kind}"


def _kind(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version}
    return kind | {"kind": resource.kind}


def _paths(resource: Resource) -> Object:
    root = f"/apis/{resource.group_version}" if resource.group else "/api/v1"
    inner = "/namespaces/{namespace}" if resource.is_namespaced else ""
    many = f"{root}{inner}/{resource.plural}"
    return {
        many: {
            "get": _operation(resource, "list"),
            "post": _operation(resource, "post"),
        },
        many + "/{name}": {
            "get": _operation(resource, "get"),
            "put": _operation(resource, "put"),
            "patch": _operation(resource, "patch"),
            "delete": _operation(resource, "delete"),
        },
    }


def _operation(resource: Resource, action: str) -> Object:
    schema = {"$ref": PREFIX + _schema_name(resource)}
    names = ["dryRun", "fieldManager", "fieldValidation"]
    if action == "patch":
        names.append("force")
    said: Object = {
        "operationId": f"{action}{resource.kind}",
        "parameters": [
            {"name": one, "in": "query", "schema": {"type": "string"}} for one in names
        ],
        "responses": {
            "200": {
                "description": "OK",
                "content": {"application/json": {"schema": schema}},
            }
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _kind(resource),
    }
    if action == "patch":
        kinds = _PATCHES if resource.is_custom else (*_PATCHES, _STRATEGIC)
        body: Any = {"schema": {"type": "object"}}
        said["requestBody"] = {"content": {kind: body for kind in kinds}}
    return said


def swagger() -> Object:
    """/openapi/v2: there, but empty; every newer client reads version 3."""
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": {},
        "definitions": {},
    }
