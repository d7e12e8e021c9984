"""From the plan of a job to that of what a cluster starts it by, and back.

What is decided about a schedule stands in its manifest, and so in the plan's digest:
the job, the times and their zone, what becomes of a time at which the last run still
runs, how late one may start, and how many ended jobs are kept to be recorded.
"""

from __future__ import annotations

import json
from dataclasses import replace

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import (
    CRON_JOB,
    CRON_WORKFLOW,
    JOB,
    STARTED,
    WORKFLOW,
    WorkKind,
    keeper_kind,
    kind_of,
)
from connectors.kubernetes.manifests import (
    DIGEST_ANNOTATION,
    LAUNCH_ANNOTATION,
    LAUNCH_LABEL,
    PLAN_ANNOTATION,
    digest_of,
    label_of_launch,
)
from connectors.parsing import parse_json, well_formed
from connectors.pipelines.cron_times import (
    MOST_DEADLINE_SECONDS,
    check_cron,
    cron_times,
)
from connectors.pipelines.kubernetes_cron_jobs import (
    cron_job,
    job_in,
    times_of_cron_job,
)
from connectors.pipelines.kubernetes_cron_workflows import (
    cron_workflow,
    started_by_file,
    times_said,
    workflow_in,
    written_times,
)
from connectors.pipelines.kubernetes_planning import (
    BACKEND,
    Source,
    manifest_of,
    plan_source,
    read_source,
)
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, Times

OVERLAPS = ("Forbid", "Allow", "Replace")
LEAST_DEADLINE_SECONDS = 10
"""The controllers look every ten seconds: with less they would start nothing."""
_KEPT_JOBS = 100
"""Ended jobs that the cluster keeps; one that it deletes can be recorded no more."""


def keeper_for(project: str) -> WorkKind:
    """What starts again and again what a manifest file describes.

    Raises:
        ConnectorRefused: nothing starts that so that it can be told.
        MalformedInput: it is no manifest.
    """
    return _keeper_of(read_source(project).manifest)


def plan_schedule(request: LaunchRequest, place: str, context: str) -> LaunchPlan:
    """The plan of a schedule of what a manifest file describes.

    Raises:
        ConnectorRefused: it cannot be started again and again so that it can be told.
        MalformedInput: the manifest, or the times, are none.
    """
    source = read_source(request.project)
    keeper = _keeper_of(source.manifest)
    own: Json = {}
    times = request.times
    if keeper_kind(source.manifest) is not None:
        own, written = source.manifest, written_times(source)
        if times not in (None, written):
            raise ConnectorRefused(
                f"{source.path.name} says its times itself, and they are others",
                hint="Leave --cron and what goes with it out, or write a Workflow.",
            )
        source, times = started_by_file(source), written
    if times is None:
        raise MalformedInput("a schedule has times", hint='--cron "0 3 * * *"')
    cron_times(times.cron, times.time_zone)
    _check(times)
    return _with_times(source, request, place, context, (keeper, times, own))


def keeper_of(plan: LaunchPlan) -> WorkKind | None:
    """The kind of what a plan sends, where that starts others again and again.

    Raises:
        MalformedInput: what it sends cannot be read, so that nobody can tell.
    """
    if plan.backend != BACKEND or not plan.manifest:
        return None
    said = _sent(plan).get("kind")
    return next((one for one in STARTED if one.kind == said), None)


def is_schedule(plan: LaunchPlan) -> bool:
    """Whether what a plan sends is started again and again, by what it sends itself.

    Raises:
        MalformedInput: what it sends cannot be read, so that nobody can tell.
    """
    return keeper_of(plan) is not None


def schedule_manifest(plan: LaunchPlan) -> Json:
    """The CronJob or CronWorkflow that a plan holds.

    Raises:
        ConnectorRefused: it holds none.
    """
    if not is_schedule(plan):
        raise ConnectorRefused("the plan holds no schedule")
    return _sent(plan)


def times_of(plan: LaunchPlan) -> Times:
    """When a planned schedule is due.

    Raises:
        ConnectorRefused: it is none, or says more than times can say.
        MalformedInput: it cannot be told from its manifest.
    """
    manifest = schedule_manifest(plan)
    is_argo = keeper_of(plan) is CRON_WORKFLOW
    times = times_said(manifest) if is_argo else times_of_cron_job(manifest)
    _check(times)
    return times


def job_of(plan: LaunchPlan) -> Json:
    """The manifest of the job that a planned schedule starts.

    Raises:
        ConnectorRefused: it is no schedule.
        MalformedInput: it holds no job.
    """
    manifest = schedule_manifest(plan)
    if keeper_of(plan) is CRON_WORKFLOW:
        return workflow_in(manifest, "the manifest of the plan")
    return job_in(manifest)


def marked_schedule(plan: LaunchPlan, launch: str) -> Json:
    """The manifest of a schedule with the marks of its launch, and those that each of
    its jobs gets."""
    manifest, job = schedule_manifest(plan), job_of(plan)
    with well_formed("the manifest of the plan"):
        own = dict(manifest.get("metadata") or {})
        kept = dict(own.get("annotations") or {})
        given = job["metadata"]
        labels = dict(given.get("labels") or {})
        annotations = dict(given.get("annotations") or {})
    marks = {LAUNCH_ANNOTATION: launch, PLAN_ANNOTATION: plan.digest}
    manifest["metadata"] = own | {"annotations": kept | marks}
    metadata = {
        "labels": labels | {LAUNCH_LABEL: label_of_launch(launch)},
        "annotations": annotations | {DIGEST_ANNOTATION: digest_of(job)},
    }
    if keeper_of(plan) is CRON_WORKFLOW:
        manifest["spec"]["workflowMetadata"] = metadata
    else:
        template = {"metadata": metadata, "spec": job["spec"]}
        manifest["spec"]["jobTemplate"] = template
    return manifest


def _keeper_of(manifest: Json) -> WorkKind:
    written = keeper_kind(manifest)
    if written is CRON_WORKFLOW:
        return written
    if written is CRON_JOB:
        raise ConnectorRefused(
            "a CronJob is made of a Job's manifest, and is not taken as it is written",
            hint='Give the Job, and --cron "0 3 * * *".',
        )
    kind = kind_of(manifest)
    for keeper, started in STARTED.items():
        if started is kind:
            return keeper
    known = f"{JOB.kind} and {WORKFLOW.kind}"
    raise ConnectorRefused(
        f"no {kind.kind} is started again and again by a cluster",
        hint=f"Those that are: {known}.",
    )


def _with_times(
    source: Source,
    request: LaunchRequest,
    place: str,
    context: str,
    when: tuple[WorkKind, Times, Json],
) -> LaunchPlan:
    keeper, times, own = when
    plan = plan_source(source, replace(request, times=None), place, context)
    job = manifest_of(plan)
    if keeper is CRON_WORKFLOW:
        manifest = cron_workflow(job, times, _KEPT_JOBS, own)
    else:
        manifest = cron_job(job, times, _KEPT_JOBS)
    lines = json.dumps(manifest, indent=1, sort_keys=True).split("\n")
    planned = replace(plan, manifest=tuple(lines))
    times_of(planned)
    return planned


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
