"""From the plan of a job to that of a CronJob that starts it, and back.

What is decided about a schedule stands in its manifest, and so in the plan's digest:
the job, the times and their zone, what becomes of a time at which the last run still
runs, how late one may start, and how many ended jobs are kept to be recorded.
"""

from __future__ import annotations

import json
from dataclasses import replace

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import CRON_JOB, JOB, kind_of
from connectors.kubernetes.manifests import (
    DIGEST_ANNOTATION,
    LAUNCH_ANNOTATION,
    LAUNCH_LABEL,
    PLAN_ANNOTATION,
    digest_of,
    label_of_launch,
)
from connectors.kubernetes.work import QUEUE_LABEL
from connectors.parsing import parse_json, text_of, well_formed
from connectors.pipelines.cron_times import check_cron, cron_times
from connectors.pipelines.kubernetes_planning import (
    BACKEND,
    manifest_of,
    plan_manifest,
)
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, Times

OVERLAPS = ("Forbid", "Allow", "Replace")
LEAST_DEADLINE_SECONDS = 10
"""The controller looks every ten seconds: with less it would start nothing."""
MOST_DEADLINE_SECONDS = 366 * 24 * 3600
_KEPT_JOBS = 100
"""Ended jobs that the cluster keeps; one that it deletes can be recorded no more."""


def plan_schedule(request: LaunchRequest, place: str, context: str) -> LaunchPlan:
    """The plan of a schedule of what a manifest file describes.

    Raises:
        ConnectorRefused: it cannot be started by a CronJob so that it can be told.
        MalformedInput: the manifest, or the times, are none.
    """
    times = request.times
    if times is None:
        raise MalformedInput("a schedule has times", hint='--cron "0 3 * * *"')
    cron_times(times.cron, times.time_zone)
    _check(times)
    plan = plan_manifest(replace(request, times=None), place, context)
    job = manifest_of(plan)
    if kind_of(job) is not JOB:
        raise ConnectorRefused(f"a CronJob starts Jobs, and no {job['kind']}")
    spec: Json = {
        "schedule": times.cron,
        "timeZone": times.time_zone,
        "concurrencyPolicy": times.overlap,
        "successfulJobsHistoryLimit": _KEPT_JOBS,
        "failedJobsHistoryLimit": _KEPT_JOBS,
        "jobTemplate": _template(job),
    }
    if times.deadline_seconds:
        spec["startingDeadlineSeconds"] = times.deadline_seconds
    manifest = {
        "apiVersion": "batch/v1",
        "kind": CRON_JOB.kind,
        "metadata": {},
        "spec": spec,
    }
    lines = json.dumps(manifest, indent=1, sort_keys=True).split("\n")
    return replace(plan, manifest=tuple(lines))


def is_schedule(plan: LaunchPlan) -> bool:
    """Whether what a plan sends is started again and again, by what it sends itself.

    Raises:
        MalformedInput: what it sends cannot be read, so that nobody can tell.
    """
    is_here = plan.backend == BACKEND and bool(plan.manifest)
    return is_here and _sent(plan).get("kind") == CRON_JOB.kind


def schedule_manifest(plan: LaunchPlan) -> Json:
    """The CronJob that a plan holds.

    Raises:
        ConnectorRefused: it holds none.
    """
    if not is_schedule(plan):
        raise ConnectorRefused("the plan holds no schedule")
    return _sent(plan)


def times_of(plan: LaunchPlan) -> Times:
    """When a planned schedule is due.

    Raises:
        ConnectorRefused: it is none.
        MalformedInput: it cannot be told from its manifest.
    """
    manifest = schedule_manifest(plan)
    with well_formed("the manifest of the plan"):
        spec = manifest["spec"]
        late = spec.get("startingDeadlineSeconds") or 0
        if isinstance(late, bool) or not isinstance(late, int):
            raise TypeError("a number is expected")
        times = Times(
            text_of(spec["schedule"]),
            text_of(spec["timeZone"]),
            text_of(spec["concurrencyPolicy"]),
            late,
        )
    _check(times)
    return times


def job_of(plan: LaunchPlan) -> Json:
    """The manifest of the job that a planned schedule starts.

    Raises:
        ConnectorRefused: it is no schedule.
        MalformedInput: it holds no job.
    """
    manifest = schedule_manifest(plan)
    with well_formed("the manifest of the plan"):
        template = dict(manifest["spec"]["jobTemplate"])
        spec = dict(template["spec"])
        metadata = dict(template.get("metadata") or {})
    return {
        "apiVersion": "batch/v1",
        "kind": JOB.kind,
        "metadata": metadata,
        "spec": spec,
    }


def marked_schedule(plan: LaunchPlan, launch: str) -> Json:
    """The manifest of a schedule with the marks of its launch, and those that each of
    its jobs gets."""
    manifest, job = schedule_manifest(plan), job_of(plan)
    own = dict(manifest.get("metadata") or {})
    marks = {LAUNCH_ANNOTATION: launch, PLAN_ANNOTATION: plan.digest}
    manifest["metadata"] = own | {"annotations": marks}
    given = job["metadata"]
    labels = dict(given.get("labels") or {})
    annotations = dict(given.get("annotations") or {})
    manifest["spec"]["jobTemplate"] = {
        "metadata": {
            "labels": labels | {LAUNCH_LABEL: label_of_launch(launch)},
            "annotations": annotations | {DIGEST_ANNOTATION: digest_of(job)},
        },
        "spec": job["spec"],
    }
    return manifest


def _sent(plan: LaunchPlan) -> Json:
    text = "\n".join(plan.manifest)
    found = parse_json(text.encode("utf-8", "replace"), "the manifest of the plan")
    if not isinstance(found, dict):
        raise MalformedInput("the manifest of the plan is no object")
    return found


def _check(times: Times) -> None:
    check_cron(times.cron, times.time_zone)
    if times.overlap not in OVERLAPS:
        raise MalformedInput(
            f"{times.overlap[:40]!r} is none of {', '.join(OVERLAPS)}",
            hint="--overlap Forbid",
        )
    late = times.deadline_seconds
    if late and not LEAST_DEADLINE_SECONDS <= late <= MOST_DEADLINE_SECONDS:
        raise MalformedInput(
            f"a run cannot be told to start within {late} seconds",
            hint=f"The cluster looks every {LEAST_DEADLINE_SECONDS} seconds; a year at "
            "most.",
        )


def _template(job: Json) -> Json:
    """What a CronJob starts: the job without a name of its own, and not held."""
    with well_formed("the manifest"):
        spec = dict(job["spec"])
        metadata = dict(job.get("metadata") or {})
        labels = metadata.get("labels") or {}
        kept = {
            part: dict(metadata[part])
            for part in ("labels", "annotations")
            if metadata.get(part)
        }
        is_named = "selector" in spec or spec.get("manualSelector")
        if QUEUE_LABEL in labels:
            raise ConnectorRefused(
                f"Kueue would hold and change each job: it has the label {QUEUE_LABEL}",
                hint="Schedule in a namespace that Kueue does not manage.",
            )
    if is_named:
        raise ConnectorRefused(
            "a job that selects its pods itself cannot be started again and again",
            hint="Leave selector and manualSelector out.",
        )
    spec.pop("suspend", None)
    return {"metadata": kept, "spec": spec}
