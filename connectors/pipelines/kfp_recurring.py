"""A recurring run of Kubeflow Pipelines as a schedule, held against its plan field by
field. Nothing here changes anything."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.recurring import RecurringApi, RecurringRun
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.kfp_claims import Claim
from connectors.pipelines.kfp_planning import BACKEND, sent_by
from connectors.pipelines.kfp_runs import MARK
from connectors.pipelines.kfp_schedule_plans import times_of
from connectors.pipelines.kfp_sending import LOOK_FOR_IT, claimed_run
from connectors.pipelines.kfp_versions import strange_version
from connectors.pipelines.plans import KeepsPlans, read_plan
from connectors.pipelines.protocols import LaunchPlan, PipelineRun, RunState

_MARKED = re.compile(rf"{MARK} (.{{1,100}}) plan ([0-9a-f]{{64}})")
_LONG_AGO = datetime.fromtimestamp(0, UTC)


def digest_in(one: RecurringRun, launch: str) -> str:
    """The plan that a recurring run says that it is of, if it says that it is of a
    launch; empty: it does not."""
    found = _MARKED.fullmatch(one.description)
    is_of = found is not None and found[1] == launch == one.name
    return found[2] if found is not None and is_of else ""


class KeptRecurring:
    """The recurring runs of one namespace, to look at."""

    def __init__(self, api: KfpApi, recurring: RecurringApi, plans: KeepsPlans) -> None:
        self._api = api
        self._recurring = recurring
        self._plans = plans

    def of(self, launch: str) -> list[RecurringRun]:
        """Every recurring run that has the marks of a launch: one, unless others put
        them on.

        Raises:
            ConnectorError: they could not be told.
        """
        named = self._recurring.named(launch)
        return [one for one in named if digest_in(one, launch)]

    def plan_bytes(self, launch: str, digest: str) -> bytes:
        """The plan that a schedule says that it is of.

        Raises:
            ConnectorRefused: it is not kept here.
        """
        data = self._plans.get(digest)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ConnectorRefused(f"what is kept as the plan of {launch} is another")
        return data

    def now(self) -> datetime:
        """The time by the server's own clock."""
        return self._api.client.server_time or datetime.now(UTC)

    def shown(
        self, launch: str, kept: Sequence[RecurringRun], claim: Claim | None
    ) -> PipelineRun:
        """A schedule as a run: it runs from its release until it is cancelled.

        Raises:
            ConnectorError: it could not be told.
        """
        run = _alone(launch, kept)
        if claim is not None and claim.is_withdrawn:
            if not any(one.is_enabled is not False for one in kept):
                return replace(
                    run, state=RunState.CANCELLED, reason="cancelled", ended=claim.at
                )
            why = "it was cancelled, and is enabled"
            return replace(run, state=RunState.UNKNOWN, reason=why)
        try:
            plan = read_plan(self.plan_bytes(launch, run.plan_digest))
            where = differs(self._api, kept, plan)
            times = times_of(plan)
        except (ConnectorRefused, MalformedInput) as problem:
            why = f"it cannot be held against its plan: {problem}"
            return replace(run, state=RunState.UNKNOWN, reason=why)
        run = replace(run, pipeline=plan.pipeline)
        if where:
            return replace(run, state=RunState.UNKNOWN, reason=where)
        due = cron_times(times.cron, times.time_zone).after(self.now())
        when = f"due next at {due:%Y-%m-%dT%H:%MZ}" if due else "due no more"
        return replace(run, reason=when)


def unshown(launch: str, claim: Claim) -> PipelineRun:
    """A schedule of which there is a claim and nothing else."""
    run = claimed_run(launch, claim)
    may_be_there = claim.is_old if not claim.is_withdrawn else claim.number > 1
    if not may_be_there:
        return run
    return replace(
        run,
        state=RunState.UNKNOWN,
        reason=f"it was claimed to be sent, and does not show. {LOOK_FOR_IT}",
        ended=None,
    )


def differs(api: KfpApi, kept: Sequence[RecurringRun], plan: LaunchPlan) -> str:
    """In what a recurring run is not what its plan says, in words; empty: in nothing.

    Raises:
        ConnectorError: it cannot be told.
    """
    if len(kept) > 1:
        return f"{len(kept)} recurring runs have its marks"
    [one] = kept
    sent = sent_by(plan)
    run, recurring = sent["run"], sent["schedule"]["recurring"]
    account = run.get("service_account") or one.service_account
    compared = {
        "cron": one.cron == recurring["trigger"]["cron_schedule"]["cron"],
        "trigger": not one.is_bounded,
        "max_concurrency": one.most_at_once == recurring["max_concurrency"],
        "no_catchup": not one.catches_up,
        "parameters": dict(one.parameters) == run["runtime_config"]["parameters"],
        "pipeline_root": not one.pipeline_root,
        "service_account": one.service_account == account,
        "plugins_input": not one.has_plugins,
        "mode": one.is_enabled is True,
    }
    wrong = [name for name, is_same in compared.items() if not is_same]
    if wrong:
        return f"its {wrong[0]} is not what its plan says"
    return strange_version(api, one.pipeline_id, one.version_id, plan)


def _alone(launch: str, kept: Sequence[RecurringRun]) -> PipelineRun:
    """Recurring runs of a launch as a run, without their plan."""
    return PipelineRun(
        launch=launch,
        backend=BACKEND,
        pipeline="",
        state=RunState.RUNNING,
        plan_digest=digest_in(kept[0], launch),
        claimed=min(one.created or _LONG_AGO for one in kept),
        told=tuple(("kfp.recurring_run", one.recurring_id) for one in kept),
    )
