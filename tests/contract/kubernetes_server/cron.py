"""What the API refuses of a CronJob, and its controller, driven by a test's clock.

Times are found minute by minute: slow, and plain enough to be right.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.contract.kubernetes_server.built_in_rules import (
    fill_in_built_in,
    problems_of_pod,
    settle_new,
)
from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    dig,
    name_of,
    namespace_of,
    timestamp,
)
from tests.contract.kubernetes_server.problems import cause

JOBS = ("batch", "jobs")
CRON_JOBS = ("batch", "cronjobs")
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MOST_MISSED = 100
_MINUTE = timedelta(minutes=1)


def due(schedule: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Every minute that a schedule names, after one moment and up to another."""
    at = after.replace(second=0, microsecond=0)
    found = []
    while (at := at + _MINUTE) <= until:
        if names(schedule, at.astimezone(ZoneInfo(zone))):
            found.append(at)
    return found


def names(schedule: str, local: datetime) -> bool:
    """Whether five fields of numbers name a minute."""
    minute, hour, day, month, weekday = schedule.split(" ")
    numbers = (local.minute, local.hour, local.day, local.month, local.isoweekday() % 7)
    fits = [
        number in _numbers(word, bounds)
        for word, number, bounds in zip(
            (minute, hour, day, month, weekday), numbers, _BOUNDS, strict=True
        )
    ]
    is_either = not day.startswith("*") and not weekday.startswith("*")
    on_day = fits[2] or fits[4] if is_either else fits[2] and fits[4]
    return fits[0] and fits[1] and fits[3] and on_day


def _numbers(word: str, bounds: tuple[int, int]) -> set[int]:
    found: set[int] = set()
    for part in word.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        low = bounds[0] if first == "*" else int(first)
        high = bounds[1] if first == "*" or (step and not last) else int(last or first)
        if not bounds[0] <= low <= high <= bounds[1]:
            raise ValueError(f"{part!r} is out of bounds")
        found |= set(range(low, high + 1, int(step or 1)))
    return found


def problems_of_cron(found: Object) -> Iterator[Object]:
    """What the API refuses of a CronJob."""
    spec = dig(found, "spec", default={})
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not schedule:
        yield cause("FieldValueRequired", "spec.schedule", "Required value")
    elif not schedule.startswith("@"):
        try:
            names(schedule, datetime.now(UTC))
        except ValueError:
            message = f'Invalid value: "{schedule}": expected exactly 5 fields'
            yield cause("FieldValueInvalid", "spec.schedule", message)
    if zone is not None and not _is_zone(zone):
        message = f'Invalid value: "{zone}": unknown time zone {zone}'
        yield cause("FieldValueInvalid", "spec.timeZone", message)
    policy = spec.get("concurrencyPolicy")
    if policy not in ("Allow", "Forbid", "Replace"):
        message = f'Unsupported value: "{policy}": supported values: "Allow", '
        message += '"Forbid", "Replace"'
        yield cause("FieldValueNotSupported", "spec.concurrencyPolicy", message)
    for name in (
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ):
        if (spec.get(name) or 0) < 0:
            message = f"Invalid value: {spec[name]}: must be greater than or equal to 0"
            yield cause("FieldValueInvalid", f"spec.{name}", message)
    if len(found["metadata"].get("name", "")) > 52:
        message = "Invalid value: must be no more than 52 characters"
        yield cause("FieldValueInvalid", "metadata.name", message)
    path = "spec.jobTemplate.spec.template.spec"
    pod = dig(spec, "jobTemplate", "spec", "template", "spec", default={})
    yield from problems_of_pod(pod, path)
    if pod.get("restartPolicy") not in ("OnFailure", "Never"):
        message = 'Required value: valid values: "OnFailure", "Never"'
        yield cause("FieldValueRequired", f"{path}.restartPolicy", message)


def _is_zone(name: str) -> bool:
    try:
        return bool(name) and name != "Local" and bool(ZoneInfo(name))
    except (ValueError, OSError, KeyError):
        return False


