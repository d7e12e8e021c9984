"""Deletion: preconditions, finalizers, and what goes along with what is deleted."""

from __future__ import annotations

from dataclasses import replace

from tests.contract.kubernetes_server import reading
from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.objects import Object, dig, name_of, timestamp
from tests.contract.kubernetes_server.problems import (
    cause,
    conflict,
    invalid,
    not_found,
)
from tests.contract.kubernetes_server.reading import served
from tests.contract.kubernetes_server.requests import Request, decoded

_ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set "
    "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to "
    "suppress this warning"
)


def delete(cluster: Cluster, request: Request) -> Object:
    """Take an object away, or mark it where finalizers hold it.

    Raises:
        ApiError: it is not there, or not as the preconditions say.
    """
    resource, store = request.resource, cluster.store
    options = _delete_options(request)
    if resource.kind == "Job" and "propagationPolicy" not in options:
        request.warnings.append(_ORPHANS)
    place = (request.namespace, request.name)
    with store.changed:
        old = store.get(resource.key, place)
        if old is None:
            raise not_found(resource.group, resource.plural, request.name)
        _check_preconditions(options, old, request)
        if request.is_dry or "All" in (options.get("dryRun") or []):
            return _success(request, old)
        held = _finalizers(options, old, resource.kind)
        if not held:
            return _success(request, removed(cluster, request, place))
        metadata = old["metadata"]
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = timestamp()
            metadata["deletionGracePeriodSeconds"] = 0
            if resource.has_generation:
                metadata["generation"] = metadata.get("generation", 1) + 1
        metadata["finalizers"] = held
        return served(store.put(resource.key, old), resource)


def _delete_options(request: Request) -> Object:
    options = decoded(request.body, request.content_type) if request.body else {}
    for key in ("propagationPolicy", "gracePeriodSeconds"):
        if key in request.query:
            options.setdefault(key, request.query[key])
    said = options.get("propagationPolicy")
    if said not in (None, "Orphan", "Background", "Foreground"):
        problem = cause(
            "FieldValueNotSupported",
            "propagationPolicy",
            f'Unsupported value: "{said}": supported values: "Foreground", '
            '"Background", "Orphan", "nil"',
        )
        raise invalid("meta.k8s.io", "DeleteOptions", "", [problem])
    return options


def _check_preconditions(options: Object, old: Object, request: Request) -> None:
    shown = {"uid": "UID", "resourceVersion": "ResourceVersion"}
    for key, label in shown.items():
        wanted = dig(options, "preconditions", key)
        had = old["metadata"][key]
        if wanted and wanted != had:
            raise conflict(
                request.resource.group,
                request.resource.plural,
                request.name,
                f"Precondition failed: {label} in precondition: {wanted}, {label} in "
                f"object meta: {had}",
            )


def _finalizers(options: Object, old: Object, kind: str) -> list[str]:
    held = list(dig(old, "metadata", "finalizers", default=[]) or [])
    adds = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
    how = options.get("propagationPolicy", "")
    if not how and kind == "Job":
        how = "Orphan"
    added = adds.get(how)
    if added and added not in held:
        held.append(added)
    return held


def removed(cluster: Cluster, request: Request, place: tuple[str, str]) -> Object:
    """Take an object out of the store, and with it what it held."""
    resource = request.resource
    gone = cluster.store.remove(resource.key, place)
    if resource.kind == "Namespace":
        for other in {one.key for one in cluster.resources if one.is_namespaced}:
            for found in cluster.store.all(other, place[1]):
                cluster.store.remove(other, (place[1], name_of(found)))
    if resource.kind == "CustomResourceDefinition":
        key = (gone["spec"]["group"], gone["spec"]["names"]["plural"])
        for found in cluster.store.all(key):
            there = (found["metadata"].get("namespace", ""), name_of(found))
            cluster.store.remove(key, there)
        cluster.redefine(gone, is_removed=True)
    return gone


def _success(request: Request, gone: Object) -> Object:
    resource = request.resource
    details: Object = {"name": request.name}
    if resource.group:
        details["group"] = resource.group
    details |= {"kind": resource.plural, "uid": gone["metadata"]["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def delete_all(cluster: Cluster, request: Request) -> Object:
    """Delete every object of a list, each as if it were named."""
    found = reading.get_list(cluster, request)
    for one in found["items"]:
        namespace = one["metadata"].get("namespace", "")
        named = replace(request, verb="delete", namespace=namespace, name=name_of(one))
        delete(cluster, named)
    return found
