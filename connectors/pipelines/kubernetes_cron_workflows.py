"""What a CronWorkflow of Argo says, and what a plan makes of it.

Argo's own ways to leave a time out or to stop are no part of what is decided about a
schedule, and a zone or a deadline that is not written means something else from one
version to the next. All of that is refused, by its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from connectors.errors import ConnectorRefused
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import CRON_WORKFLOW, WORKFLOW
from connectors.parsing import text_of, well_formed
from connectors.pipelines.cron_times import MOST_DEADLINE_SECONDS
from connectors.pipelines.kubernetes_planning import Source, refuse_own_marks
from connectors.pipelines.protocols import LaunchPlan, Times

_ONE, _MANY = "schedule", "schedules"
"""Versions up to 3.7 know the one, from 3.6 on the other; no version takes both."""
_OF_SPEC = frozenset(
    (
        _ONE,
        _MANY,
        "concurrencyPolicy",
        "failedJobsHistoryLimit",
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "suspend",
        "timezone",
        "workflowMetadata",
        "workflowSpec",
    )
)
_LIMITS = ("successfulJobsHistoryLimit", "failedJobsHistoryLimit")
_KEPT_MARKS = ("labels", "annotations")
_OF_CONTROLLER = "workflows.argoproj.io/cron-workflow"
_INSTANCE = "workflows.argoproj.io/controller-instanceid"
"""Says which of several controllers minds an object."""
_ALLOW = "Allow"
"""What Argo does where nothing is said of times at which the last one still runs."""


def written_times(source: Source) -> Times:
    """The times that a file with a CronWorkflow says.

    Raises:
        ConnectorRefused: it says what no plan can express.
        MalformedInput: it says none.
    """
    with well_formed(source.path.name):
        spec = dict(source.manifest["spec"])
        if not spec.get("timezone"):
            raise ConnectorRefused(
                f"{source.path.name}: without a timezone its times are those of "
                "wherever its controller runs",
                hint="Write timezone: Etc/UTC into its spec.",
            )
        spec.setdefault("concurrencyPolicy", _ALLOW)
        spec.setdefault("startingDeadlineSeconds", MOST_DEADLINE_SECONDS)
        for name in _LIMITS:
            if spec.get(name) == 0:
                raise ConnectorRefused(
                    f"{source.path.name}: with {name} 0 nothing is left to be recorded",
                    hint="Leave it out: a hundred are kept then.",
                )
    return times_said({"spec": spec})


def started_by_file(source: Source) -> Source:
    """The Workflow that a file with a CronWorkflow starts.

    Raises:
        ConnectorRefused: it has a mark that launching puts on.
        MalformedInput: it holds none.
    """
    name = source.path.name
    with well_formed(name):
        own = dict(source.manifest.get("metadata") or {})
    refuse_own_marks(own, name)
    workflow = workflow_in(source.manifest, name)
    workflow["metadata"]["name"] = own.get("name")
    return replace(source, manifest=workflow)


def workflow_in(manifest: Json, what: str) -> Json:
    """The Workflow that a CronWorkflow starts.

    Raises:
        ConnectorRefused: it says of it what no plan can express.
        MalformedInput: it starts none.
    """
    with well_formed(what):
        spec = manifest["spec"]
        metadata = dict(spec.get("workflowMetadata") or {})
        inner = dict(spec["workflowSpec"])
        labels = metadata.get("labels") or {}
        other = [name for name in metadata if name not in _KEPT_MARKS]
        if _OF_CONTROLLER in labels:
            other = [_OF_CONTROLLER]
    if other:
        raise ConnectorRefused(
            f"a CronWorkflow with {other[0][:80]} in its workflowMetadata is not "
            "scheduled",
            hint="Labels and annotations of one's own may stand there.",
        )
    return {
        "apiVersion": f"{WORKFLOW.group}/{WORKFLOW.versions[0]}",
        "kind": WORKFLOW.kind,
        "metadata": metadata,
        "spec": inner,
    }


def cron_workflow(workflow: Json, times: Times, kept: int, own: Json) -> Json:
    """The CronWorkflow that starts a Workflow at some times.

    `own` is the CronWorkflow that somebody wrote of it, or empty.
    """
    with well_formed("the manifest"):
        given = dict(workflow.get("metadata") or {})
        inner = dict(workflow["spec"])
        inner.pop("suspend", None)
        marks = {part: dict(given[part]) for part in _KEPT_MARKS if given.get(part)}
        said = dict(own.get("spec") or {})
        own_marks = dict(own.get("metadata") or {})
        metadata = {
            part: dict(own_marks[part]) for part in _KEPT_MARKS if own_marks.get(part)
        }
    instance = (marks.get("labels") or {}).get(_INSTANCE)
    if instance is not None:
        metadata["labels"] = {_INSTANCE: instance} | metadata.get("labels", {})
    spec: Json = {
        "timezone": times.time_zone,
        "concurrencyPolicy": times.overlap,
        "startingDeadlineSeconds": times.deadline_seconds or MOST_DEADLINE_SECONDS,
        "workflowSpec": inner,
    }
    spec |= {name: said.get(name, kept) for name in _LIMITS}
    spec |= {_MANY: [times.cron]} if _MANY in said else {_ONE: times.cron}
    if marks:
        spec["workflowMetadata"] = marks
    return {
        "apiVersion": f"{CRON_WORKFLOW.group}/{CRON_WORKFLOW.versions[0]}",
        "kind": CRON_WORKFLOW.kind,
        "metadata": metadata,
        "spec": spec,
    }


def times_said(manifest: Json) -> Times:
    """The times of a CronWorkflow that says all of them.

    Raises:
        ConnectorRefused: it says what no plan can express.
        MalformedInput: it does not say them.
    """
    with well_formed("the CronWorkflow"):
        spec = manifest["spec"]
        other = sorted(name for name in spec if name not in _OF_SPEC)
        if other:
            raise ConnectorRefused(
                f"a CronWorkflow with {other[0][:80]} is not scheduled: when it starts "
                "something is not said by its times alone",
                hint="Leave it out.",
            )
        late = spec["startingDeadlineSeconds"]
        if isinstance(late, bool) or not isinstance(late, int):
            raise TypeError("a number is expected")
        if late == 0:
            raise ConnectorRefused(
                "a startingDeadlineSeconds of 0 means never to some versions of Argo, "
                "and however late to others",
                hint="Leave it out: however late.",
            )
        return Times(
            _only([*_said(spec)]),
            text_of(spec["timezone"]),
            text_of(spec["concurrencyPolicy"]),
            0 if late == MOST_DEADLINE_SECONDS else late,
        )


def worded_otherwise(plan: LaunchPlan) -> LaunchPlan:
    """The same plan of a CronWorkflow, for versions that know the other field.

    Raises:
        MalformedInput: it cannot be read.
    """
    with well_formed("the manifest of the plan"):
        manifest = json.loads("\n".join(plan.manifest))
        spec = manifest["spec"]
        cron, is_one = _only([*_said(spec)]), _ONE in spec
        spec.pop(_ONE if is_one else _MANY)
        spec |= {_MANY: [cron]} if is_one else {_ONE: cron}
    lines = json.dumps(manifest, indent=1, sort_keys=True).split("\n")
    return replace(plan, manifest=tuple(lines))


def _said(spec: Json) -> Iterator[str]:
    if _ONE in spec:
        yield text_of(spec[_ONE])
    if _MANY in spec:
        yield from (text_of(one) for one in spec[_MANY])


def _only(said: list[str]) -> str:
    if len(said) != 1:
        raise ConnectorRefused(
            f"a CronWorkflow with {len(said)} schedules is not scheduled",
            hint="Make one of each: a decision is about one.",
        )
    return said[0]
