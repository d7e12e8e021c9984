"""Get and list: selectors, pages that agree with one another, and logs."""

from __future__ import annotations

import base64
import json

from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    dig,
    name_of,
    namespace_of,
)
from tests.contract.kubernetes_server.problems import (
    ApiError,
    bad_request,
    gone,
    not_found,
)
from tests.contract.kubernetes_server.requests import Request
from tests.contract.kubernetes_server.resources import Resource
from tests.contract.kubernetes_server.selectors import Matches, by_fields, by_labels

EXPIRED_PAGE = (
    "The provided continue parameter is too old to display a consistent list "
    "result. You can start a new list without the continue parameter."
)


def served(found: Object, resource: Resource) -> Object:
    """An object in the version that was asked for."""
    return {**found, "apiVersion": resource.group_version, "kind": resource.kind}


def get_one(cluster: Cluster, request: Request) -> Object:
    """The object.

    Raises:
        ApiError: it is not there.
    """
    resource = request.resource
    found = cluster.store.get(resource.key, (request.namespace, request.name))
    if found is None:
        raise not_found(resource.group, resource.plural, request.name)
    return served(found, resource)


def selection(request: Request) -> Matches:
    """Whether an object is among those asked for.

    Raises:
        ApiError: a selector cannot be read.
    """
    resource = request.resource
    labels = by_labels(request.query.get("labelSelector", ""))
    fields = by_fields(
        request.query.get("fieldSelector", ""),
        resource.plural,
        resource.selectable_fields,
    )

    def matches(found: Object) -> bool:
        is_here = not request.namespace or namespace_of(found) == request.namespace
        is_named = not request.name or name_of(found) == request.name
        return is_here and is_named and labels(found) and fields(found)

    return matches


def get_list(cluster: Cluster, request: Request) -> Object:
    """One page of a list; pages begun at one revision go on at it.

    Raises:
        ApiError: a parameter is wrong, or the page is no longer kept.
    """
    matches = selection(request)
    resource, store = request.resource, cluster.store
    limit = _limit(request)
    token = request.query.get("continue", "")
    with store.changed:
        if token:
            revision, start = _read_token(token)
            found = store.snapshot(resource.key, revision)
            if found is None:
                raise gone(EXPIRED_PAGE)
        else:
            revision, start = store.revision, ("", "")
            _check_revision(request, revision)
            found = store.listed(resource.key)
        if limit and not token:
            store.keep(resource.key, revision, found)
    chosen = [
        one
        for one in found
        if matches(one) and (namespace_of(one), name_of(one)) > start
    ]
    page = chosen[:limit] if limit else chosen
    metadata: Object = {"resourceVersion": str(revision)}
    if len(page) < len(chosen):
        metadata["continue"] = _write_token(revision, page[-1])
        if not (
            request.query.get("labelSelector") or request.query.get("fieldSelector")
        ):
            metadata["remainingItemCount"] = len(chosen) - len(page)
    items = [served(copied(one), resource) for one in page]
    if not resource.is_custom:
        for item in items:
            del item["apiVersion"], item["kind"]
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.group_version,
        "metadata": metadata,
        "items": items,
    }


def _limit(request: Request) -> int:
    try:
        return int(request.query.get("limit") or 0)
    except ValueError as problem:
        raise bad_request(f"invalid limit: {problem}") from problem


def _check_revision(request: Request, now: int) -> None:
    said = request.query.get("resourceVersion", "")
    match = request.query.get("resourceVersionMatch", "")
    if match and not said:
        message = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise ApiError(422, f" is invalid: resourceVersionMatch: Forbidden: {message}")
    if said and not said.isdigit():
        raise bad_request(f'Invalid value: "{said}": strconv.ParseUint: invalid syntax')
    if said and int(said) > now:
        raise ApiError(
            504,
            f"Timeout: Too large resource version: {said}, current: {now}",
            details={
                "causes": [
                    {
                        "reason": "ResourceVersionTooLarge",
                        "message": "Too large resource version",
                    }
                ],
                "retryAfterSeconds": 1,
            },
        )


def _write_token(revision: int, last: Object) -> str:
    said = {
        "v": "meta.k8s.io/v1",
        "rv": revision,
        "start": [namespace_of(last), name_of(last)],
    }
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        said = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = said["start"]
        return int(said["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError) as problem:
        raise bad_request(f"continue key is not valid: {problem}") from problem


def get_log(cluster: Cluster, request: Request) -> bytes:
    """The lines that a container wrote; none while the pod has no node.

    Raises:
        ApiError: there is no such container, or it has not begun.
    """
    pod = get_one(cluster, request)
    names = [one["name"] for one in dig(pod, "spec", "containers", default=[])]
    names += [one["name"] for one in dig(pod, "spec", "initContainers", default=[])]
    container = request.query.get("container") or (names[0] if len(names) == 1 else "")
    if not container:
        listed = " ".join(names)
        raise bad_request(
            f"a container name must be specified for pod {request.name}, "
            f"choose one of: [{listed}]"
        )
    if container not in names:
        raise bad_request(f"container {container} is not valid for pod {request.name}")
    lines = cluster.logs.get((request.namespace, request.name, container))
    reason = _waiting(pod, container)
    if lines is None and not reason:
        return b""
    if lines is None:
        raise bad_request(
            f'container "{container}" in pod "{request.name}" is waiting to start: '
            f"{reason}"
        )
    tail = request.query.get("tailLines")
    if tail is not None:
        lines = lines[-int(tail) :] if int(tail) else []
    if request.query.get("timestamps") == "true":
        began = dig(pod, "metadata", "creationTimestamp")
        lines = [f"{began.rstrip('Z')}.000000001Z {line}" for line in lines]
    text = "".join(f"{line}\n" for line in lines).encode()
    most = request.query.get("limitBytes")
    return text[: int(most)] if most else text


def _waiting(pod: Object, container: str) -> str:
    for one in dig(pod, "status", "containerStatuses", default=[]):
        if one["name"] == container:
            return str(dig(one, "state", "waiting", "reason", default=""))
    return ""
