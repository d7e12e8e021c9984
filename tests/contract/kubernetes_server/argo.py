"""The controller of Argo Workflows, for steps and DAGs of pods.

As released ones do, it does nothing with a Workflow that is suspended, not even end it;
and what it has looked at it writes back whole, in words of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    dig,
    name_of,
    namespace_of,
    timestamp,
)
from tests.contract.kubernetes_server.written import write_back

if TYPE_CHECKING:
    from tests.contract.kubernetes_server.controller import Controller

PODS = ("", "pods")
WORKFLOWS = ("argoproj.io", "workflows")
_LABEL = "workflows.argoproj.io"
_OVER = ("Succeeded", "Failed", "Error")
_EXECUTOR = "argoexec:1"


def step_argo(controller: Controller) -> None:
    """Bring every Workflow one step further."""
    for found in controller.store.all(WORKFLOWS):
        if not dig(found, "metadata", "deletionTimestamp"):
            before = copied(found)
            _step(controller, found)
            if found != before:
                write_back(found)
                controller.store.put(WORKFLOWS, found)


def _step(controller: Controller, found: Object) -> None:
    status = found.setdefault("status", {})
    if status.get("phase") in _OVER:
        return
    status.setdefault("phase", "Running")
    status.setdefault("startedAt", timestamp())
    nodes = status.setdefault("nodes", {})
    _look_at_pods(controller, found, nodes)
    if found["spec"].get("suspend"):
        return
    if found["spec"].get("shutdown"):
        strategy = found["spec"]["shutdown"]
        _end(controller, found, f"Stopped with strategy '{strategy}'")
        return
    if _is_late(found):
        _end(controller, found, "Step exceeded its deadline")
        return
    template = _template(found, found["spec"]["entrypoint"])
    phase = _run(controller, found, template, name_of(found), "")
    if phase in _OVER:
        status |= {"phase": phase, "finishedAt": timestamp()}


def _run(
    controller: Controller, found: Object, template: Object, name: str, boundary: str
) -> str:
    """Go on with the execution of a template; its phase."""
    nodes = found["status"]["nodes"]
    key = name if name == name_of(found) else _id(found, name)
    if nodes.get(key, {}).get("phase") in _OVER:
        return str(nodes[key]["phase"])
    display = name.rpartition(".")[2]
    kinds = {"steps": "Steps", "dag": "DAG"}
    kind = next((kinds[one] for one in kinds if one in template), "Pod")
    if key not in nodes:
        nodes[key] = {
            "id": key,
            "name": name,
            "displayName": display,
            "type": kind,
            "templateName": template.get("name", ""),
            "phase": "Pending" if kind == "Pod" else "Running",
            "startedAt": timestamp(),
        } | ({"boundaryID": boundary} if boundary else {})
        if kind == "Pod":
            _make_pod(controller, found, template, nodes[key])
    if kind != "Pod":
        phase = _run_inner(controller, found, template, name, key)
        nodes[key]["phase"] = phase
        if phase in _OVER:
            nodes[key]["finishedAt"] = timestamp()
    return str(nodes[key]["phase"])


def _run_inner(
    controller: Controller, found: Object, template: Object, name: str, key: str
) -> str:
    for position, group in enumerate(template.get("steps") or []):
        head = f"{name}[{position}]"
        found["status"]["nodes"].setdefault(
            _id(found, head),
            {
                "id": _id(found, head),
                "name": head,
                "displayName": f"[{position}]",
                "type": "StepGroup",
                "phase": "Running",
                "boundaryID": key,
                "startedAt": timestamp(),
            },
        )
        phases = [
            _run(controller, found, _of_step(found, one), f"{head}.{one['name']}", key)
            for one in group
        ]
        if "Failed" in phases:
            return "Failed"
        if any(phase not in _OVER for phase in phases):
            return "Running"
    done: dict[str, str] = {}
    for task in dig(template, "dag", "tasks", default=[]):
        if all(done.get(one) == "Succeeded" for one in task.get("dependencies") or []):
            inner = _of_step(found, task)
            called = f"{name}.{task['name']}"
            done[task["name"]] = _run(controller, found, inner, called, key)
        else:
            done[task["name"]] = "Waiting"
    if "Failed" in done.values():
        return "Failed"
    return "Succeeded" if set(done.values()) <= {"Succeeded"} else "Running"


def _make_pod(
    controller: Controller, found: Object, template: Object, node: Object
) -> None:
    text = json.dumps({key: template[key] for key in template if key != "name"})
    for one in dig(found, "spec", "arguments", "parameters", default=[]):
        value = json.dumps(str(one["value"]))[1:-1]
        text = text.replace(f"{{{{workflow.parameters.{one['name']}}}}}", value)
    said = json.loads(text)
    main = said.get("container") or said["script"]
    if "script" in said:
        main["command"] = [*main["command"], "-c", main.pop("source")]
    own = {"image": _EXECUTOR, "command": ["true"]}
    pod: Object = {
        "restartPolicy": "Never",
        "initContainers": [{"name": "init", **own}, *said.get("initContainers", [])],
        "containers": [
            {"name": "wait", **own},
            {**main, "name": "main"},
            *said.get("sidecars", []),
        ],
    }
    labels = {f"{_LABEL}/workflow": name_of(found), f"{_LABEL}/completed": "false"}
    # A pod is called by its template too, unless it is all there is.
    number = node["id"].removeprefix(name_of(found))
    called = f"{name_of(found)}-{node['templateName']}{number}" if number else ""
    made = controller.add_pod(found, labels, pod, name=called or name_of(found))
    made["metadata"]["annotations"] = {
        f"{_LABEL}/node-id": node["id"],
        f"{_LABEL}/node-name": node["name"],
    }
    controller.store.put(PODS, made)


def _look_at_pods(controller: Controller, found: Object, nodes: Object) -> None:
    for pod in controller.pods_of(found):
        node = nodes.get(dig(pod, "metadata", "annotations", f"{_LABEL}/node-id"))
        phase = dig(pod, "status", "phase")
        if node is None or node["phase"] in _OVER:
            continue
        node["phase"] = phase
        codes = [
            dig(one, "state", "terminated", "exitCode")
            for one in dig(pod, "status", "containerStatuses", default=[])
            if one["name"] == "main"
        ]
        if phase in _OVER:
            node["finishedAt"] = timestamp()
            node["outputs"] = {"exitCode": str(codes[0])} if codes else {}


def _is_late(found: Object) -> bool:
    """By its deadline, which counts from when it was seen first, held or not."""
    seconds = found["spec"].get("activeDeadlineSeconds")
    began = datetime.fromisoformat(found["status"]["startedAt"])
    return seconds is not None and datetime.now(UTC) - began >= timedelta(0, seconds)


def _end(controller: Controller, found: Object, message: str) -> None:
    for pod in controller.pods_of(found):
        phase = dig(pod, "status", "phase")
        if phase == "Running":
            controller.finish(pod, 143)  # it signals the containers, and leaves the pod
        elif phase not in _OVER:
            controller.store.remove(PODS, (namespace_of(pod), name_of(pod)))
    for node in found["status"]["nodes"].values():
        if node["phase"] not in _OVER:
            node |= {"phase": "Failed", "message": message, "finishedAt": timestamp()}
    ended = {"phase": "Failed", "message": message, "finishedAt": timestamp()}
    found["status"] |= ended


def _of_step(found: Object, step: Object) -> Object:
    inline = step.get("inline")
    return dict(inline) if inline else _template(found, step["template"])


def _template(found: Object, name: str) -> Object:
    return next(one for one in _templates(found) if one["name"] == name)


def _templates(found: Object) -> Iterator[Object]:
    yield from found["spec"]["templates"]


def _id(found: Object, name: str) -> str:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return f"{name_of(found)}-{number}"
