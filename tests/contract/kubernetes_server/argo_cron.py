"""The controller of CronWorkflows, driven by a test's clock, as that of 3.6 and later.

It fires at a time that comes while it watches an object. What it missed it makes up for
only once something was started before, and within the deadline.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from tests.contract.kubernetes_server.argo import WORKFLOWS
from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.cron import due
from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    dig,
    name_of,
    namespace_of,
    timestamp,
)
from tests.contract.kubernetes_server.written import write_back

CRON_WORKFLOWS = ("argoproj.io", "cronworkflows")
_LABEL = "workflows.argoproj.io"
_OVER = ("Succeeded", "Failed", "Error")
_CREATORS = ("creator", "creator-email", "creator-preferred-username")


class ArgoCron:
    """Starts what is due, when a test says which time it is."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store

    def tick(self, now: datetime) -> list[str]:
        """Let time pass up to a moment; the names of the Workflows that were started.

        It has watched every object since it was made.
        """
        started = []
        for found in self._store.all(CRON_WORKFLOWS):
            self._settle(found)
            uid = found["metadata"]["uid"]
            made = _moment(found["metadata"]["creationTimestamp"])
            since = self._cluster.cron_seen.get(uid, made)
            self._cluster.cron_seen[uid] = now
            for at in self._missed(found, since) + self._firing(found, since, now):
                name = self._run(found, at)
                started += [name] if name else []
            self._store.put(CRON_WORKFLOWS, found)
        return started

    def sleep(self, until: datetime) -> None:
        """Time passes, and no controller is there."""
        for found in self._store.all(CRON_WORKFLOWS):
            self._cluster.cron_seen[found["metadata"]["uid"]] = until

    def jobs_of(self, found: Object) -> list[Object]:
        """The Workflows that a CronWorkflow controls."""
        uid = found["metadata"]["uid"]
        return [
            one
            for one in self._store.all(WORKFLOWS)
            if any(
                owner["uid"] == uid and owner.get("controller")
                for owner in one["metadata"].get("ownerReferences") or []
            )
        ]

    def start(self, found: Object, name: str, at: datetime | None) -> Object:
        """A Workflow of a CronWorkflow, as its controller or `argo submit --from`
        makes it."""
        given = copied(found["spec"].get("workflowMetadata") or {})
        labels = {
            f"{_LABEL}/{key}": value
            for key in _CREATORS
            if (value := dig(found, "metadata", "labels", f"{_LABEL}/{key}"))
        }
        instance = dig(found, "metadata", "labels", f"{_LABEL}/controller-instanceid")
        if instance:
            labels[f"{_LABEL}/controller-instanceid"] = instance
        labels[f"{_LABEL}/cron-workflow"] = name_of(found)
        said = timestamp(at or datetime.now(UTC))
        made: Object = {
            "apiVersion": found["apiVersion"],
            "kind": "Workflow",
            "metadata": {
                "name": name,
                "namespace": namespace_of(found),
                "labels": labels | (given.get("labels") or {}),
                "annotations": {f"{_LABEL}/scheduled-time": said}
                | (given.get("annotations") or {}),
                "uid": str(uuid.uuid4()),
                "creationTimestamp": said,
                "generation": 1,
                "ownerReferences": [
                    {
                        "apiVersion": found["apiVersion"],
                        "kind": "CronWorkflow",
                        "name": name_of(found),
                        "uid": found["metadata"]["uid"],
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            "spec": copied(found["spec"]["workflowSpec"]),
            "status": {},
        }
        write_back(made)
        return self._store.put(WORKFLOWS, made)

    def _run(self, found: Object, at: datetime) -> str:
        """Start what is due, if its spec and its policy let it."""
        spec, status = found["spec"], found["status"]
        problem = _problem(spec)
        if problem:
            said = {"type": "SpecError", "status": "True", "message": problem}
            status["conditions"] = [said]
            return ""
        status["conditions"] = []
        if spec.get("suspend") or dig(found, "metadata", "deletionTimestamp"):
            return ""
        policy, active = spec.get("concurrencyPolicy") or "Allow", status["active"]
        if policy == "Forbid" and active:
            return ""
        if policy == "Replace":
            for one in self.jobs_of(found):
                if dig(one, "status", "phase") not in _OVER:
                    one["spec"]["shutdown"] = "Terminate"
                    self._store.put(WORKFLOWS, one)
        name = f"{name_of(found)}-{int(at.timestamp())}"
        if self._store.get(WORKFLOWS, (namespace_of(found), name)) is not None:
            return ""
        made = self.start(found, name, at)
        status["active"] = [*active, {"name": name, "uid": made["metadata"]["uid"]}]
        status |= {"lastScheduledTime": timestamp(at), "phase": "Active"}
        return name

    def _firing(self, found: Object, since: datetime, now: datetime) -> list[datetime]:
        if _problem(found["spec"]):
            return [now]
        return self._due(found, since, now)

    def _missed(self, found: Object, now: datetime) -> list[datetime]:
        """The last time that passed without anything, if it is not too late for it."""
        last = dig(found, "status", "lastScheduledTime")
        late = found["spec"].get("startingDeadlineSeconds")
        if last is None or late is None or _problem(found["spec"]):
            return []
        passed = self._due(found, _moment(last), now)
        return [at for at in passed[-1:] if now < at + timedelta(seconds=late)]

    def _due(self, found: Object, since: datetime, now: datetime) -> list[datetime]:
        spec = found["spec"]
        zone = spec.get("timezone") or "UTC"
        times = [spec["schedule"]] if "schedule" in spec else spec["schedules"]
        return sorted(at for one in times for at in due(one, zone, since, now))

    def _settle(self, found: Object) -> None:
        """What still runs, and of what has ended what is too much."""
        spec, status = found["spec"], found.setdefault("status", {})
        ended: dict[bool, list[Object]] = {True: [], False: []}
        active = []
        for one in self.jobs_of(found):
            phase = dig(one, "status", "phase")
            if phase not in _OVER:
                mark = {"name": name_of(one), "uid": one["metadata"]["uid"]}
                active.append(mark)
            elif dig(one, "metadata", "labels", f"{_LABEL}/cron-workflow"):
                ended[phase == "Succeeded"].append(one)
        status["active"] = active
        limits = {True: ("successful", 3), False: ("failed", 1)}
        for is_good, works in ended.items():
            name, kept = limits[is_good]
            kept = spec.get(f"{name}JobsHistoryLimit", kept)
            works.sort(key=lambda one: str(one["status"].get("finishedAt")))
            for one in works[: max(0, len(works) - kept)]:
                self._store.remove(WORKFLOWS, (namespace_of(one), name_of(one)))


def _problem(spec: Object) -> str:
    """What its controller says of a spec that it does not take."""
    if "schedule" in spec and "schedules" in spec:
        return "cannot have both schedule and schedules"
    if not (spec.get("schedule") or spec.get("schedules")):
        return "cron schedule is malformed: Empty spec string"
    return ""


def _moment(said: str) -> datetime:
    return datetime.fromisoformat(said.replace("Z", "+00:00"))
