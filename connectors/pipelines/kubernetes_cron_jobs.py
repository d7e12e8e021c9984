"""What a CronJob says, and what a plan makes of it."""

from __future__ import annotations

from connectors.errors import ConnectorRefused
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import CRON_JOB, JOB
from connectors.kubernetes.work import QUEUE_LABEL
from connectors.parsing import text_of, well_formed
from connectors.pipelines.protocols import Times


def cron_job(job: Json, times: Times, kept: int) -> Json:
    """The CronJob that starts a job at some times.

    Raises:
        ConnectorRefused: it cannot start that job so that it can be told.
        MalformedInput: it is no job.
    """
    spec: Json = {
        "schedule": times.cron,
        "timeZone": times.time_zone,
        "concurrencyPolicy": times.overlap,
        "successfulJobsHistoryLimit": kept,
        "failedJobsHistoryLimit": kept,
        "jobTemplate": _template(job),
    }
    if times.deadline_seconds:
        spec["startingDeadlineSeconds"] = times.deadline_seconds
    return {
        "apiVersion": "batch/v1",
        "kind": CRON_JOB.kind,
        "metadata": {},
        "spec": spec,
    }


def times_of_cron_job(manifest: Json) -> Times:
    """The times of a CronJob.

    Raises:
        MalformedInput: it does not say them.
    """
    with well_formed("the manifest of the plan"):
        spec = manifest["spec"]
        late = spec.get("startingDeadlineSeconds") or 0
        if isinstance(late, bool) or not isinstance(late, int):
            raise TypeError("a number is expected")
        return Times(
            text_of(spec["schedule"]),
            text_of(spec["timeZone"]),
            text_of(spec["concurrencyPolicy"]),
            late,
        )


def job_in(manifest: Json) -> Json:
    """The job that a CronJob starts.

    Raises:
        MalformedInput: it starts none.
    """
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
