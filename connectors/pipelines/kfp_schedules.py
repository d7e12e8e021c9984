"""Schedules of Kubeflow Pipelines: recurring runs, made when they are let go.

What is held is not sent, as with a run. A recurring run that is made disabled and
enabled later starts at once for a time that passed meanwhile, and its server takes the
same one any number of times. So it is claimed, sent once, and never sent again: one
that does not show may still be kept, and start something every night.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.client import KfpClient
from connectors.kubeflow.objects import KfpRun
from connectors.kubeflow.recurring import RecurringApi
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.fired_runs import schedule_of
from connectors.pipelines.kfp_ending import Ending
from connectors.pipelines.kfp_fired import FiredRuns
from connectors.pipelines.kfp_holds import KeepsHeld
from connectors.pipelines.kfp_planning import BACKEND
from connectors.pipelines.kfp_recurring import KeptRecurring, unshown
from connectors.pipelines.kfp_runs import state_of
from connectors.pipelines.kfp_schedule_plans import (
    contradiction_of,
    is_schedule,
    plan_recurring,
    times_of,
)
from connectors.pipelines.kfp_sending import Clock, Sender
from connectors.pipelines.plans import KeepsPlans, place_name, read_plan
from connectors.pipelines.protocols import (
    LAUNCH_ID,
    LaunchPlan,
    LaunchRequest,
    PipelineRun,
    RunState,
    ScheduleStanding,
)

_CANCEL_SECONDS = 60.0
"""What runs may take to end, beyond the grace of whoever cancels."""


class KfpSchedules:
    """Keeps schedules in one namespace of one installation."""

    backend = BACKEND

    def __init__(
        self,
        client: KfpClient,
        plans: KeepsPlans,
        holds: KeepsHeld,
        *,
        context: str = "",
        service_account: str = "",
        time_zone: str = "Etc/UTC",
        clock: Clock | None = None,
    ) -> None:
        self._api = KfpApi(client)
        self._recurring = RecurringApi(client)
        self._clock = clock or Clock()
        self._kept = KeptRecurring(self._api, self._recurring, plans)
        self._sender = Sender(
            self._api,
            self._kept.of,
            self._clock,
            starts=self._recurring.make,
            takes_over=False,
        )
        self._fired = FiredRuns(self._api, self._recurring)
        self._ending = Ending(self._api, self._fired, self._sender, self._clock)
        self._plans = plans
        self._holds = holds
        self._context = context
        self._service_account = service_account
        self._time_zone = time_zone
        """The zone in which the installation keeps times, as it is configured."""

    @property
    def place(self) -> str:
        """The endpoint and the namespace."""
        found = self._api.client.endpoint
        return place_name(found.address, found.namespace)

    def plan(self, request: LaunchRequest) -> LaunchPlan:
        """See CanLaunch.plan. Nobody is asked: Kubeflow Pipelines has no dry run."""
        return plan_recurring(
            request, self.place, self._context, self._service_account, self._time_zone
        )

    def launch(self, launch: str, plan: LaunchPlan, *, held: bool) -> PipelineRun:
        """See CanLaunch.launch."""
        _check(launch)
        if plan.backend != BACKEND or plan.place != self.place:
            raise ConnectorRefused(
                "the plan was made for another place",
                hint=f"It is for {plan.place}. Which endpoint is that?",
            )
        _require_consistent(plan)
        self._plans.put(plan.to_bytes())
        found = self.find(launch)
        if found is not None:
            _require_plan(found, plan.digest)
        if held:
            if found is None:
                self._holds.hold(launch, plan.digest)
            return self._required(launch)
        is_waiting = found is None or found.state in (
            RunState.PENDING,
            RunState.UNKNOWN,
        )
        if found is None or (is_waiting and not self._kept.of(launch)):
            return self._send(launch, plan)
        return found

    def release(self, launch: str) -> PipelineRun:
        """See CanHold.release."""
        run = self._required(launch)
        if run.state is not RunState.SUSPENDED:
            return run
        plan = read_plan(self.plan_bytes(launch))
        if plan.place != self.place:
            raise ConnectorRefused("the plan was made for another place")
        _require_consistent(plan)
        self._holds.let_go(launch)
        return self._send(launch, plan)

    def find(self, launch: str) -> PipelineRun | None:
        """See CanLaunch.find: a schedule, or a run that it started."""
        schedule = schedule_of(launch)
        if schedule:
            return next((r for r in self.fired(schedule) if r.launch == launch), None)
        _check(launch)
        kept = self._kept.of(launch)
        claim = self._sender.claims.newest(launch)
        if claim is not None and not kept:
            kept = self._kept.of(launch)  # it may have come between the two questions
        if kept:
            return self._kept.shown(launch, kept, claim)
        if claim is not None:
            return unshown(launch, claim)
        held = self._holds.held(launch)
        return None if held is None else held.run

    def runs(self) -> Iterator[PipelineRun]:
        """See CanLaunch.runs: none, because a log says which schedules there are."""
        yield from ()

    def plan_bytes(self, launch: str) -> bytes:
        """See CanLaunch.plan_bytes. A run has the plan of its schedule."""
        schedule = schedule_of(launch) or launch
        return self._kept.plan_bytes(schedule, self._required(schedule).plan_digest)

    def standing(self, launch: str) -> ScheduleStanding:
        """See CanSchedule.standing."""
        run, kept = self._required(launch), self._kept.of(launch)
        times = times_of(read_plan(self._kept.plan_bytes(launch, run.plan_digest)))
        runs = self._fired.listed(kept)
        due = cron_times(times.cron, times.time_zone)
        is_on = run.state is RunState.RUNNING
        return ScheduleStanding(
            launch,
            times,
            due.after(self._kept.now()) if is_on else None,
            max((one.scheduled for one in runs if one.scheduled), default=None),
            sum(not state_of(one).is_final for one in runs),
        )

    def fired(self, launch: str) -> Iterator[PipelineRun]:
        """See CanSchedule.fired."""
        found = [run for _, run in self._children(launch)]
        yield from found[::-1]

    def cancel(self, launch: str, *, grace_seconds: float) -> PipelineRun:
        """See CanCancel: one run, or the schedule with every run that has not ended."""
        until = self._clock.monotonic() + grace_seconds + _CANCEL_SECONDS
        if schedule_of(launch):
            return self._cancel_run(launch, until)
        run = self._required(launch)
        kept = self._kept.of(launch)
        if not kept:
            is_done = run.state is RunState.CANCELLED
            return run if is_done else self._withdraw(run)
        self._sender.never_again(run)
        for keeper in kept:
            self._recurring.disable(keeper.recurring_id)
        self._ending.end_all(run, kept, until)
        return self._required(launch)

    def _cancel_run(self, launch: str, until: float) -> PipelineRun:
        schedule = schedule_of(launch)
        keeper = self._required(schedule)
        for raw, run in self._children(schedule):
            if run.launch == launch:
                self._ending.end(raw, replace(keeper, launch=launch))
                self._ending.await_end(
                    self._kept.of(schedule), launch, until, only=raw.run_id
                )
                return next(r for r in self.fired(schedule) if r.launch == launch)
        raise ConnectorRefused(
            f"there is no run of {launch} in {self.place}",
            hint="It was deleted there, or never started.",
        )

    def _withdraw(self, run: PipelineRun) -> PipelineRun:
        """Make sure that what was not sent never is."""
        self._sender.withdraw(run)
        return self._required(run.launch)

    def _send(self, launch: str, plan: LaunchPlan) -> PipelineRun:
        """Make what nobody holds.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        if self._holds.held(launch) is not None:
            raise ConnectorRefused(f"{launch} is held, and nothing of it is sent")
        self._sender.send(launch, plan)
        try:
            run = self._required(launch)
        except ConnectorError as problem:
            raise ConnectorUnavailable(
                f"it was sent, and cannot be looked at: {problem}", hint=problem.hint
            ) from problem
        _require_plan(run, plan.digest)
        return run

    def _required(self, launch: str) -> PipelineRun:
        run = self.find(launch)
        if run is None:
            raise ConnectorRefused(
                f"{self.place} has no schedule of the launch {launch}",
                hint="It was launched elsewhere, or deleted there.",
            )
        return run

    def _children(self, launch: str) -> list[tuple[KfpRun, PipelineRun]]:
        run, kept = self._required(launch), self._kept.of(launch)
        if not kept:
            return []
        plan = read_plan(self._kept.plan_bytes(launch, run.plan_digest))
        return list(self._fired.of(launch, kept, plan))


def _require_plan(run: PipelineRun, digest: str) -> None:
    if run.plan_digest != digest:
        raise ConnectorRefused(
            f"the launch {run.launch} is another one: plan {run.plan_digest[:16]}, "
            f"this is {digest[:16]}"
        )


def _require_consistent(plan: LaunchPlan) -> None:
    if not is_schedule(plan):
        raise ConnectorRefused("the plan holds no schedule")
    strange = contradiction_of(plan)
    if strange:
        raise ConnectorRefused(
            f"the plan contradicts itself: {strange}",
            hint="Whoever made it wrote it by hand. Schedule the package anew.",
        )


def _check(launch: str) -> None:
    if not LAUNCH_ID.fullmatch(launch):
        raise MalformedInput(
            f"{launch[:80]!r} is no id of a launch",
            hint="Letters, digits and . _ - make one, at most 100 of them.",
        )
