"""A request as the API reads it: which resource, which object, which verb."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.objects import Object
from tests.contract.kubernetes_server.problems import (
    ApiError,
    bad_request,
    no_such_page,
    no_such_path,
    unsupported,
)
from tests.contract.kubernetes_server.resources import Resource

_PATCHES = {
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/apply-patch+json",
}


@dataclass(frozen=True)
class Request:
    """One request for a resource."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str
    query: Mapping[str, str]
    body: bytes
    content_type: str
    agent: str
    warnings: list[str] = field(default_factory=list)
    """Filled while it is handled; sent as Warning headers."""

    def flag(self, name: str) -> bool:
        """Whether a parameter says true."""
        return self.query.get(name, "") in ("true", "1")

    @property
    def options(self) -> str:
        """The kind of object that the parameters of this request are."""
        return f"{self.verb.removesuffix('collection').capitalize()}Options"

    @property
    def is_dry(self) -> bool:
        """Whether nothing is to be stored.

        Raises:
            ApiError: it is neither asked for properly nor left out.
        """
        said = self.query.get("dryRun", "")
        if said not in ("", "All"):
            raise unsupported(self.options, "dryRun", f'["{said}"]', '"All"')
        return said == "All"

    @property
    def manager(self) -> str:
        """Who the changed fields are noted for."""
        return self.query.get("fieldManager") or self.agent.split("/")[0] or "unknown"


def decoded(body: bytes, content_type: str) -> Object:
    """The object in a body.

    Raises:
        ApiError: it is none, or in a form that is not read here.
    """
    kind = content_type.split(";")[0].strip()
    try:
        if "yaml" in kind:
            found = yaml.safe_load(body)
        elif kind in ("", "application/json") or kind.endswith("+json"):
            found = json.loads(body or b"{}")
        else:
            raise ApiError(
                415,
                "the body of the request was in an unknown format - accepted media "
                "types include: application/json, application/yaml",
            )
    except (ValueError, yaml.YAMLError) as problem:
        raise bad_request(
            f"the object provided is unrecognized: {problem}"
        ) from problem
    if not isinstance(found, dict):
        raise bad_request("couldn't get version/kind; json parse error")
    return found


def patch_kind(content_type: str) -> str:
    """The kind of a patch.

    Raises:
        ApiError: it is none of those that the API knows.
    """
    kind = content_type.split(";")[0].strip()
    if kind not in _PATCHES:
        raise ApiError(415, "415: Unsupported Media Type", details={})
    return kind


def understood(
    cluster: Cluster,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Request:
    """The request for a resource that a method and a path make.

    Raises:
        ApiError: there is no such resource, or it does not allow the method.
    """
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    steps = [unquote(step) for step in parts.path.strip("/").split("/")]
    if steps[0] == "api" and len(steps) > 2:
        group, version, rest = "", steps[1], steps[2:]
    elif steps[0] == "apis" and len(steps) > 3:
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        raise no_such_page()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not _is_subresource(rest):
        namespace, rest = rest[1], rest[2:]
    resource = cluster.resource(group, version, rest[0])
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if len(rest) > 3 or (subresource and subresource not in resource.subresources):
        raise no_such_path()
    if namespace and not resource.is_namespaced:
        raise no_such_path()
    if not namespace and resource.is_namespaced and (name or method == "POST"):
        raise no_such_path()
    verb = _verb(method, name, subresource, query)
    return Request(
        verb,
        resource,
        namespace,
        name,
        subresource,
        query,
        body,
        headers.get("Content-Type", ""),
        headers.get("User-Agent", ""),
    )


def _is_subresource(steps: list[str]) -> bool:
    return len(steps) == 3 and steps[2] in ("status", "finalize")


def _verb(method: str, name: str, subresource: str, query: Mapping[str, str]) -> str:
    if method == "GET":
        if query.get("watch", "") in ("true", "1") and not subresource:
            return "watch"
        return "get" if name else "list"
    is_creating = not name or bool(subresource)
    verbs = {
        "POST": "create" if is_creating else "",
        "PUT": "update" if name else "",
        "PATCH": "patch" if name else "",
        "DELETE": "delete" if name else "deletecollection",
    }
    verb = verbs.get(method, "")
    if not verb:
        raise ApiError(
            405,
            "the server does not allow this method on the requested resource",
            details={},
        )
    return verb
