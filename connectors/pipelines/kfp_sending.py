"""Sending a launch once to a server that takes the same run any number of times.

It is claimed, then sent, then looked for. Where it cannot be told whether something was
sent, nothing more is, until nothing of it can be on its way any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.client import Json
from connectors.kubeflow.problems import OutcomeUnknown
from connectors.pipelines.kfp_claims import Claim, Claims
from connectors.pipelines.kfp_planning import BACKEND, sent_by
from connectors.pipelines.kfp_runs import mark_of
from connectors.pipelines.kfp_versions import uploaded
from connectors.pipelines.protocols import LaunchPlan, PipelineRun, RunState

SETTLE_SECONDS = 20.0
"""For how long a run whose answer was lost is looked for at once."""
SEND_SECONDS = 60.0
"""Whoever took longer than this from claim to sending sends nothing."""
TURN_SECONDS = 1.0
LOOK_FOR_IT = (
    "It may be there without being shown: look among the ScheduledWorkflows of its "
    "namespace (kubectl get scheduledworkflows), delete it there, and schedule the "
    "same under another name."
)


@dataclass(frozen=True, slots=True)
class Clock:
    """How time passes for whoever waits."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


class Sender:
    """Sends launches, and makes sure that others are never sent."""

    def __init__(
        self,
        api: KfpApi,
        runs: Callable[[str], Sequence[object]],
        clock: Clock,
        *,
        starts: Callable[[Json], object] | None = None,
        takes_over: bool = True,
    ) -> None:
        self.claims = Claims(api)
        self._api = api
        self._runs = runs
        """What there is with the marks of a launch."""
        self._clock = clock
        self._starts = starts or api.start_run
        self._takes_over = takes_over
        """Whether a launch may be sent again once nothing of it can be on its way."""

    def send(self, launch: str, plan: LaunchPlan) -> None:
        """Start a run that has not been started, if it is ours to start, and return
        once it shows. One that was withdrawn is not started.

        Raises:
            ConnectorUnavailable: it is not known whether it was started.
            ConnectorError: it was not.
        """
        body = self._body(launch, plan)
        begun = self._clock.monotonic()
        before = self.claims.newest(launch)
        if before is not None and before.is_withdrawn:
            return
        if before is not None and not before.is_old:
            self._await_other(launch, before)
            return
        _require_unsettled(launch, before)
        if before is not None and not self._takes_over:
            raise ConnectorUnavailable(
                f"{launch} was claimed to be sent, and does not show; it is not sent "
                "again",
                hint=LOOK_FOR_IT,
            )
        claim = self.claims.take(launch, plan.digest, before)
        if claim is None:
            self._await_other(launch, self.claims.newest(launch))
            return
        try:
            if self._runs(launch):
                return
            if self._clock.monotonic() - begun > SEND_SECONDS:
                raise ConnectorUnavailable(
                    "it takes too long to reach Kubeflow Pipelines; nothing was sent",
                    hint="Try again.",
                )
        except ConnectorError:
            self.claims.give_up(claim)
            raise
        self._start(launch, claim, body)
        self.claims.settle(claim)

    def _start(self, launch: str, claim: Claim, body: Json) -> None:
        """Send what was claimed, once, and see that it is there.

        Raises:
            ConnectorUnavailable: it is not known whether it was started.
            ConnectorError: it was not.
        """
        try:
            self._starts(body)
        except (OutcomeUnknown, MalformedInput) as lost:
            if not self._shows(launch):
                raise ConnectorUnavailable(
                    f"it was sent, and does not show: {lost}",
                    hint="It may still appear. Nothing is sent again within ten "
                    "minutes.",
                ) from lost
        except ConnectorError:
            self.claims.give_up(claim)
            raise

    def withdraw(self, run: PipelineRun) -> PipelineRun:
        """Make sure that what was not sent never is.

        Raises:
            ConnectorUnavailable: it may be on its way.
        """
        before = self.claims.newest(run.launch)
        if before is not None and not before.is_old:
            raise ConnectorUnavailable(
                f"{run.launch} may be on its way",
                hint="It is ended once it shows, or ten minutes after it was claimed.",
            )
        _require_unsettled(run.launch, before)
        return claimed_run(run.launch, self.never_again(run))

    def never_again(self, run: PipelineRun) -> Claim:
        """Claim a launch for nobody: what was sent of it is to end, and nothing more is
        sent. The claim says that it was cancelled, which not every server does.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        before = self.claims.newest(run.launch)
        if before is not None and before.is_withdrawn:
            return before
        claim = self.claims.take(run.launch, run.plan_digest, before, never=True)
        if claim is None:
            raise ConnectorUnavailable(f"somebody else claims {run.launch}; ask again")
        self.claims.settle(claim)
        return claim

    def _body(self, launch: str, plan: LaunchPlan) -> Json:
        """What starts the run of a launch, once its package is there."""
        sent = sent_by(plan)
        reference = uploaded(self._api, plan)
        experiment = self._api.experiment_named(sent["experiment"], "")
        more = sent["schedule"]["recurring"] if "schedule" in sent else {}
        return dict(sent["run"]) | {
            "display_name": launch,
            "description": mark_of(launch, plan.digest),
            "experiment_id": experiment.experiment_id,
            "pipeline_version_reference": reference,
            **more,
        }

    def _await_other(self, launch: str, claim: Claim | None) -> None:
        """Wait for what another process sends.

        Raises:
            ConnectorUnavailable: it does not show.
        """
        if claim is not None and claim.is_withdrawn:
            return
        if self._shows(launch):
            return
        at = f" at {claim.at:%H:%M:%S}" if claim is not None and claim.at else ""
        raise ConnectorUnavailable(
            f"{launch} was claimed{at} to be sent, and does not show",
            hint="Another process sends it, or ended while it did. Try again ten "
            "minutes after that.",
        )

    def _shows(self, launch: str) -> bool:
        """Whether a run appears before nobody waits any longer.

        Raises:
            ConnectorUnavailable: nobody may look.
        """
        deadline = self._clock.monotonic() + SETTLE_SECONDS
        try:
            while not self._runs(launch):
                if self._clock.monotonic() >= deadline:
                    return False
                self._clock.sleep(TURN_SECONDS)
        except ConnectorError as problem:
            raise ConnectorUnavailable(
                f"it may be on its way, and nobody can look: {problem}",
                hint=problem.hint,
            ) from problem
        return True


def _require_unsettled(launch: str, claim: Claim | None) -> None:
    """Refuse to go on from a claim of which the run was seen, and is gone.

    Raises:
        ConnectorRefused: it is such a one.
    """
    if claim is not None and claim.is_settled:
        raise ConnectorRefused(
            f"{launch} was started, and its run is gone there",
            hint="It was deleted, or is older than what is kept. Launch it under "
            "another id.",
        )


def claimed_run(launch: str, claim: Claim) -> PipelineRun:
    """A launch of which there is a claim and no run."""
    state, reason = RunState.PENDING, "it is being sent, or its answer was lost"
    if claim.is_withdrawn:
        state, reason = RunState.CANCELLED, "cancelled before it was sent"
    elif claim.is_settled and claim.is_old:
        state, reason = RunState.UNKNOWN, "it was started, and its run is gone there"
    elif claim.is_old:
        state = RunState.UNKNOWN
        reason = "it was claimed to be sent, and no run of it shows"
    return PipelineRun(
        launch=launch,
        backend=BACKEND,
        pipeline="",
        state=state,
        plan_digest=claim.plan,
        claimed=claim.at or datetime.now(UTC),
        reason=reason,
        ended=claim.at if claim.is_withdrawn else None,
    )
