"""Schedules of a cluster: a CronJob or CronWorkflow that is created held, released
once, and followed.

The plan holds the whole of it. What lies on the cluster is compared with it in every
field, and so is each job that it started, which is known by the uid of its owner and
not by its name. What was cancelled stays there, held for good.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.kubernetes.client import KubernetesClient
from connectors.kubernetes.kept_work import KeptWork
from connectors.kubernetes.kinds import CRON_JOB, CRON_WORKFLOW, STARTED, WorkKind
from connectors.kubernetes.pods import ClusterPods
from connectors.kubernetes.problems import NotAllowed
from connectors.kubernetes.works import Work
from connectors.pipelines.fired_runs import schedule_of
from connectors.pipelines.kubernetes_cron import (
    job_of,
    keeper_of,
    marked_schedule,
    plan_schedule,
)
from connectors.pipelines.kubernetes_cron_workflows import worded_otherwise
from connectors.pipelines.kubernetes_fired import FiredJobs
from connectors.pipelines.kubernetes_kept import (
    KeptSchedules,
    require_consistent,
    require_id,
)
from connectors.pipelines.kubernetes_logs import JobLog
from connectors.pipelines.kubernetes_planning import BACKEND
from connectors.pipelines.kubernetes_runs import note_of
from connectors.pipelines.plans import KeepsPlans, place_name, read_plan
from connectors.pipelines.protocols import (
    LaunchPlan,
    LaunchRequest,
    LogLine,
    PipelineRun,
    RunState,
    ScheduleStanding,
)

_PROBE = "plan"
_SETTLE_SECONDS = 60.0
"""What a cluster may take beyond the grace of whoever cancels."""
_TURN_SECONDS = 1.0
_LOOKS_AFTER_THE_LAST = 2
"""How often nothing has to run once it is held: one may have been about to start."""


class KubernetesSchedules:
    """Keeps schedules of one kind in one namespace of one cluster."""

    backend = BACKEND

    def __init__(
        self,
        client: KubernetesClient,
        plans: KeepsPlans,
        *,
        keeper: WorkKind = CRON_JOB,
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
        self._keeper = keeper
        self._kept = KeptSchedules(self._work, keeper, plans, clock)
        self._fired = FiredJobs(self._work, STARTED[keeper], self._pods)
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
        self._require_kind(plan)
        self._work.planned(job_of(plan), _PROBE)
        try:
            self._work.planned(marked_schedule(plan, _PROBE), _PROBE)
        except NotAllowed:
            raise
        except ConnectorRefused as refused:
            if self._keeper is not CRON_WORKFLOW:
                raise
            return self._worded_otherwise(plan, refused)
        return plan

    def _worded_otherwise(
        self, plan: LaunchPlan, refused: ConnectorRefused
    ) -> LaunchPlan:
        """The plan with its times in the field that this cluster has.

        Raises:
            ConnectorRefused: it takes neither.
        """
        other = worded_otherwise(plan)
        try:
            self._work.planned(marked_schedule(other, _PROBE), _PROBE)
        except ConnectorRefused:
            raise refused from None
        return other

    def launch(self, launch: str, plan: LaunchPlan, *, held: bool) -> PipelineRun:
        """See CanLaunch.launch."""
        require_id(launch)
        if plan.backend != BACKEND or plan.place != self.place:
            raise ConnectorRefused(
                "the plan was made for another place",
                hint=f"It is for {plan.place}. Which context leads there?",
            )
        require_consistent(plan)
        self._require_kind(plan)
        manifest = marked_schedule(plan, launch)
        self._plans.put(plan.to_bytes())
        is_new = self._work.find(self._keeper, launch) is None
        self._work.create(manifest, launch)
        if is_new and not held:
            self._work.release(manifest, launch)
        return self._kept.shown(launch)

    def release(self, launch: str) -> PipelineRun:
        """See CanHold.release."""
        run = self._kept.shown(launch)
        if run.state is not RunState.SUSPENDED:
            return run
        plan = self._kept.plan_of(self._kept.existing(launch)[0], launch)
        if plan.place != self.place:
            raise ConnectorRefused("the plan was made for another place")
        self._work.release(marked_schedule(plan, launch), launch)
        return self._kept.shown(launch)

    def find(self, launch: str) -> PipelineRun | None:
        """See CanLaunch.find: a schedule, or a run that it started."""
        schedule = schedule_of(launch)
        if schedule:
            return next((r for r in self.fired(schedule) if r.launch == launch), None)
        require_id(launch)
        if self._work.find(self._keeper, launch) is None:
            return None
        return self._kept.shown(launch)

    def runs(self) -> Iterator[PipelineRun]:
        """See CanLaunch.runs: none, because a log says which schedules there are."""
        yield from ()

    def plan_bytes(self, launch: str) -> bytes:
        """See CanLaunch.plan_bytes. A run has the plan of its schedule."""
        schedule = schedule_of(launch) or launch
        work, _ = self._kept.existing(schedule)
        return self._kept.plan_of(work, schedule).to_bytes()

    def standing(self, launch: str) -> ScheduleStanding:
        """See CanSchedule.standing."""
        return self._kept.standing(launch)

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
        work, _ = self._kept.existing(launch)
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
                return self._kept.shown(launch)
            self._sleep(_TURN_SECONDS)
        raise ConnectorUnavailable(
            f"{launch} is held for good, and something starts its jobs again",
            hint=f"Look who makes them: kubectl get {STARTED[self._keeper].plural}",
        )

    def _require_kind(self, plan: LaunchPlan) -> None:
        kind = keeper_of(plan)
        if kind is not self._keeper:
            raise ConnectorRefused(
                f"{'nothing' if kind is None else f'a {kind.kind}'} is planned, and "
                f"{self._keeper.kind}s are kept here"
            )

    def _end(self, work: Work, run: PipelineRun, seconds: float) -> None:
        """Hold a job that a schedule started for good, whatever became of it."""
        if not work.launch:
            raise ConnectorRefused(
                f"the {work.kind.kind} {work.name} lost the mark of its schedule",
                hint="Somebody changed it. Delete it: kubectl delete "
                f"{work.kind.plural} {work.name}",
            )
        note = note_of(run, self._clock())
        self._work.withdraw(work, run.schedule, note, grace_seconds=seconds)

    def _children(self, launch: str) -> list[tuple[Work, PipelineRun]]:
        """What a schedule started."""
        work, _ = self._kept.existing(launch)
        return self._fired.of(work, launch, lambda: self._kept.plan_of(work, launch))

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
            f"there is no job of {launch} in {self.place}",
            hint="It was deleted there, or never started.",
        )
