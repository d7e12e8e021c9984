"""The jobs that a CronJob started, each held against what its plan makes of a job.

Whose a job is, is what the cluster's own reference says. What it runs is told by every
field of it: whoever may create jobs may name any owner, any label and any annotation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from connectors.errors import MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kept_work import KeptWork
from connectors.kubernetes.kinds import JOB
from connectors.kubernetes.manifests import difference
from connectors.kubernetes.pods import ClusterPods
from connectors.kubernetes.works import Work
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.fired_runs import fired_id
from connectors.pipelines.kubernetes_cron import job_of, times_of
from connectors.pipelines.kubernetes_planning import BACKEND
from connectors.pipelines.kubernetes_runs import run_of
from connectors.pipelines.protocols import LaunchPlan, PipelineRun, RunState

_UNKNOWN_MOMENT = datetime.fromtimestamp(0, UTC)


class FiredJobs:
    """What schedules of one namespace started."""

    def __init__(self, work: KeptWork, pods: ClusterPods) -> None:
        self._work = work
        self._pods = pods

    def of(
        self, keeper: Work, launch: str, plan_of: Callable[[], LaunchPlan]
    ) -> list[tuple[Work, PipelineRun]]:
        """The jobs of one schedule, in no order.

        Raises:
            ConnectorError: they cannot be listed, or not held against the plan.
        """
        found = list(self._work.jobs_of(keeper.uid))
        if not found:
            return []
        plan = plan_of()
        times = times_of(plan)
        due = cron_times(times.cron, times.time_zone)
        expected = self._work.planned(job_of(plan), launch)
        runs = []
        for child, raw in found:
            run = replace(
                self._run(child, expected, raw),
                launch=fired_id(launch, keeper.name, child.name, due),
                plan_digest=plan.digest,
                pipeline=plan.pipeline,
                schedule=launch,
            )
            runs.append((child, run))
        return runs

    def _run(self, child: Work, expected: Json, raw: Json) -> PipelineRun:
        try:
            run = run_of(child, self._pods.of(child))
            where = difference(expected, raw, JOB)
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
        return run
