"""Whether a plan says of itself what it would send: a plan may come from a stranger.

Policies judge the images that a plan names; a cluster runs those of its manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from connectors.errors import ConnectorError
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import JOB, WORKFLOW
from connectors.kubernetes.templates import images_of
from connectors.kubernetes.workflows import require_all_said, template_sets
from connectors.parsing import text_of, well_formed
from connectors.pipelines.kfp_planning import BACKEND as KFP
from connectors.pipelines.kfp_schedule_plans import contradiction_of
from connectors.pipelines.kubernetes_cron import is_schedule, job_of, times_of
from connectors.pipelines.kubernetes_planning import BACKEND
from connectors.pipelines.protocols import LaunchPlan

_GROUPS = ("initContainers", "containers", "ephemeralContainers")


def contradiction(plan: LaunchPlan) -> str:
    """What in a plan says otherwise than what it would send or build; empty: nothing
    that is known here.

    Raises:
        MalformedInput: the manifest cannot be read.
    """
    if any(built.lock_digest != plan.lock_digest for built in plan.virtualenv):
        return "it says otherwise than its environment whether that is locked"
    try:
        if plan.backend == KFP:
            return contradiction_of(plan)
        if plan.backend != BACKEND:
            return ""
        if is_schedule(plan):
            times_of(plan)
            job = job_of(plan)
        else:
            job = _manifest(plan)
        if job.get("kind") == WORKFLOW.kind:
            require_all_said(job)
    except ConnectorError as problem:
        return f"what it would send cannot be told: {problem}"
    with well_formed("the manifest of the plan"):
        if job.get("kind") == JOB.kind:
            images = set(_images(job))
        elif job.get("kind") == WORKFLOW.kind:
            images = set(images_of(template_sets(job)))
        else:
            return ""
        unnamed = sorted(images - set(plan.images))
    if unnamed:
        return f"it would run the image {unnamed[0][:200]}, which it does not name"
    return ""


def _manifest(plan: LaunchPlan) -> Json:
    with well_formed("the manifest of the plan"):
        return dict(json.loads("\n".join(plan.manifest)))


def _images(job: Json) -> Iterator[str]:
    pod = job["spec"]["template"]["spec"]
    for group in _GROUPS:
        for container in pod.get(group) or []:
            yield text_of(container["image"])
    for volume in pod.get("volumes") or []:
        if "image" in volume:
            yield text_of(volume["image"]["reference"])
