"""Tables, as `kubectl get` asks for them, and lists of bare metadata."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.contract.kubernetes_server.objects import Object, dig
from tests.contract.kubernetes_server.resources import Column, Resource

_TABLE = re.compile(r"as=Table")
_METADATA = re.compile(r"as=PartialObjectMetadata(List)?")


def wants_table(accept: str) -> bool:
    """Whether the first form asked for is a table."""
    return bool(_TABLE.search(accept.split(",")[0]))


def wants_metadata(accept: str) -> bool:
    """Whether the first form asked for is bare metadata."""
    return bool(_METADATA.search(accept.split(",")[0]))


def bare(found: Object) -> Object:
    """An object, or every object of a list, without all but its metadata."""
    if "items" in found:
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": found["metadata"],
            "items": [bare(one) for one in found["items"]],
        }
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": found["metadata"],
    }


def table(found: Object, resource: Resource, include: str = "Metadata") -> Object:
    """An object or a list as rows."""
    items = found.get("items", [found])
    metadata = found["metadata"] if "items" in found else {}
    kept = {"resourceVersion", "continue", "remainingItemCount"}
    version = dig(found, "metadata", "resourceVersion", default="")
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version}
        | {key: value for key, value in metadata.items() if key in kept},
        "columnDefinitions": [
            {
                "name": column.name,
                "type": column.type,
                "format": "name" if column.name == "Name" else "",
                "description": column.description,
                "priority": column.priority,
            }
            for column in resource.columns
        ],
        "rows": [_row(one, resource, include) for one in items],
    }


def _row(found: Object, resource: Resource, include: str) -> Object:
    cells = [_cell(found, column, resource) for column in resource.columns]
    row: Object = {"cells": cells}
    if include == "Object":
        kind = {"kind": resource.kind, "apiVersion": resource.group_version}
        row["object"] = {**found, **kind}
    elif include != "None":
        row["object"] = bare(found)
    return row


def _cell(found: Object, column: Column, resource: Resource) -> Any:
    if column.name == "Name":
        return dig(found, "metadata", "name", default="")
    if column.path:
        value = _json_path(found, column.path)
        if column.type == "date":
            return age(value) if value else None
        return value
    if column.name in ("Age", "Created At"):
        created = dig(found, "metadata", "creationTimestamp")
        return created if column.name == "Created At" else age(created)
    return _CELLS[resource.kind, column.name](found)


def _json_path(found: Object, path: str) -> Any:
    """The simple paths that printer columns use: fields, positions and slices."""
    value: Any = found
    for name, at in re.findall(r"\.([^.\[\]]+)|\[([^\]]+)\]", path):
        if name:
            value = dig(value, name)
        elif at.endswith(":") and isinstance(value, list):
            value = next(iter(value[int(at[:-1]) :]), None)
        else:
            value = dig(value, int(at)) if at.lstrip("-").isdigit() else None
    return value


def age(since: str | None) -> str:
    """How long ago, as kubectl says it."""
    if not since:
        return "<unknown>"
    moment = datetime.fromisoformat(since.replace("Z", "+00:00"))
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _pod_status(found: Object) -> str:
    for one in dig(found, "status", "containerStatuses", default=[]):
        for state in ("waiting", "terminated"):
            reason = dig(one, "state", state, "reason")
            if reason:
                return str(reason)
    if dig(found, "metadata", "deletionTimestamp"):
        return "Terminating"
    return str(dig(found, "status", "phase", default="Unknown"))


def _pod_ready(found: Object) -> str:
    wanted = len(dig(found, "spec", "containers", default=[]))
    states = dig(found, "status", "containerStatuses", default=[])
    return f"{sum(bool(one.get('ready')) for one in states)}/{wanted}"


def _pod_restarts(found: Object) -> str:
    states = dig(found, "status", "containerStatuses", default=[])
    return str(sum(one.get("restartCount", 0) for one in states))


def _job_status(found: Object) -> str:
    for one in dig(found, "status", "conditions", default=[]):
        is_last = one["type"] in ("Complete", "Failed", "Suspended")
        if is_last and one["status"] == "True":
            return str(one["type"])
    return "Running"


def _job_completions(found: Object) -> str:
    done = dig(found, "status", "succeeded", default=0)
    return f"{done}/{dig(found, 'spec', 'completions', default=1)}"


def _event_object(found: Object) -> str:
    kind = dig(found, "involvedObject", "kind", default="")
    return f"{kind.lower()}/{dig(found, 'involvedObject', 'name', default='')}"


_CELLS: dict[tuple[str, str], Callable[[Object], Any]] = {
    ("Namespace", "Status"): lambda one: dig(one, "status", "phase"),
    ("Pod", "Ready"): _pod_ready,
    ("Pod", "Status"): _pod_status,
    ("Pod", "Restarts"): _pod_restarts,
    ("Event", "Last Seen"): lambda one: age(one.get("lastTimestamp")),
    ("Event", "Type"): lambda one: one.get("type"),
    ("Event", "Reason"): lambda one: one.get("reason"),
    ("Event", "Object"): _event_object,
    ("Event", "Message"): lambda one: one.get("message"),
    ("ConfigMap", "Data"): lambda one: str(len(one.get("data") or {})),
    ("Secret", "Type"): lambda one: one.get("type"),
    ("Secret", "Data"): lambda one: len(one.get("data") or {}),
    ("ServiceAccount", "Secrets"): lambda one: len(one.get("secrets") or []),
    ("Job", "Status"): _job_status,
    ("Job", "Completions"): _job_completions,
    ("Job", "Duration"): lambda one: age(dig(one, "status", "startTime")),
    ("CronJob", "Schedule"): lambda one: dig(one, "spec", "schedule"),
    ("CronJob", "Suspend"): lambda one: dig(one, "spec", "suspend"),
    ("CronJob", "Active"): lambda one: len(dig(one, "status", "active", default=[])),
}
