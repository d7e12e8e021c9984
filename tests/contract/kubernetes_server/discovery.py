"""What there is: groups, versions and resources, in the old form and the new one."""

from __future__ import annotations

from collections.abc import Iterator

from tests.contract.kubernetes_server.cluster import VERSION, Cluster
from tests.contract.kubernetes_server.objects import Object
from tests.contract.kubernetes_server.problems import no_such_page, no_such_path
from tests.contract.kubernetes_server.resources import VERBS, Resource

_AGGREGATED = "as=APIGroupDiscoveryList"
_SUB_VERBS = {
    "status": ["get", "patch", "update"],
    "finalize": ["update"],
    "log": ["get"],
    "token": ["create"],
}
_SUB_KINDS = {"token": ("authentication.k8s.io", "v1", "TokenRequest")}


def wants_aggregated(accept: str) -> bool:
    """Whether everything is asked for in one answer."""
    return _AGGREGATED in accept


def aggregated_type(accept: str) -> str:
    """The media type of the answer: the version that was asked for."""
    version = "v2" if "v=v2;" in accept + ";" else "v2beta1"
    return f"application/json;g=apidiscovery.k8s.io;v={version};{_AGGREGATED}"


def version() -> Object:
    """/version"""
    return {
        "major": "1",
        "minor": VERSION.split(".")[1],
        "gitVersion": VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-11-01T00:00:00Z",
        "goVersion": "go1.26",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def _groups(cluster: Cluster) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in cluster.resources:
        versions = found.setdefault(one.group, [])
        if one.version not in versions:
            versions.append(one.version)
    return {group: sorted(versions, key=_age) for group, versions in found.items()}


def _age(version: str) -> tuple[int, str]:
    """Released versions first, then betas, then alphas."""
    return ("alpha" in version) * 2 + ("beta" in version), version


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def groups(cluster: Cluster) -> Object:
    """/apis"""
    listed = [_group(n, versions) for n, versions in _groups(cluster).items() if n]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(cluster: Cluster, name: str) -> Object:
    """/apis/GROUP

    Raises:
        ApiError: there is no such group.
    """
    found = _groups(cluster).get(name)
    if not found:
        raise no_such_page()
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, found)


def core_versions(address: str) -> Object:
    """/api"""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": address}
        ],
    }


def resources(cluster: Cluster, group: str, version: str) -> Object:
    """/api/v1 and /apis/GROUP/VERSION

    Raises:
        ApiError: there is no such version.
    """
    found = [r for r in cluster.resources if (r.group, r.version) == (group, version)]
    if not found:
        raise no_such_page() if group not in _groups(cluster) else no_such_path()
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].group_version,
        "resources": [entry for one in found for entry in _entries(one)],
    }


def _entries(resource: Resource) -> Iterator[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.is_namespaced,
        "kind": resource.kind,
        "verbs": list(VERBS),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    yield entry
    for name in sorted(resource.subresources):
        group, version, kind = _SUB_KINDS.get(name, ("", "", resource.kind))
        yield {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.is_namespaced,
            **({"group": group, "version": version} if group else {}),
            "kind": kind,
            "verbs": _SUB_VERBS.get(name, ["get", "patch", "update"]),
        }


def aggregated(cluster: Cluster, *, is_core: bool, accept: str) -> Object:
    """All groups with all their resources."""
    items = [
        {
            "metadata": {"name": name, "creationTimestamp": None} if name else {},
            "versions": [_version(cluster, name, one) for one in versions],
        }
        for name, versions in _groups(cluster).items()
        if (not name) == is_core
    ]
    version = aggregated_type(accept).split("v=")[1].split(";")[0]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _version(cluster: Cluster, group: str, version: str) -> Object:
    found = [r for r in cluster.resources if (r.group, r.version) == (group, version)]
    return {
        "version": version,
        "resources": [_discovered(one) for one in found],
        "freshness": "Current",
    }


def _discovered(resource: Resource) -> Object:
    kind = _kind(resource.group, resource.version, resource.kind)
    entry: Object = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.is_namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(VERBS),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _kind(*_SUB_KINDS[name])
                if name in _SUB_KINDS
                else kind,
                "verbs": _SUB_VERBS.get(name, ["get", "patch", "update"]),
            }
            for name in sorted(resource.subresources)
        ]
    return entry


def _kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
