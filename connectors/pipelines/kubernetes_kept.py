"""A CronJob or CronWorkflow as a schedule: whose it is, of which plan, and whether it
is as planned.

Nothing here changes anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kept_work import KeptWork
from connectors.kubernetes.kinds import WorkKind
from connectors.kubernetes.manifests import (
    LAUNCH_ANNOTATION,
    PLAN_ANNOTATION,
    WITHDRAWN_ANNOTATION,
    difference,
    label_of_launch,
    name_of_launch,
)
from connectors.kubernetes.states import moment
from connectors.kubernetes.works import Work
from connectors.parsing import parse_json, text_of, well_formed
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.kubernetes_cron import marked_schedule, times_of
from connectors.pipelines.kubernetes_planning import BACKEND
from connectors.pipelines.plan_contradictions import contradiction
from connectors.pipelines.plans import KeepsPlans, read_plan
from connectors.pipelines.protocols import (
    LAUNCH_ID,
    LaunchPlan,
    PipelineRun,
    RunState,
    ScheduleStanding,
    Times,
)

_LAST = {"CronJob": "lastScheduleTime", "CronWorkflow": "lastScheduledTime"}
_TROUBLES = ("SpecError", "SubmissionError")
"""What a controller says of a CronWorkflow of which it starts nothing."""
_LONGEST_TROUBLE = 300


class KeptSchedules:
    """The schedules of one namespace, to look at."""

    def __init__(
        self,
        work: KeptWork,
        kind: WorkKind,
        plans: KeepsPlans,
        clock: Callable[[], datetime],
    ) -> None:
        self._work = work
        self._kind = kind
        self._plans = plans
        self._clock = clock

    def existing(self, launch: str) -> tuple[Work, Json]:
        """What lies there under the name and with the marks of a launch.

        Raises:
            ConnectorRefused: nothing, or what somebody else made.
        """
        require_id(launch)
        found = self._work.read(self._kind, launch)
        if found is None:
            raise ConnectorRefused(
                f"{self._work.namespace} has no schedule of the launch {launch}",
                hint="It was launched elsewhere, or deleted there.",
            )
        work = found[0]
        is_named = work.name == name_of_launch(launch)
        is_marked = work.launch == label_of_launch(launch)
        if not is_named or not is_marked or work.marks.get(LAUNCH_ANNOTATION) != launch:
            raise ConnectorRefused(
                f"the {self._kind.kind} {work.name} was not made by the launch "
                f"{launch}",
                hint="Somebody else made it under that name.",
            )
        return found

    def plan_of(self, work: Work, launch: str) -> LaunchPlan:
        """The plan that a schedule says that it is of.

        Raises:
            ConnectorRefused: it is not kept here, or says otherwise than it would send.
        """
        digest = work.marks.get(PLAN_ANNOTATION, "")
        data = self._plans.get(digest)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ConnectorRefused(f"what is kept as the plan of {launch} is another")
        plan = read_plan(data)
        require_consistent(plan)
        return plan

    def shown(self, launch: str) -> PipelineRun:
        """A schedule as a run: it runs from its release until it is cancelled."""
        work, found = self.existing(launch)
        run = PipelineRun(
            launch=launch,
            backend=BACKEND,
            pipeline="",
            state=RunState.RUNNING,
            plan_digest=work.marks.get(PLAN_ANNOTATION, ""),
            claimed=work.created or self._clock(),
        )
        if work.is_withdrawn:
            return replace(run, **_withdrawn(work.marks[WITHDRAWN_ANNOTATION]))
        try:
            plan = self.plan_of(work, launch)
            times = times_of(plan)
            expected = self._work.planned(marked_schedule(plan, launch), launch)
        except (ConnectorRefused, MalformedInput) as problem:
            why = f"it cannot be held against its plan: {problem}"
            return replace(run, state=RunState.UNKNOWN, reason=why)
        run = replace(run, pipeline=plan.pipeline)
        where = difference(expected, found, self._kind)
        if where:
            why = f"its {where} is not what its plan says"
            return replace(run, state=RunState.UNKNOWN, reason=why)
        if work.standing.is_ending:
            why = "it is being deleted"
            return replace(run, state=RunState.UNKNOWN, reason=why)
        if work.standing.is_held:
            return replace(run, state=RunState.SUSPENDED)
        due = self._standing(launch, times, work, found).next
        when = f"due next at {due:%Y-%m-%dT%H:%MZ}" if due else "due no more"
        return replace(run, reason="; ".join([when, *_troubles(found)]))

    def standing(self, launch: str) -> ScheduleStanding:
        """When a schedule is due, and was.

        Raises:
            ConnectorError: it cannot be told.
        """
        work, found = self.existing(launch)
        times = times_of(self.plan_of(work, launch))
        return self._standing(launch, times, work, found)

    def _standing(
        self, launch: str, times: Times, work: Work, found: Json
    ) -> ScheduleStanding:
        with well_formed(f"a {self._kind.kind}"):
            status = found.get("status") or {}
            last = moment(status.get(_LAST[self._kind.kind]))
            active = len(status.get("active") or [])
        return ScheduleStanding(
            launch,
            times,
            None
            if work.standing.is_held
            else cron_times(times.cron, times.time_zone).after(self._clock()),
            last,
            active,
        )


def _troubles(found: Json) -> Iterator[str]:
    """Why its controller starts nothing of it, where it says so."""
    with well_formed("the status of a schedule"):
        for one in (found.get("status") or {}).get("conditions") or []:
            kind = text_of(one.get("type"))
            if kind in _TROUBLES and one.get("status") == "True":
                yield f"{kind}: {text_of(one.get('message'))}"[:_LONGEST_TROUBLE]


def require_consistent(plan: LaunchPlan) -> None:
    """Refuse a plan that says otherwise than its manifest.

    Raises:
        ConnectorRefused: it does.
    """
    strange = contradiction(plan)
    if strange:
        raise ConnectorRefused(
            f"the plan contradicts itself: {strange}",
            hint="Whoever made it wrote it by hand. Schedule the manifest anew.",
        )


def _withdrawn(note: str) -> Json:
    """How a schedule stands that is held for good."""
    what = "when a schedule was withdrawn"
    with well_formed(what):
        at = moment(text_of(parse_json(note.encode(), what)["at"]))
    return {"state": RunState.CANCELLED, "reason": "cancelled", "ended": at}


def require_id(launch: str) -> None:
    """Refuse what is no id of a launch.

    Raises:
        MalformedInput: it is none.
    """
    if not LAUNCH_ID.fullmatch(launch):
        raise MalformedInput(
            f"{launch[:80]!r} is no id of a launch",
            hint="Letters, digits and . _ - make one, at most 100 of them.",
        )
