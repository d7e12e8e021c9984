"""The controllers of the training operator, version 1: one pod for each replica."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.contract.kubernetes_server.conditions import conditions, has, say
from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    dig,
    name_of,
    namespace_of,
    timestamp,
)

if TYPE_CHECKING:
    from tests.contract.kubernetes_server.controller import Controller

PODS = ("", "pods")
GROUP = "kubeflow.org"
LEADERS = {
    "PyTorchJob": ("Master", "Worker"),
    "TFJob": ("Chief", "Master", "Worker"),
    "MPIJob": ("Launcher",),
}
"""The replicas that decide, the first that there are."""
_INJECTED = {
    ("PyTorchJob", "Worker"): "init-pytorch",
    ("MPIJob", "Launcher"): "kubectl-delivery",
}
"""Containers that the operator puts before those of the manifest."""
_LABEL = "training.kubeflow.org"


def step_operated(controller: Controller) -> None:
    """Bring every job of the operator one step further."""
    for kind in LEADERS:
        key = (GROUP, f"{kind.lower()}s")
        for job in controller.store.all(key):
            if not dig(job, "metadata", "deletionTimestamp"):
                before = copied(job)
                _step(controller, job)
                if job != before:
                    controller.store.put(key, job)


def _step(controller: Controller, job: Object) -> None:
    status = job.setdefault("status", {})
    pods = controller.pods_of(job)
    if has(job, "Succeeded") or has(job, "Failed"):
        _clean(controller, job, pods)
        return
    status["replicaStatuses"] = {
        name: _counted(pods, name) for name, _ in _replicas(job)
    }
    kind = job["kind"]
    if dig(job, "spec", "runPolicy", "suspend"):
        for pod in pods:
            controller.store.remove(PODS, (namespace_of(pod), name_of(pod)))
        for counts in status["replicaStatuses"].values():
            counts["active"] = 0
        if has(job, "Running"):
            say(job, "Running", "False", f"{kind}Suspended", "is suspended")
        say(job, "Suspended", "True", f"{kind}Suspended", "is suspended")
        return
    if not conditions(job):
        say(job, "Created", "True", f"{kind}Created", "is created")
    if has(job, "Suspended"):
        say(job, "Suspended", "False", f"{kind}Resumed", "is resumed")
        status["startTime"] = timestamp()
    status.setdefault("startTime", timestamp())
    for name, spec in _replicas(job):
        _make(controller, job, pods, name, spec)
    _decide(job, status)


def _make(
    controller: Controller, job: Object, pods: list[Object], name: str, spec: Object
) -> None:
    there = {name_of(pod) for pod in pods}
    for index in range(spec.get("replicas", 1)):
        number = "" if name == "Launcher" else f"-{index}"
        called = f"{name_of(job)}-{name.lower()}{number}"
        if called in there:
            continue
        template = copied(spec["template"])
        pod = template["spec"]
        pod["restartPolicy"] = spec.get("restartPolicy", "Never")
        injected = _INJECTED.get((job["kind"], name))
        has_leader = any(other == "Master" for other, _ in _replicas(job))
        if injected and (name != "Worker" or has_leader):
            own = {"name": injected, "image": "operator:1", "command": ["true"]}
            pod["initContainers"] = [*(pod.get("initContainers") or []), own]
        labels = {
            **dig(template, "metadata", "labels", default={}),
            f"{_LABEL}/job-name": name_of(job),
            f"{_LABEL}/operator-name": f"{job['kind'].lower()}-controller",
            f"{_LABEL}/replica-type": name.lower(),
        }
        if number:
            labels[f"{_LABEL}/replica-index"] = str(index)
        controller.add_pod(job, labels, pod, name=called)


def _decide(job: Object, status: Object) -> None:
    kind, replicas = job["kind"], dict(_replicas(job))
    leader = next(name for name in LEADERS[kind] if name in replicas)
    counts = status["replicaStatuses"]
    if any(one["failed"] for one in counts.values()):
        status["completionTime"] = timestamp()
        if has(job, "Running"):
            say(job, "Running", "False", f"{kind}Failed", "has failed")
        say(job, "Failed", "True", f"{kind}Failed", "because a replica failed")
    elif counts[leader]["succeeded"] >= replicas[leader].get("replicas", 1):
        status["completionTime"] = timestamp()
        if has(job, "Running"):
            say(job, "Running", "False", f"{kind}Succeeded", "is finished")
        say(job, "Succeeded", "True", f"{kind}Succeeded", "is successfully completed")
    elif counts[leader]["active"]:
        say(job, "Running", "True", f"{kind}Running", "is running")


def _clean(controller: Controller, job: Object, pods: list[Object]) -> None:
    policy = dig(job, "spec", "runPolicy", "cleanPodPolicy") or "None"
    for pod in pods:
        is_active = dig(pod, "status", "phase") in ("Running", "Pending")
        if policy == "All" or (policy == "Running" and is_active):
            controller.store.remove(PODS, (namespace_of(pod), name_of(pod)))
    if has(job, "Succeeded"):
        for counts in job["status"]["replicaStatuses"].values():
            counts["succeeded"] += counts["active"]
            counts["active"] = 0


def _replicas(job: Object) -> Iterator[tuple[str, Object]]:
    for key, sets in job["spec"].items():
        if key.endswith("ReplicaSpecs"):
            yield from sets.items()


def _counted(pods: list[Object], name: str) -> Object:
    label = f"{_LABEL}/replica-type"
    phases = [
        dig(pod, "status", "phase")
        for pod in pods
        if dig(pod, "metadata", "labels", label) == name.lower()
    ]
    done, failed = phases.count("Succeeded"), phases.count("Failed")
    return {"active": phases.count("Running"), "succeeded": done, "failed": failed}
