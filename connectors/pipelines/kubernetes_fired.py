"""The jobs that a schedule of a cluster started, each held against what its plan makes
of one.

Whose a job is, is what the cluster's own reference says. What it runs is told by every
field of it: whoever may create jobs may name any owner, any label and any annotation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.errors import MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kept_work import KeptWork
from connectors.kubernetes.kinds import JOB, WorkKind
from connectors.kubernetes.manifests import difference
from connectors.kubernetes.pods import ClusterPods
from connectors.kubernetes.works import Work
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.fired_runs import fired_id
from connectors.pipelines.kubernetes_cron import job_of, times_of
from connectors.pipelines.kubernetes_leads import Made
from connectors.pipelines.kubernetes_planning import BACKEND
from connectors.pipelines.kubernetes_runs import run_of
from connectors.pipelines.protocols import LaunchPlan, PipelineRun, RunState

_UNKNOWN_MOMENT = datetime.fromtimestamp(0, UTC)


class FiredJobs:
    """What schedules of one namespace started: jobs of one kind."""

    def __init__(self, work: KeptWork, kind: WorkKind, pods: ClusterPods) -> None:
        self._work = work
        self._kind = kind
        self._pods = pods

    def of(
        self, keeper: Work, launch: str, plan_of: Callable[[], LaunchPlan]
    ) -> list[tuple[Work, PipelineRun]]:
        """The jobs of one schedule, in no order.

        Raises:
            ConnectorError: they cannot be listed, or not held against the plan.
        """
        found = list(self._work.started_by(keeper.uid, self._kind))
        if not found:
            return []
        plan = plan_of()
        times = times_of(plan)
        due = cron_times(times.cron, times.time_zone)
        expected = self._work.planned(job_of(plan), launch)
        # Jobs are named by the minute, Workflows by the second of their time.
        unit = timedelta(minutes=1) if self._kind is JOB else timedelta(seconds=1)
        runs = []
        for child, raw in found:
            run = replace(
                self._run(child, plan, expected, raw),
                launch=fired_id(launch, keeper.name, child.name, due, unit),
                plan_digest=plan.digest,
                pipeline=plan.pipeline,
                schedule=launch,
            )
            runs.append((child, run))
        return runs

    def _run(
        self, child: Work, plan: LaunchPlan, expected: Json, raw: Json
    ) -> PipelineRun:
        try:
            pods = self._pods.of(child)
            run = run_of(child, pods, [step.name for step in plan.steps])
            where = difference(expected, raw, self._kind)
            strange = Made(child, None).strange(plan, pods)
        except MalformedInput as problem:
            return PipelineRun(
                launch="",
                backend=BACKEND,
                pipeline="",
                state=RunState.UNKNOWN,
                plan_digest="",
                claimed=child.created or _UNKNOWN_MOMENT,
                reason=str(problem),
            )
        if where:
            why = f"its {where} is not what the plan says"
            return replace(run, state=RunState.UNKNOWN, reason=why)
        if strange:
            return replace(run, state=RunState.UNKNOWN, reason=strange)
        return run
