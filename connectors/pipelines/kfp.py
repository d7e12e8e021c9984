"""The launcher of Kubeflow Pipelines, which holds nothing and starts what it is sent.

So what is held is not sent: whoever keeps the launches says that it is held, and that
it was let go. What is shown of a run is compared with the plan that it was sent by.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.client import KfpClient
from connectors.kubeflow.objects import KfpRun
from connectors.kubeflow.packages import read_package
from connectors.pipelines.declarations import Declaration, Taken
from connectors.pipelines.kfp_artifacts import artifacts_told
from connectors.pipelines.kfp_declaration import declared_package
from connectors.pipelines.kfp_holds import KeepsHeld
from connectors.pipelines.kfp_planning import BACKEND, package_of, plan_package, sent_by
from connectors.pipelines.kfp_runs import (
    MARK,
    is_ending,
    marked,
    run_of,
    state_of,
    those_marked,
)
from connectors.pipelines.kfp_sending import TURN_SECONDS, Clock, Sender, claimed_run
from connectors.pipelines.kfp_versions import started_with, strange_version
from connectors.pipelines.plans import KeepsPlans, place_name, read_plan
from connectors.pipelines.protocols import (
    LAUNCH_ID,
    LaunchPlan,
    LaunchRequest,
    PipelineRun,
    RunState,
)

if TYPE_CHECKING:
    from connectors.pipelines.kfp_schedules import KfpSchedules

_MOST_SAMPLED = 20
_CANCEL_SECONDS = 60.0
"""What a run may take to end, beyond the grace of whoever cancels."""


class KfpLauncher:
    """Launches runs in one namespace of one installation."""

    backend = BACKEND
    takes = frozenset({Taken.REF})

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
        self._client = client
        self._time_zone = time_zone
        self._api = KfpApi(client)
        self._clock = clock or Clock()
        self._sender = Sender(self._api, self._runs, self._clock)
        self._plans = plans
        self._holds = holds
        self._context = context
        """The name of the configured endpoint; empty: the only one."""
        self._service_account = service_account
        self._versions: dict[tuple[str, str], str] = {}
        """What is wrong with the versions that were looked at; empty: nothing."""
        self._ended: dict[object, PipelineRun] = {}

    @property
    def place(self) -> str:
        """The endpoint and the namespace."""
        found = self._api.client.endpoint
        return place_name(found.address, found.namespace)

    def schedules(self) -> KfpSchedules:
        """What keeps schedules in the same namespace."""
        from connectors.pipelines.kfp_schedules import KfpSchedules

        return KfpSchedules(
            self._client,
            self._plans,
            self._holds,
            context=self._context,
            service_account=self._service_account,
            time_zone=self._time_zone,
            clock=self._clock,
        )

    def plan(self, request: LaunchRequest) -> LaunchPlan:
        """See CanLaunch.plan. Nobody is asked: Kubeflow Pipelines has no dry run."""
        return plan_package(request, self.place, self._context, self._service_account)

    def declaration(self, project: str, ref: str) -> Declaration:
        """See CanDeclare."""
        return declared_package(project, ref)

    def launch(self, launch: str, plan: LaunchPlan, *, held: bool) -> PipelineRun:
        """See CanLaunch.launch."""
        _check(launch)
        if plan.backend != BACKEND or plan.place != self.place:
            raise ConnectorRefused(
                "the plan was made for another place",
                hint=f"It is for {plan.place}. Which endpoint is that?",
            )
        if "schedule" in sent_by(plan):
            raise ConnectorRefused("a schedule is planned, and a run is started here")
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
        if found is None or (is_waiting and not self._runs(launch)):
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
        self._holds.let_go(launch)
        return self._send(launch, plan)

    def find(self, launch: str) -> PipelineRun | None:
        """See CanLaunch.find. What was claimed and does not show is pending while it
        may be on its way, and unknown after that."""
        _check(launch)
        runs = self._runs(launch)
        if runs:
            return self._shown(runs)
        claim = self._sender.claims.newest(launch)
        if claim is not None:
            # It may have come between the two questions.
            runs = self._runs(launch)
            return self._shown(runs) if runs else claimed_run(launch, claim)
        held = self._holds.held(launch)
        return None if held is None else held.run

    def runs(self) -> Iterator[PipelineRun]:
        """See CanLaunch.runs."""
        by_launch: dict[str, list[KfpRun]] = {}
        for run in self._api.runs("description", "IS_SUBSTRING", MARK):
            launch, _ = marked(run)
            if launch:
                by_launch.setdefault(launch, []).append(run)
        found = [
            self._shown_or_damage(launch, by_launch[launch]) for launch in by_launch
        ]
        for held in self._holds.all(self.place):
            if held.launch not in by_launch:
                waiting = self.find(held.launch)
                found += [waiting] if waiting else []
        yield from sorted(
            found, key=lambda run: (run.claimed, run.launch), reverse=True
        )

    def some(self, launches: Sequence[str]) -> Iterator[PipelineRun]:
        """See CanFindSome."""
        for launch in launches:
            runs = self._runs(launch)
            run = self._shown_or_damage(launch, runs) if runs else self.find(launch)
            if run is not None:
                yield run

    def sample(self, most: int) -> Iterator[PipelineRun]:
        """See CanSample. Each is asked for by itself, so they are few."""
        by_launch: dict[str, list[KfpRun]] = {}
        listed = self._api.runs("description", "IS_SUBSTRING", MARK)
        for run in itertools.islice(listed, min(most, _MOST_SAMPLED)):
            launch, _ = marked(run)
            if launch:
                by_launch.setdefault(launch, []).append(run)
        for launch, found in by_launch.items():
            yield self._shown_or_damage(launch, found)

    def plan_bytes(self, launch: str) -> bytes:
        """See CanLaunch.plan_bytes."""
        digest = self._required(launch).plan_digest
        data = self._plans.get(digest)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ConnectorRefused(f"what is kept as the plan of {launch} is another")
        return data

    def cancel(self, launch: str, *, grace_seconds: float) -> PipelineRun:
        """See CanCancel. What was not sent is made sure never to be."""
        run = self._required(launch)
        runs = self._runs(launch)
        if not runs:
            is_done = run.state is RunState.CANCELLED
            return run if is_done else self._sender.withdraw(run)
        if _are_over(runs):
            return self._shown(runs)
        self._sender.never_again(run)
        deadline = self._clock.monotonic() + grace_seconds + _CANCEL_SECONDS
        for one in runs:
            if not _are_over([one]):
                self._terminate(one.run_id)
        while True:
            runs = self._runs(launch)
            if _are_over(runs):
                return self._shown(runs)
            if self._clock.monotonic() >= deadline:
                raise ConnectorUnavailable(
                    f"{launch} was asked to end, and has not",
                    hint=f"Ask again: countersign pipeline cancel {launch}",
                )
            self._clock.sleep(TURN_SECONDS)

    def _terminate(self, run_id: str) -> None:
        """Ask a run to end; to ask one again that does, or has ended, is refused.

        Raises:
            ConnectorError: it goes on, or that is not known.
        """
        try:
            self._api.terminate_run(run_id)
        except ConnectorRefused:
            if not is_ending(self._api.run(run_id)):
                raise

    def archive(self, launch: str) -> PipelineRun:
        """Take an ended run out of the lists that people see there.

        Raises:
            ConnectorRefused: it has not ended.
            ConnectorError: it was not done, or not known whether.
        """
        run = self._required(launch)
        if not run.state.is_final:
            raise ConnectorRefused(f"{launch} is {run.state.value}")
        claim = self._sender.claims.newest(launch)
        if claim is not None and not claim.experiment.is_archived:
            self._sender.claims.settle(claim)
        for one in self._runs(launch):
            self._api.archive_run(one.run_id)
        return run

    def _send(self, launch: str, plan: LaunchPlan) -> PipelineRun:
        """Start what nobody holds.

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
                f"{self.place} has no run of the launch {launch}",
                hint="It was launched elsewhere, or deleted there.",
            )
        return run

    def _runs(self, launch: str) -> list[KfpRun]:
        """Every run that has the marks of a launch: one, unless others put them on."""
        return those_marked(self._api.runs("display_name", "EQUALS", launch), launch)

    def _shown(self, runs: Sequence[KfpRun]) -> PipelineRun:
        """A run as it is. One that had ended when it was looked at, and still shows the
        same end in a list, is not looked at again."""
        end = tuple((run.run_id, run.state, run.ended) for run in runs)
        shown = self._ended.get(end) or self._looked_at(runs)
        if _are_over(runs) and shown.state.is_final:
            self._ended[end] = shown
        return shown

    def _looked_at(self, runs: Sequence[KfpRun]) -> PipelineRun:
        whole = self._api.run(runs[0].run_id)
        tasks = self._api.tasks(whole)
        digest = marked(whole)[1]
        try:
            plan = read_plan(self._plans.get(digest))
        except ConnectorError:
            return run_of(whole, tasks, ())
        package = read_package(package_of(plan), "the package of the plan")
        run = run_of(whole, tasks, package.steps)
        if run.state is RunState.FAILED and self._was_cancelled(run.launch):
            run = run_of(whole, tasks, package.steps, is_cancelled=True)
        strange = started_with(whole, plan) or self._version_of(whole, plan)
        if len(runs) > 1:
            strange = f"{len(runs)} runs have its marks"
        if strange:
            run = replace(run, state=RunState.UNKNOWN, reason=strange)
        if run.state.is_final:
            told = tuple(artifacts_told(self._api, tasks))
            run = replace(run, artifacts=told)
        return replace(run, pipeline=plan.pipeline)

    def _was_cancelled(self, launch: str) -> bool:
        """Whether a run that failed did so because it was asked to end."""
        claim = self._sender.claims.newest(launch)
        return claim is not None and claim.is_withdrawn

    def _version_of(self, run: KfpRun, plan: LaunchPlan) -> str:
        """What is wrong with the version that a run was started from; it never changes,
        so it is looked at once."""
        key = run.version_id, plan.digest
        if key not in self._versions:
            self._versions[key] = strange_version(
                self._api, run.pipeline_id, run.version_id, plan
            )
        return self._versions[key]

    def _shown_or_damage(self, launch: str, runs: Sequence[KfpRun]) -> PipelineRun:
        """A run for a list, in which one damaged run must not hide the others."""
        try:
            return self._shown(runs)
        except MalformedInput as problem:
            return PipelineRun(
                launch=launch,
                backend=BACKEND,
                pipeline="",
                state=RunState.UNKNOWN,
                plan_digest=marked(runs[0])[1],
                claimed=runs[0].created or datetime.now(UTC),
                reason=str(problem),
            )


def _are_over(runs: Sequence[KfpRun]) -> bool:
    """Whether nothing of a launch runs, whatever it is that has its marks."""
    return all(state_of(run).is_final for run in runs)


def _require_plan(run: PipelineRun, digest: str) -> None:
    if run.plan_digest != digest:
        raise ConnectorRefused(
            f"the launch {run.launch} is another one: plan {run.plan_digest[:16]}, "
            f"this is {digest[:16]}"
        )


def _check(launch: str) -> None:
    if not LAUNCH_ID.fullmatch(launch):
        raise MalformedInput(
            f"{launch[:80]!r} is no id of a launch",
            hint="Letters, digits and . _ - make one, at most 100 of them.",
        )
