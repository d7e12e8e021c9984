"""Watches: the changes of a selection from a revision on, with bookmarks."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.faults import Fault
from tests.contract.kubernetes_server.objects import Object, copied
from tests.contract.kubernetes_server.problems import (
    ApiError,
    bad_request,
    cause,
    invalid,
)
from tests.contract.kubernetes_server.reading import selection, served
from tests.contract.kubernetes_server.requests import Request
from tests.contract.kubernetes_server.selectors import Matches
from tests.contract.kubernetes_server.store import Change

_LONGEST_SECONDS = 1800.0
_POLL_SECONDS = 0.2


def events(
    cluster: Cluster, request: Request, fault: Fault | None
) -> Iterator[list[Object]]:
    """Batches of events until the watch is over; an empty batch is a moment of quiet.

    Raises:
        ApiError: the watch cannot begin.
    """
    matches = selection(request)
    revision, is_from_state = _start(cluster, request)
    return _told(cluster, request, matches, revision, is_from_state, fault)


def _start(cluster: Cluster, request: Request) -> tuple[int, bool]:
    said = request.query.get("resourceVersion", "")
    if request.flag("sendInitialEvents"):
        if request.query.get("resourceVersionMatch") != "NotOlderThan":
            problem = cause(
                "FieldValueForbidden",
                "sendInitialEvents",
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
                "NotOlderThan",
            )
            raise invalid("meta.k8s.io", "ListOptions", "", [problem])
        return cluster.store.revision, True
    if said in ("", "0"):
        return cluster.store.revision, True
    if not said.isdigit():
        why = f'Invalid value: "{said}": strconv.ParseUint: invalid syntax'
        raise ApiError(500, f"resourceVersion: {why}", reason="")
    return int(said), False


def _told(
    cluster: Cluster,
    request: Request,
    matches: Matches,
    revision: int,
    is_from_state: bool,
    fault: Fault | None,
) -> Iterator[list[Object]]:
    store, resource = cluster.store, request.resource
    ends = time.monotonic() + _seconds(request)
    if fault is Fault.GONE_EVENT:
        yield [too_old(revision)]
        return
    with store.changed:
        first: list[Object] = []
        if is_from_state:
            revision = store.revision
            found = [one for one in store.all(resource.key) if matches(one)]
            first = [
                {"type": "ADDED", "object": served(one, resource)} for one in found
            ]
            if request.flag("sendInitialEvents"):
                first.append(_bookmark(request, revision, is_initial=True))
    yield first
    bookmark_at = time.monotonic() + cluster.bookmark_seconds
    while time.monotonic() < ends and not cluster.stopping.is_set():
        if revision < store.forgotten_to:
            yield [too_old(revision)]
            return
        changes = store.after(revision)
        revision = max((one.revision for one in changes), default=revision)
        batch = [
            event
            for change in changes
            if change.key == resource.key
            for event in _event(change, matches, request)
        ]
        if time.monotonic() >= bookmark_at and request.flag("allowWatchBookmarks"):
            batch.append(_bookmark(request, revision))
            bookmark_at = time.monotonic() + cluster.bookmark_seconds
        yield batch
        store.wait_beyond(revision, min(_POLL_SECONDS, _left(ends)))


def _left(ends: float) -> float:
    return max(0.0, ends - time.monotonic())


def _seconds(request: Request) -> float:
    try:
        return float(request.query.get("timeoutSeconds") or _LONGEST_SECONDS)
    except ValueError as problem:
        raise bad_request(f"invalid timeoutSeconds: {problem}") from problem


def _event(change: Change, matches: Matches, request: Request) -> Iterator[Object]:
    """A change as the selection sees it: what leaves it was deleted for the watcher."""
    was_in = change.before is not None and matches(change.before)
    is_in = change.type != "DELETED" and matches(change.found)
    if not (was_in or is_in):
        return
    kind = "MODIFIED" if was_in and is_in else "ADDED" if is_in else "DELETED"
    found = copied(change.found)
    if kind == "DELETED" and change.type != "DELETED" and change.before is not None:
        found = copied(change.before)
        found["metadata"]["resourceVersion"] = str(change.revision)
    yield {"type": kind, "object": served(found, request.resource)}


def _bookmark(request: Request, revision: int, *, is_initial: bool = False) -> Object:
    metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
    if is_initial:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    resource = request.resource
    found = {"kind": resource.kind, "apiVersion": resource.group_version}
    return {"type": "BOOKMARK", "object": found | {"metadata": metadata}}


def too_old(revision: int) -> Object:
    """The event that says that a revision is no longer kept."""
    error = ApiError(410, f"too old resource version: {revision} (9999)")
    return {"type": "ERROR", "object": error.status()}
