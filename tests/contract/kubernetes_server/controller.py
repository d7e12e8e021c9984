"""The controllers of a cluster, one step at a time: jobs, their pods, and garbage.

Nothing moves unless a test says so: there is no timer and no node.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator

from tests.contract.kubernetes_server.argo import step_argo
from tests.contract.kubernetes_server.built_in_rules import settle_new
from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.conditions import conditions, has, say
from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    dig,
    name_of,
    namespace_of,
    timestamp,
)
from tests.contract.kubernetes_server.trainer import step_trainer
from tests.contract.kubernetes_server.training_operator import step_operated

JOBS = ("batch", "jobs")
PODS = ("", "pods")
EVENTS = ("", "events")
_FINISHED = ("Succeeded", "Failed")


class Controller:
    """What kube-controller-manager and a node would do."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.store = cluster.store

    def step(self) -> None:
        """Bring every job one step further, and take garbage away."""
        for job in self.store.all(JOBS):
            self._step_job(job)
        step_operated(self)
        step_trainer(self)
        step_argo(self)
        self.collect()

    def pods_of(self, owner: Object) -> list[Object]:
        """The pods that an object owns."""
        uid = owner["metadata"]["uid"]
        return [pod for pod in self.store.all(PODS) if uid in _owners(pod)]

    def add_pod(
        self,
        owner: Object,
        labels: dict[str, str],
        spec: Object | None = None,
        name: str = "",
    ) -> Object:
        """A new pod of an owner, pending."""
        pod = self.owned(
            owner,
            "v1",
            "Pod",
            name or f"{name_of(owner)}-{secrets.token_hex(3)[:5]}",
            spec or {"containers": [{"name": "main", "image": "image:1"}]},
        )
        pod["metadata"]["labels"] = labels
        settle_new(pod)
        return self.store.put(PODS, pod)

    def owned(
        self, owner: Object, version: str, kind: str, name: str, spec: Object
    ) -> Object:
        """A new object that belongs to another; not stored yet."""
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": name_of(owner),
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        return {
            "apiVersion": version,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": namespace_of(owner),
                "uid": str(uuid.uuid4()),
                "creationTimestamp": timestamp(),
                "generation": 1,
                "ownerReferences": [reference],
            },
            "spec": spec,
        }

    def run(self, pod: Object) -> None:
        """The containers have begun."""
        self._set_pod(pod, "Running", {"running": {"startedAt": timestamp()}})
        for container in dig(pod, "spec", "containers", default=[]):
            key = (namespace_of(pod), name_of(pod), container["name"])
            self._cluster.logs.setdefault(key, [])

    def write(self, pod: Object, *lines: str) -> None:
        """The first container says something."""
        container = pod["spec"]["containers"][0]["name"]
        key = (namespace_of(pod), name_of(pod), container)
        self._cluster.logs.setdefault(key, []).extend(lines)

    def finish(self, pod: Object, exit_code: int = 0) -> None:
        """The containers have ended."""
        self.run(pod)
        reason = "Completed" if exit_code == 0 else "Error"
        ended = {"exitCode": exit_code, "reason": reason, "finishedAt": timestamp()}
        phase = "Failed" if exit_code else "Succeeded"
        self._set_pod(pod, phase, {"terminated": ended})

    def cannot_pull(self, pod: Object) -> None:
        """The image is not to be had."""
        image = pod["spec"]["containers"][0]["image"]
        message = f'Back-off pulling image "{image}"'
        waiting = {"reason": "ImagePullBackOff", "message": message}
        self._set_pod(pod, "Pending", {"waiting": waiting})
        self.tell(pod, "Failed", "Error: ImagePullBackOff")
        self.tell(pod, "BackOff", message)

    def tell(self, found: Object, reason: str, message: str) -> None:
        """An event about an object."""
        now = timestamp()
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{name_of(found)}.{secrets.token_hex(8)}",
                "namespace": namespace_of(found),
                "uid": str(uuid.uuid4()),
                "creationTimestamp": now,
            },
            "involvedObject": {
                "apiVersion": found["apiVersion"],
                "kind": found["kind"],
                "name": name_of(found),
                "namespace": namespace_of(found),
                "uid": found["metadata"]["uid"],
            },
            "reason": reason,
            "message": message,
            "type": "Normal" if reason.startswith("Successful") else "Warning",
            "source": {"component": "kubelet"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self.store.put(EVENTS, event)

    def _set_pod(self, pod: Object, phase: str, state: Object) -> None:
        key = (namespace_of(pod), name_of(pod))
        found = self.store.get(PODS, key)
        if found is None:
            return
        status = found.setdefault("status", {})
        status["phase"] = phase
        status["containerStatuses"] = [
            {
                "name": container["name"],
                "image": container.get("image", ""),
                "imageID": "",
                "ready": "running" in state,
                "restartCount": 0,
                "state": state,
            }
            for container in dig(found, "spec", "containers", default=[])
        ]
        self.store.put(PODS, found)

    def _step_job(self, job: Object) -> None:
        if dig(job, "metadata", "deletionTimestamp"):
            return
        before = copied(job)
        status = job.setdefault("status", {})
        pods = self.pods_of(job)
        if has(job, "Complete") or has(job, "Failed"):
            return
        if dig(job, "spec", "suspend"):
            for pod in pods:
                if dig(pod, "status", "phase") not in _FINISHED:
                    self.store.remove(PODS, (namespace_of(pod), name_of(pod)))
            status.pop("startTime", None)
            say(job, "Suspended", "True", "JobSuspended", "Job suspended")
        else:
            status.setdefault("startTime", timestamp())
            if any(one["type"] == "Suspended" for one in conditions(job)):
                say(job, "Suspended", "False", "JobResumed", "Job resumed")
            self._make_pods(job, pods)
        self._count(job)
        if job != before:
            self.store.put(JOBS, job)

    def _make_pods(self, job: Object, pods: list[Object]) -> None:
        spec = job["spec"]
        phases = [dig(pod, "status", "phase") for pod in pods]
        done, failed = phases.count("Succeeded"), phases.count("Failed")
        if failed > spec["backoffLimit"]:
            return
        active = len(phases) - done - failed
        wanted = min(spec["parallelism"], spec["completions"] - done)
        template = spec["template"]
        for _ in range(wanted - active):
            labels = dict(dig(template, "metadata", "labels", default={}))
            pod = self.add_pod(job, labels, copied(template["spec"]))
            self.tell(job, "SuccessfulCreate", f"Created pod: {name_of(pod)}")

    def _count(self, job: Object) -> None:
        status, spec = job["status"], job["spec"]
        phases = [dig(pod, "status", "phase") for pod in self.pods_of(job)]
        counts = {
            "succeeded": phases.count("Succeeded"),
            "failed": phases.count("Failed"),
            "ready": phases.count("Running"),
        }
        counts["active"] = len(phases) - counts["succeeded"] - counts["failed"]
        for key, count in counts.items():
            status.pop(key, None)
            if count or key == "ready":
                status[key] = count
        if counts["succeeded"] >= spec["completions"]:
            status["completionTime"] = timestamp()
            message = "Reached expected number of succeeded pods"
            say(job, "SuccessCriteriaMet", "True", "CompletionsReached", message)
            say(job, "Complete", "True", "CompletionsReached", message)
        elif counts["failed"] > spec["backoffLimit"]:
            message = "Job has reached the specified backoff limit"
            say(job, "FailureTarget", "True", "BackoffLimitExceeded", message)
            say(job, "Failed", "True", "BackoffLimitExceeded", message)

    def collect(self) -> None:
        """Remove what has no owner left, and what waited for its dependents."""
        for key in {one.key for one in self._cluster.resources}:
            for found in self.store.all(key):
                self._finish_deletion(key, found)
        alive = {one["metadata"]["uid"] for one in self._everything()}
        for key in {one.key for one in self._cluster.resources}:
            for found in self.store.all(key):
                owners = _owners(found)
                if owners and not owners & alive:
                    self.store.remove(key, (namespace_of(found), name_of(found)))

    def _finish_deletion(self, key: tuple[str, str], found: Object) -> None:
        metadata = found["metadata"]
        finalizers = metadata.get("finalizers") or []
        if "deletionTimestamp" not in metadata:
            return
        place = (namespace_of(found), name_of(found))
        if "foregroundDeletion" in finalizers:
            for pod in self.pods_of(found):
                self.store.remove(PODS, (namespace_of(pod), name_of(pod)))
            finalizers.remove("foregroundDeletion")
        if finalizers:
            self.store.put(key, found)
        else:
            self.store.remove(key, place)

    def _everything(self) -> Iterator[Object]:
        for key in {one.key for one in self._cluster.resources}:
            yield from self.store.all(key)


def _owners(found: Object) -> set[str]:
    return {one["uid"] for one in dig(found, "metadata", "ownerReferences", default=[])}
