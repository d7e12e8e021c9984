"""The controllers of Kubeflow Trainer and of JobSet, without the jobs between a JobSet
and its pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.kubernetes_server.conditions import has, say
from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    dig,
    name_of,
    namespace_of,
)

if TYPE_CHECKING:
    from tests.contract.kubernetes_server.controller import Controller

PODS = ("", "pods")
GROUP = "trainer.kubeflow.org"
TRAIN_JOBS = (GROUP, "trainjobs")
JOB_SETS = ("jobset.x-k8s.io", "jobsets")
_ANCESTOR = "trainer.kubeflow.org/trainjob-ancestor-step"
_LABEL = "jobset.sigs.k8s.io"


def step_trainer(controller: Controller) -> None:
    """Bring every TrainJob and every JobSet one step further."""
    for key, step in ((TRAIN_JOBS, _step_train_job), (JOB_SETS, _step_job_set)):
        for found in controller.store.all(key):
            if not dig(found, "metadata", "deletionTimestamp"):
                before = copied(found)
                step(controller, found)
                if found != before:
                    controller.store.put(key, found)


def _step_train_job(controller: Controller, job: Object) -> None:
    status = job.setdefault("status", {})
    place = (namespace_of(job), name_of(job))
    is_held = bool(dig(job, "spec", "suspend"))
    made = controller.store.get(JOB_SETS, place)
    is_over = has(job, "Complete") or has(job, "Failed")
    if not is_over and (made is None or is_held or dig(made, "spec", "suspend")):
        wanted = _job_set_of(controller, job)
        if wanted is not None and made is None:
            made = controller.store.put(JOB_SETS, wanted)
        elif wanted is not None and made is not None and made["spec"] != wanted["spec"]:
            made["spec"] = wanted["spec"]
            made = controller.store.put(JOB_SETS, made)
    if is_held:
        say(job, "Suspended", "True", "Suspended", "TrainJob is suspended")
    elif has(job, "Suspended"):
        say(job, "Suspended", "False", "Resumed", "TrainJob is resumed")
    if made is None:
        return
    status["jobsStatus"] = dig(made, "status", "replicatedJobsStatus", default=[])
    for told, kind in (("Completed", "Complete"), ("Failed", "Failed")):
        if has(made, told) and not is_over:
            say(job, kind, "True", told, f"the JobSet has {told.lower()}")


def _job_set_of(controller: Controller, job: Object) -> Object | None:
    reference = job["spec"]["runtimeRef"]
    kind = reference.get("kind", "ClusterTrainingRuntime")
    where = "" if kind.startswith("Cluster") else namespace_of(job)
    key = (GROUP, f"{kind.lower()}s")
    runtime = controller.store.get(key, (where, reference["name"]))
    if runtime is None:
        return None
    spec = copied(runtime["spec"]["template"]["spec"])
    trainer = job["spec"].get("trainer") or {}
    nodes = dig(runtime, "spec", "mlPolicy", "numNodes", default=1)
    for one in spec["replicatedJobs"]:
        labels = dig(one, "template", "metadata", "labels", default={})
        if labels.get(_ANCESTOR) != "trainer":
            continue
        inner = one["template"]["spec"]
        inner["completions"] = trainer.get("numNodes", nodes)
        for container in inner["template"]["spec"]["containers"]:
            if container["name"] == "node":
                _override(container, trainer)
    spec["suspend"] = bool(job["spec"].get("suspend"))
    return controller.owned(
        job, "jobset.x-k8s.io/v1alpha2", "JobSet", name_of(job), spec
    )


def _override(container: Object, trainer: Object) -> None:
    for field in ("image", "command", "args"):
        if field in trainer:
            container[field] = trainer[field]
    given = {one["name"]: one for one in trainer.get("env") or []}
    had = {one["name"]: one for one in container.get("env") or []}
    container["env"] = list((had | given).values())


def _step_job_set(controller: Controller, found: Object) -> None:
    status = found.setdefault("status", {})
    pods = controller.pods_of(found)
    if has(found, "Completed") or has(found, "Failed"):
        return
    if dig(found, "spec", "suspend"):
        for pod in pods:
            controller.store.remove(PODS, (namespace_of(pod), name_of(pod)))
        pods = []
    told = {one["name"]: _counted(pods, one) for one in _jobs(found)}
    status["replicatedJobsStatus"] = list(told.values())
    if dig(found, "spec", "suspend"):
        return
    if any(one["failed"] for one in told.values()):
        say(found, "Failed", "True", "FailedJobs", "jobset failed")
        for pod in pods:
            if dig(pod, "status", "phase") not in ("Succeeded", "Failed"):
                controller.store.remove(PODS, (namespace_of(pod), name_of(pod)))
        return
    if all(one["succeeded"] for one in told.values()):
        say(found, "Completed", "True", "AllJobsCompleted", "jobset completed")
        return
    for one in _jobs(found):
        before = [told[other["name"]] for other in one.get("dependsOn") or []]
        if all(other["succeeded"] for other in before):
            _make(controller, found, pods, one)


def _make(
    controller: Controller, found: Object, pods: list[Object], one: Object
) -> None:
    there = {name_of(pod) for pod in pods}
    inner = one["template"]["spec"]
    for index in range(inner.get("completions") or 1):
        called = f"{name_of(found)}-{one['name']}-0-{index}"
        if called not in there:
            labels = {
                f"{_LABEL}/jobset-name": name_of(found),
                f"{_LABEL}/replicatedjob-name": one["name"],
                f"{_LABEL}/job-index": "0",
                "batch.kubernetes.io/job-completion-index": str(index),
            }
            pod = copied(inner["template"]["spec"])
            controller.add_pod(found, labels, pod, name=called)


def _jobs(found: Object) -> list[Object]:
    jobs = dig(found, "spec", "replicatedJobs", default=[])
    return list(jobs)


def _counted(pods: list[Object], one: Object) -> Object:
    """Of a job, as JobSet counts: it has succeeded once all its pods have."""
    label = f"{_LABEL}/replicatedjob-name"
    phases = [
        dig(pod, "status", "phase")
        for pod in pods
        if dig(pod, "metadata", "labels", label) == one["name"]
    ]
    wanted = one["template"]["spec"].get("completions") or 1
    is_done = phases.count("Succeeded") >= wanted
    has_failed = "Failed" in phases
    is_active = bool(phases) and not is_done and not has_failed
    return {
        "name": one["name"],
        "ready": int(phases.count("Running") >= wanted),
        "succeeded": int(is_done),
        "failed": int(has_failed),
        "active": int(is_active),
        "suspended": 0,
    }
