"""Create, update, patch and apply, with what the API promises of each."""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Callable

from tests.contract.kubernetes_server import managed_fields, patches
from tests.contract.kubernetes_server.built_in_rules import settle_new
from tests.contract.kubernetes_server.cluster import Cluster, schema_of
from tests.contract.kubernetes_server.definitions import establish
from tests.contract.kubernetes_server.deleting import removed
from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    dig,
    name_of,
    same,
    timestamp,
)
from tests.contract.kubernetes_server.preparing import check, prepared
from tests.contract.kubernetes_server.problems import (
    MODIFIED,
    ApiError,
    already_exists,
    bad_request,
    cause,
    conflict,
    invalid,
    not_found,
)
from tests.contract.kubernetes_server.reading import served
from tests.contract.kubernetes_server.requests import Request, decoded, patch_kind

_SUFFIX = "".join(sorted(set(string.ascii_lowercase + string.digits) - set("aeiou013")))
_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
)


def create(cluster: Cluster, request: Request) -> Object:
    """Store a new object.

    Raises:
        ApiError: it is refused, or the name is taken.
    """
    return _created(cluster, request, decoded(request.body, request.content_type))


def _created(
    cluster: Cluster, request: Request, body: Object, *, is_applied: bool = False
) -> Object:
    resource = request.resource
    found = prepared(body, request)
    metadata = found["metadata"]
    _place(cluster, request, metadata)
    if metadata.get("resourceVersion"):
        message = "resourceVersion should not be set on objects to be created"
        raise ApiError(500, message, reason="")
    for key in (*_SERVER_OWNED, "generation"):
        metadata.pop(key, None)
    if not metadata.get("name") and metadata.get("generateName"):
        suffix = "".join(secrets.choice(_SUFFIX) for _ in range(5))
        metadata["name"] = metadata["generateName"][:58] + suffix
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = timestamp()
    if resource.has_generation:
        metadata["generation"] = 1
    if resource.has_status and resource.kind != "Namespace":
        found.pop("status", None)
    check(found, None, resource)
    if not resource.is_custom:
        settle_new(found)
    if resource.kind == "CustomResourceDefinition":
        establish(found)
    if not is_applied:
        metadata.pop("managedFields", None)
        schema = schema_of(resource)
        managed_fields.updated(None, found, schema, request.manager, "")
    with cluster.store.changed:
        place = (request.namespace, metadata["name"])
        if cluster.store.get(resource.key, place) is not None:
            raise already_exists(resource.group, resource.plural, place[1])
        if request.is_dry:
            return found
        stored = cluster.store.put(resource.key, found)
    if resource.kind == "CustomResourceDefinition":
        cluster.redefine(stored)
    return served(stored, resource)


def _place(cluster: Cluster, request: Request, metadata: Object) -> None:
    """Settle the namespace, which must be there and be the one of the request."""
    if not request.resource.is_namespaced:
        metadata.pop("namespace", None)
        return
    said = metadata.setdefault("namespace", request.namespace)
    if said != request.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent "
            "on the request"
        )
    namespace = cluster.store.get(("", "namespaces"), ("", said))
    if namespace is None:
        raise not_found("", "namespaces", said)
    if dig(namespace, "metadata", "deletionTimestamp"):
        raise ApiError(
            403,
            f"unable to create new content in namespace {said} because it is being "
            "terminated",
        )


def update(cluster: Cluster, request: Request) -> Object:
    """Replace an object.

    Raises:
        ApiError: it is refused, not there, or not as the caller thought.
    """
    body = decoded(request.body, request.content_type)
    if name_of(body) != request.name:
        raise bad_request(
            f"the name of the object ({name_of(body)}) does not match the name on the "
            f"URL ({request.name})"
        )
    resource = request.resource
    if resource.is_custom and not dig(body, "metadata", "resourceVersion"):
        message = "Invalid value: 0x0: must be specified for an update"
        problem = cause("FieldValueInvalid", "metadata.resourceVersion", message)
        raise invalid(resource.group, resource.plural, request.name, [problem])
    return _changed(cluster, request, lambda _: body)


def patch(cluster: Cluster, request: Request) -> tuple[int, Object]:
    """Change an object as a patch says, or apply one; 201 when that made it.

    Raises:
        ApiError: it is refused, not there, or in conflict with another manager.
    """
    kind = patch_kind(request.content_type)
    if kind.startswith("application/apply-patch"):
        return _apply(cluster, request)
    said = _patch_body(request, kind)
    resource = request.resource
    if kind == "application/strategic-merge-patch+json" and resource.is_custom:
        raise ApiError(
            415,
            "the body of the request was in an unknown format - accepted media "
            "types include: application/json-patch+json, application/merge-patch+json",
        )

    def change(old: Object) -> Object:
        if kind == "application/json-patch+json":
            return patches.edited(old, said)
        if kind == "application/merge-patch+json":
            return dict(patches.merged(old, said))
        return dict(patches.strategic(old, said, schema_of(resource)))

    return 200, _changed(cluster, request, change)


def _patch_body(request: Request, kind: str) -> object:
    if kind != "application/json-patch+json":
        return decoded(request.body, "application/json")
    import json

    try:
        return json.loads(request.body)
    except ValueError as problem:
        raise bad_request(f"error decoding patch: {problem}") from problem