class CronController:
    """Starts what is due, when a test says which time it is."""

    def __init__(self, cluster: Cluster) -> None:
        self._store = cluster.store

    def tick(self, now: datetime) -> list[str]:
        """Look at every CronJob once; the names of the jobs that were started."""
        started = []
        for found in self._store.all(CRON_JOBS):
            self._settle(found)
            job = self._due(found, now)
            if job is not None:
                started.append(name_of(job))
        return started

    def jobs_of(self, found: Object) -> list[Object]:
        """The jobs that a CronJob controls."""
        uid = found["metadata"]["uid"]
        return [
            job
            for job in self._store.all(JOBS)
            if any(
                one["uid"] == uid and one.get("controller")
                for one in job["metadata"].get("ownerReferences") or []
            )
        ]

    def start(self, found: Object, name: str, at: datetime | None) -> Object:
        """A job of a CronJob, as its controller or `kubectl create job` makes it."""
        template = copied(found["spec"]["jobTemplate"])
        metadata = template.get("metadata") or {}
        annotations = dict(metadata.get("annotations") or {})
        if at is not None:
            key = "batch.kubernetes.io/cronjob-scheduled-timestamp"
            annotations[key] = timestamp(at)
        else:
            annotations["cronjob.kubernetes.io/instantiate"] = "manual"
        job: Object = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": name,
                "namespace": namespace_of(found),
                "labels": dict(metadata.get("labels") or {}),
                "annotations": annotations,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": timestamp(at),
                "generation": 1,
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "CronJob",
                        "name": name_of(found),
                        "uid": found["metadata"]["uid"],
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            "spec": template["spec"],
        }
        fill_in_built_in(job)
        settle_new(job)
        return self._store.put(JOBS, job)

    def _settle(self, found: Object) -> None:
        """What still runs, and of what has ended what is too much."""
        spec, status = found["spec"], found.setdefault("status", {})
        ended: dict[str, list[Object]] = {"Complete": [], "Failed": []}
        active = []
        for job in self.jobs_of(found):
            kinds = [
                one["type"]
                for one in dig(job, "status", "conditions", default=[])
                if one["status"] == "True" and one["type"] in ended
            ]
            if kinds:
                ended[kinds[0]].append(job)
            else:
                active.append({"kind": "Job", "name": name_of(job)})
        status["active"] = active
        limits = {"Complete": "successfulJobs", "Failed": "failedJobs"}
        for kind, jobs in ended.items():
            jobs.sort(key=lambda job: str(job["metadata"]["creationTimestamp"]))
            kept = spec[f"{limits[kind]}HistoryLimit"]
            for job in jobs[: max(0, len(jobs) - kept)]:
                self._store.remove(JOBS, (namespace_of(job), name_of(job)))
        self._store.put(CRON_JOBS, found)

    def _due(self, found: Object, now: datetime) -> Object | None:
        spec, status = found["spec"], found["status"]
        if spec["suspend"] or dig(found, "metadata", "deletionTimestamp"):
            return None
        last = status.get("lastScheduleTime")
        since = _moment(last or found["metadata"]["creationTimestamp"])
        late = spec.get("startingDeadlineSeconds")
        if late is not None:
            since = max(since, now - timedelta(seconds=late) - _MINUTE)
        times = due(spec["schedule"], spec.get("timeZone") or "UTC", since, now)
        if not times or (len(times) > _MOST_MISSED and late is None):
            return None
        at = times[-1]
        if late is not None and at + timedelta(seconds=late) < now:
            return None
        if status["active"] and spec["concurrencyPolicy"] == "Forbid":
            return None
        if spec["concurrencyPolicy"] == "Replace":
            for one in status["active"]:
                self._store.remove(JOBS, (namespace_of(found), one["name"]))
            status["active"] = []
        job = self.start(found, f"{name_of(found)}-{int(at.timestamp()) // 60}", at)
        status["lastScheduleTime"] = timestamp(at)
        status["active"] = [*status["active"], {"kind": "Job", "name": name_of(job)}]
        self._store.put(CRON_JOBS, found)
        return job


def _moment(said: str) -> datetime:
    return datetime.fromisoformat(said.replace("Z", "+00:00"))
