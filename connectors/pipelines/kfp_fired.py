"""The runs that a recurring run of Kubeflow Pipelines started, each held against its
plan.

Whose a run is, is what the server's own reference says. Whoever may start runs may name
any recurring run: so what runs, with what, as whom and for when is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from connectors.errors import MalformedInput
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.objects import KfpRun
from connectors.kubeflow.packages import read_package
from connectors.kubeflow.recurring import RecurringApi, RecurringRun
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.fired_runs import SIGN, timely_id
from connectors.pipelines.kfp_artifacts import artifacts_told
from connectors.pipelines.kfp_claims import Claims
from connectors.pipelines.kfp_planning import BACKEND, package_of, sent_by
from connectors.pipelines.kfp_runs import run_of, state_of
from connectors.pipelines.kfp_schedule_plans import times_of
from connectors.pipelines.kfp_versions import started_with, strange_version
from connectors.pipelines.protocols import LaunchPlan, PipelineRun, RunState

_LONG_AGO = datetime.fromtimestamp(0, UTC)


class FiredRuns:
    """What recurring runs of one namespace started."""

    def __init__(self, api: KfpApi, recurring: RecurringApi) -> None:
        self._api = api
        self._recurring = recurring
        self._claims = Claims(api)
        self._ended: dict[object, PipelineRun] = {}
        self._versions: dict[tuple[str, str], str] = {}
        """What is wrong with the versions that were looked at; empty: nothing."""

    def listed(self, keepers: Sequence[RecurringRun]) -> list[KfpRun]:
        """The runs of a schedule as a list shows them, oldest first.

        Raises:
            ConnectorError: they cannot be listed.
        """
        found = [
            run
            for keeper in keepers
            for run in self._recurring.started_by(keeper.recurring_id)
        ]
        return sorted(found, key=lambda run: (run.created or _LONG_AGO, run.run_id))

    def of(
        self, launch: str, keepers: Sequence[RecurringRun], plan: LaunchPlan
    ) -> Iterator[tuple[KfpRun, PipelineRun]]:
        """The runs of a schedule, oldest first.

        Raises:
            ConnectorError: they cannot be told.
        """
        taken: set[str] = set()
        for raw in self.listed(keepers):
            name = _id_of(launch, raw, plan, taken)
            taken.add(name)
            end = raw.run_id, raw.state, raw.ended, plan.digest
            shown = self._ended.get(end) or self._looked_at(raw, keepers, plan)
            if state_of(raw).is_final and shown.state.is_final:
                self._ended[end] = shown
            yield (
                raw,
                replace(
                    shown,
                    launch=name,
                    plan_digest=plan.digest,
                    pipeline=plan.pipeline,
                    schedule=launch,
                ),
            )

    def _looked_at(
        self, raw: KfpRun, keepers: Sequence[RecurringRun], plan: LaunchPlan
    ) -> PipelineRun:
        try:
            whole = self._api.run(raw.run_id)
            tasks = self._api.tasks(whole)
            package = read_package(package_of(plan), "the package of the plan")
            run = run_of(whole, tasks, package.steps)
            if run.state is RunState.FAILED and self._was_cancelled(raw):
                run = run_of(whole, tasks, package.steps, is_cancelled=True)
            strange = self._strange(whole, keepers, plan)
        except MalformedInput as problem:
            return PipelineRun(
                launch="",
                backend=BACKEND,
                pipeline="",
                state=RunState.UNKNOWN,
                plan_digest="",
                claimed=raw.created or _LONG_AGO,
                reason=str(problem),
            )
        if strange:
            return replace(run, state=RunState.UNKNOWN, reason=strange)
        if run.state.is_final:
            told = tuple(artifacts_told(self._api, tasks))
            run = replace(run, artifacts=told)
        return run

    def _strange(
        self, run: KfpRun, keepers: Sequence[RecurringRun], plan: LaunchPlan
    ) -> str:
        """In what a run is not what its schedule starts; empty: in nothing."""
        [keeper] = [one for one in keepers if one.recurring_id == run.recurring_id]
        wanted = sent_by(plan)["run"].get("service_account") or keeper.service_account
        if wanted and run.service_account != wanted:
            return "it works as a service account that its plan does not name"
        if run.pipeline_root:
            return "it keeps what it makes where its plan does not say"
        due = run.scheduled
        if not _is_due(due, plan):
            said = f"{due:%Y-%m-%dT%H:%M:%SZ}" if due else "no time"
            return (
                f"it was started for {said}, which is none of the planned times: its "
                "controller keeps another zone, or somebody else started it"
            )
        return started_with(run, plan) or self._version_of(run, plan)

    def _version_of(self, run: KfpRun, plan: LaunchPlan) -> str:
        """What is wrong with the version that a run was started from; it never changes,
        so it is looked at once."""
        key = run.version_id, plan.digest
        if key not in self._versions:
            self._versions[key] = strange_version(
                self._api, run.pipeline_id, run.version_id, plan
            )
        return self._versions[key]

    def _was_cancelled(self, run: KfpRun) -> bool:
        claim = self._claims.newest(claimed_name(run))
        return claim is not None and claim.is_withdrawn


def claimed_name(run: KfpRun) -> str:
    """What says of a run that it was cancelled is named by; no launch is called so."""
    return f"{SIGN}{run.run_id}"


def _id_of(launch: str, run: KfpRun, plan: LaunchPlan, taken: set[str]) -> str:
    """The time for which a run was started; its own id where that is none, or where an
    earlier one has it."""
    due = run.scheduled
    name = timely_id(launch, due) if due and _is_due(due, plan) else ""
    is_free = name and name not in taken
    return name if is_free else f"{launch}{SIGN}{run.run_id}"


def _is_due(due: datetime | None, plan: LaunchPlan) -> bool:
    """Whether a moment is one of the planned times."""
    times = times_of(plan)
    if due is None or due.second or due.microsecond:
        return False
    return cron_times(times.cron, times.time_zone).includes(due)
