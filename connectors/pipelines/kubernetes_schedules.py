"""Schedules of a cluster: a CronJob that is created held, released once, and followed.

The plan holds the whole CronJob. What lies on the cluster is compared with it in every
field, and so is each job that it started, which is known by the uid of its owner and
not by its name. What was cancelled stays there, held for good.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.kept_work import KeptWork
from connectors.kubernetes.kinds import CRON_JOB
from connectors.kubernetes.manifests import (
    LAUNCH_ANNOTATION,
    PLAN_ANNOTATION,
    WITHDRAWN_ANNOTATION,
    difference,
    label_of_launch,
    name_of_launch,
)
from connectors.kubernetes.pods import ClusterPods
from connectors.kubernetes.states import moment
from connectors.kubernetes.works import Work
from connectors.parsing import parse_json, text_of, well_formed
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.fired_runs import schedule_of
from connectors.pipelines.kubernetes_cron import (
    job_of,
    marked_schedule,
    plan_schedule,
    times_of,
)
from connectors.pipelines.kubernetes_fired import FiredJobs
from connectors.pipelines.kubernetes_jobs import place_name
from connectors.pipelines.kubernetes_logs import JobLog
from connectors.pipelines.kubernetes_planning import BACKEND
from connectors.pipelines.kubernetes_runs import note_of
from connectors.pipelines.plan_contradictions import contradiction
from connectors.pipelines.plans import KeepsPlans, read_plan
from connectors.pipelines.protocols import (
    LAUNCH_ID,
    LaunchPlan,
    LaunchRequest,
    LogLine,
    PipelineRun,
    RunState,
    ScheduleStanding,
    Times,
)

_PROBE = "plan"
_SETTLE_SECONDS = 60.0
"""What a cluster may take beyond the grace of whoever cancels."""
_TURN_SECONDS = 1.0
_LOOKS_AFTER_THE_LAST = 2
"""How often nothing has to run once it is held: one may have been about to start."""


class KubernetesSchedules:
    """Keeps schedules in one namespace of one cluster."""

    backend = BACKEND

    def __init__(
        self,
        client: KubernetesClient,
        plans: KeepsPlans,
        *,
        context: str = "",
        namespace: str = "",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._plans = plans
        self._context = context
        self._work = KeptWork(client, namespace, sleep=sleep)
        self._pods = ClusterPods(client)
        self._fired = FiredJobs(self._work, self._pods)
        self._sleep = sleep
        self._clock = clock

    @property
    def place(self) -> str:
        """The cluster and the namespace.

        Raises:
            ConnectorRefused: the configuration cannot be used.
        """
        return place_name(self._client.access.server, self._work.namespace)

    def plan(self, request: LaunchRequest) -> LaunchPlan:
        """See CanLaunch.plan. The cluster is asked whether it would take the schedule,
        and the job that it starts."""
        plan = plan_schedule(request, self.place, self._context)
        self._work.planned(marked_schedule(plan, _PROBE), _PROBE)
        self._work.planned(job_of(plan), _PROBE)
        return plan

    def launch(self, launch: str, plan: LaunchPlan, *, held: bool) -> PipelineRun:
        """See CanLaunch.launch."""
        _check(launch)
        if plan.backend != BACKEND or plan.place != self.place:
            raise ConnectorRefused(
                "the plan was made for another place",
                hint=f"It is for {plan.place}. Which context leads there?",
            )
        _require_consistent(plan)
        manifest = marked_schedule(plan, launch)
        self._plans.put(plan.to_bytes())
        is_new = self._work.find(CRON_JOB, launch) is None
        self._work.create(manifest, launch)
        if is_new and not held:
            self._work.release(manifest, launch)
        return self._shown(launch)

    def release(self, launch: str) -> PipelineRun:
        """See CanHold.release."""
        run = self._shown(launch)
        if run.state is not RunState.SUSPENDED:
            return run
        plan = self._plan_of(self._existing(launch)[0], launch)
        if plan.place != self.place:
            raise ConnectorRefused("the plan was made for another place")
        self._work.release(marked_schedule(plan, launch), launch)
        return self._shown(launch)

    def find(self, launch: str) -> PipelineRun | None:
        """See CanLaunch.find: a schedule, or a run that it started."""
        schedule = schedule_of(launch)
        if schedule:
            return next((r for r in self.fired(schedule) if r.launch == launch), None)
        _check(launch)
        if self._work.find(CRON_JOB, launch) is None:
            return None
        return self._shown(launch)

    def runs(self) -> Iterator[PipelineRun]:
        """See CanLaunch.runs: none, because a log says which schedules there are."""
        yield from ()

    def plan_bytes(self, launch: str) -> bytes:
        """See CanLaunch.plan_bytes. A run has the plan of its schedule."""
        schedule = schedule_of(launch) or launch
        work, _ = self._existing(schedule)
        return self._plan_of(work, schedule).to_bytes()

    def standing(self, launch: str) -> ScheduleStanding:
        """See CanSchedule.standing."""
        work, found = self._existing(launch)
        times = times_of(self._plan_of(work, launch))
        return self._standing(launch, times, work, found)

    def _standing(
        self, launch: str, times: Times, work: Work, found: Json
    ) -> ScheduleStanding:
        with well_formed("a CronJob"):
            status = found.get("status") or {}
            last = moment(status.get("lastScheduleTime"))
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

    def fired(self, launch: str) -> Iterator[PipelineRun]:
        """See CanSchedule.fired."""
        runs = [run for _, run in self._children(launch)]
        yield from sorted(runs, key=lambda run: (run.claimed, run.launch), reverse=True)

    def log_lines(
        self,
        launch: str,
        *,
        follow: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[LogLine]:
        """See CanStreamLogs. Only what a schedule started prints anything."""
        if not schedule_of(launch):
            runs = ", ".join(run.launch for run in self.fired(launch)) or "none yet"
            text = f"a schedule prints nothing; its runs do: {runs}"
            yield LogLine("", "note", self._clock(), text)
            return
        limit = read_plan(self.plan_bytes(launch)).limits.log_bytes
        log = JobLog(self._pods, limit, stop)
        while True:
            work, run = self._child(launch)
            is_over = run.state.is_final or run.state is RunState.UNKNOWN
            yield from log.new_lines(work, follow=follow and not is_over)
            if not follow or is_over or stop():
                return
            self._sleep(_TURN_SECONDS)

    def cancel(self, launch: str, *, grace_seconds: float) -> PipelineRun:
        """See CanCancel: one run, or the schedule with every run that has not ended."""
        seconds = grace_seconds + _SETTLE_SECONDS
        if schedule_of(launch):
            work, run = self._child(launch)
            self._end(work, run, seconds)
            return self._child(launch)[1]
        work, _ = self._existing(launch)
        note = json.dumps({"at": self._clock().isoformat()})
        self._work.withdraw(work, launch, note, grace_seconds=seconds)
        looks = 0
        for _ in range(_LOOKS_AFTER_THE_LAST * 50):
            left = [
                (work, run)
                for work, run in self._children(launch)
                if not work.is_withdrawn and not work.standing.state.is_final
            ]
            for work, run in left:
                self._end(work, run, seconds)
            looks = 0 if left else looks + 1
            if looks == _LOOKS_AFTER_THE_LAST:
                return self._shown(launch)
            self._sleep(_TURN_SECONDS)
        raise ConnectorUnavailable(
            f"{launch} is held for good, and something starts its jobs again",
            hint="Look who makes them: kubectl get jobs",
        )

    def _end(self, work: Work, run: PipelineRun, seconds: float) -> None:
        """Hold a job that a schedule started for good, whatever became of it."""
        if not work.launch:
            raise ConnectorRefused(
                f"the job {work.name} lost the mark of its schedule",
                hint=f"Somebody changed it. Delete it: kubectl delete job {work.name}",
            )
        note = note_of(run, self._clock())
        self._work.withdraw(work, run.schedule, note, grace_seconds=seconds)

    def _existing(self, launch: str) -> tuple[Work, Json]:
        _check(launch)
        found = self._work.read(CRON_JOB, launch)
        if found is None:
            raise ConnectorRefused(
                f"{self.place} has no schedule of the launch {launch}",
                hint="It was launched elsewhere, or deleted there.",
            )
        work = found[0]
        is_named = work.name == name_of_launch(launch)
        is_marked = work.launch == label_of_launch(launch)
        if not is_named or not is_marked or work.marks.get(LAUNCH_ANNOTATION) != launch:
            raise ConnectorRefused(
                f"the CronJob {work.name} was not made by the launch {launch}",
                hint="Somebody else made it under that name.",
            )
        return found

    def _plan_of(self, work: Work, launch: str) -> LaunchPlan:
        digest = work.marks.get(PLAN_ANNOTATION, "")
        data = self._plans.get(digest)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ConnectorRefused(f"what is kept as the plan of {launch} is another")
        plan = read_plan(data)
        _require_consistent(plan)
        return plan

    def _shown(self, launch: str) -> PipelineRun:
        """A schedule as a run: it runs from its release until it is cancelled."""
        work, found = self._existing(launch)
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
            plan = self._plan_of(work, launch)
            times = times_of(plan)
            expected = self._work.planned(marked_schedule(plan, launch), launch)
        except (ConnectorRefused, MalformedInput) as problem:
            why = f"it cannot be held against its plan: {problem}"
            return replace(run, state=RunState.UNKNOWN, reason=why)
        run = replace(run, pipeline=plan.pipeline)
        where = difference(expected, found, CRON_JOB)
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
        return replace(run, reason=when)

    def _children(self, launch: str) -> list[tuple[Work, PipelineRun]]:
        """What a schedule started."""
        work, _ = self._existing(launch)
        return self._fired.of(work, launch, lambda: self._plan_of(work, launch))

    def _child(self, launch: str) -> tuple[Work, PipelineRun]:
        """A run that a schedule started.

        Raises:
            ConnectorRefused: it is not there, or names a schedule.
        """
        schedule = schedule_of(launch)
        if not schedule:
            raise ConnectorRefused(
                f"{launch} is a schedule; what it started prints and ends",
                hint=f"Its runs: countersign pipeline show {launch}",
            )
        for work, run in self._children(schedule):
            if run.launch == launch:
                return work, run
        raise ConnectorRefused(
            f"{self.place} has no job of {launch}",
            hint="It was deleted there, or never started.",
        )


def _require_consistent(plan: LaunchPlan) -> None:
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


def _check(launch: str) -> None:
    if not LAUNCH_ID.fullmatch(launch):
        raise MalformedInput(
            f"{launch[:80]!r} is no id of a launch",
            hint="Letters, digits and . _ - make one, at most 100 of them.",
        )