def _apply(cluster: Cluster, request: Request) -> tuple[int, Object]:
    if not request.query.get("fieldManager"):
        problem = cause(
            "FieldValueRequired",
            "fieldManager",
            "Required value: is required for apply patch",
        )
        raise invalid("meta.k8s.io", "PatchOptions", "", [problem])
    applied = decoded(request.body, "application/yaml")
    resource = request.resource
    applied.setdefault("metadata", {}).setdefault("name", request.name)
    if dig(applied, "metadata", "managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    schema = schema_of(resource)

    def change(old: Object | None) -> Object:
        return managed_fields.applied_over(
            old,
            applied,
            schema,
            request.manager,
            request.subresource,
            request.flag("force"),
        )

    with cluster.store.changed:
        place = (request.namespace, request.name)
        if cluster.store.get(resource.key, place) is None:
            if request.subresource or dig(applied, "metadata", "uid"):
                raise not_found(resource.group, resource.plural, request.name)
            return 201, _created(cluster, request, change(None), is_applied=True)
        return 200, _changed(cluster, request, change, is_applied=True)


def _changed(
    cluster: Cluster,
    request: Request,
    change: Callable[[Object], Object],
    *,
    is_applied: bool = False,
) -> Object:
    """Carry a change out on the newest state, under the lock of the store."""
    resource, store = request.resource, cluster.store
    place = (request.namespace, request.name)
    with store.changed:
        old = store.get(resource.key, place)
        if old is None:
            raise not_found(resource.group, resource.plural, request.name)
        old = served(old, resource)
        found = _prepared_change(change(copied(old)), request)
        _check_versions(found, old, request)
        _keep_what_is_not_theirs(found, old, request)
        check(found, old, resource)
        if not is_applied:
            found["metadata"].setdefault(
                "managedFields", old["metadata"].get("managedFields")
            )
            managed_fields.updated(
                old, found, schema_of(resource), request.manager, request.subresource
            )
        if same(found, old) and not is_applied:
            return old
        if same(found, old) and _owners(found) == _owners(old):
            return old
        if request.is_dry:
            return found
        if dig(found, "metadata", "deletionTimestamp") and not dig(
            found, "metadata", "finalizers"
        ):
            store.put(resource.key, found)
            return served(removed(cluster, request, place), resource)
        stored = store.put(resource.key, found)
    if resource.kind == "CustomResourceDefinition":
        cluster.redefine(stored)
    return served(stored, resource)


def _prepared_change(found: Object, request: Request) -> Object:
    """See `prepared`; what a patch leaves undecodable is invalid, not unreadable."""
    try:
        return prepared(found, request)
    except ApiError as problem:
        if request.verb != "patch" or "cannot unmarshal" not in problem.message:
            raise
        message = f"Invalid value: {problem.message}"
        refused = cause("FieldValueInvalid", "patch", message)
        raise invalid("", "", "", [refused]) from problem


def _owners(found: Object) -> list[Object]:
    entries = dig(found, "metadata", "managedFields", default=[])
    return [{k: v for k, v in one.items() if k != "time"} for one in entries]


def _check_versions(found: Object, old: Object, request: Request) -> None:
    metadata, before = found["metadata"], old["metadata"]
    resource = request.resource
    for key, said in (("name", request.name), ("namespace", request.namespace)):
        if said and metadata.setdefault(key, said) != said:
            raise bad_request(
                f"the {key} of the object ({metadata[key]}) does not match the {key} "
                f"on the URL ({said})"
            )
    uid = metadata.get("uid")
    if uid and uid != before["uid"] and request.verb == "patch":
        message = f'Invalid value: "{uid}": field is immutable'
        problem = cause("FieldValueInvalid", "metadata.uid", message)
        raise invalid(resource.group, resource.kind, request.name, [problem])
    if uid and uid != before["uid"]:
        raise conflict(
            resource.group,
            resource.plural,
            request.name,
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
            f"{before['uid']}",
        )
    version = metadata.get("resourceVersion")
    if version and version != before["resourceVersion"]:
        raise conflict(resource.group, resource.plural, request.name, MODIFIED)


def _keep_what_is_not_theirs(found: Object, old: Object, request: Request) -> None:
    """The server's own fields stay, and status and the rest are written apart."""
    resource, metadata = request.resource, found["metadata"]
    for key in (*_SERVER_OWNED, "generation"):
        if key in old["metadata"]:
            metadata[key] = old["metadata"][key]
        else:
            metadata.pop(key, None)
    metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
    if request.subresource == "status":
        status, managed = found.get("status"), metadata.get("managedFields")
        found.clear()
        found.update(copied(old))
        if managed is not None:
            found["metadata"]["managedFields"] = managed
        if status is None:
            found.pop("status", None)
        else:
            found["status"] = status
        return
    if resource.has_status:
        found.pop("status", None)
        if "status" in old:
            found["status"] = copied(old)["status"]
    if resource.has_generation and _without_status(found) != _without_status(old):
        metadata["generation"] = old["metadata"].get("generation", 1) + 1


def _without_status(found: Object) -> Object:
    outside = ("metadata", "status") if "spec" in found else ("metadata",)
    return {key: part for key, part in found.items() if key not in outside}
