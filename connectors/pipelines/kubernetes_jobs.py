"""The launcher of a cluster: jobs that are created held, released once, and followed.

The plan goes to whoever keeps plans; the job carries its digest, and everything that it
is made of is compared with the plan before it is released. What was cancelled stays on
the cluster, held for good, so that its id starts nothing again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError, ConnectorRefused, MalformedInput
from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.kinds import TRAIN_JOB, WorkKind, kind_of
from connectors.kubernetes.manifests import LAUNCH_ANNOTATION, PLAN_ANNOTATION
from connectors.kubernetes.pods import ClusterPods, Pod
from connectors.kubernetes.problems import NotAllowed
from connectors.kubernetes.selecting import in_pieces
from connectors.kubernetes.work import ClusterWork
from connectors.kubernetes.works import Work
from connectors.pipelines.declarations import Declaration, Taken
from connectors.pipelines.kubernetes_declaration import declared_manifest
from connectors.pipelines.kubernetes_leads import ClusterLeads
from connectors.pipelines.kubernetes_logs import JobLog
from connectors.pipelines.kubernetes_planning import (
    BACKEND,
    manifest_of,
    plan_manifest,
)
from connectors.pipelines.kubernetes_runs import launch_of, note_of, run_of
from connectors.pipelines.plans import KeepsPlans, place_name, read_plan
from connectors.pipelines.protocols import (
    LAUNCH_ID,
    LaunchPlan,
    LaunchRequest,
    LogLine,
    PipelineRun,
    RunState,
)

if TYPE_CHECKING:
    from connectors.pipelines.kubernetes_schedules import KubernetesSchedules

_PROBE = "plan"
_SETTLE_SECONDS = 60.0
"""What a cluster may take beyond the grace of whoever cancels."""
_TURN_SECONDS = 1.0
_LOOK_SECONDS = 0.2
_MOST_LOOKED_UP = 20
_LOOKS_AT_WHAT_CAME_OF_IT = 25


class KubernetesLauncher:
    """Launches jobs in one namespace of one cluster."""

    backend = BACKEND
    takes = frozenset({Taken.SETTINGS, Taken.TIME_LIMIT})

    def __init__(
        self,
        client: KubernetesClient,
        plans: KeepsPlans,
        *,
        context: str = "",
        namespace: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._plans = plans
        self._context = context
        """The context that the client was opened with; empty: the current one."""
        self._work = ClusterWork(client, namespace, sleep=sleep)
        self._pods = ClusterPods(client)
        self._leads = ClusterLeads(client)
        self._sleep = sleep

    @property
    def place(self) -> str:
        """The cluster and the namespace.

        Raises:
            ConnectorRefused: the configuration cannot be used.
        """
        return place_name(self._client.access.server, self._work.namespace)

    def schedules(self, keeper: WorkKind) -> KubernetesSchedules:
        """What keeps schedules in the same namespace, by objects of a kind."""
        from connectors.pipelines.kubernetes_schedules import KubernetesSchedules

        return KubernetesSchedules(
            self._client,
            self._plans,
            keeper=keeper,
            context=self._context,
            namespace=self._work.namespace,
            sleep=self._sleep,
        )

    def plan(self, request: LaunchRequest) -> LaunchPlan:
        """See CanLaunch.plan. The cluster is asked whether it would take it."""
        namespace = self._work.namespace
        plan = plan_manifest(
            request,
            self.place,
            self._context,
            lambda manifest: self._leads.of(manifest, namespace),
        )
        self._work.planned(_marked(plan, _PROBE), _PROBE)
        return plan

    def declaration(self, project: str, ref: str) -> Declaration:
        """See CanDeclare."""
        return declared_manifest(project, ref)

    def launch(self, launch: str, plan: LaunchPlan, *, held: bool) -> PipelineRun:
        """See CanLaunch.launch."""
        _check(launch)
        if plan.backend != BACKEND or plan.place != self.place:
            raise ConnectorRefused(
                "the plan was made for another place",
                hint=f"It is for {plan.place}. Which context leads there?",
            )
        manifest = _marked(plan, launch)
        self._plans.put(plan.to_bytes())
        had = self._work.find_any(launch)
        if had is not None and had.kind is not kind_of(manifest):
            raise ConnectorRefused(
                f"the launch {launch} is another one there: a {had.kind.kind}",
                hint="Launch under a new id.",
            )
        if had is None:
            self._leads.require_as_planned(manifest, plan, self._work.namespace)
        made = self._work.create(manifest, launch)
        if had is None and not held:
            made = self._let_go(manifest, launch, plan)
        return self._run(made)

    def release(self, launch: str) -> PipelineRun:
        """See CanHold.release."""
        work = self._existing(launch)
        run = self._run(work)
        if run.state is not RunState.SUSPENDED:
            return run
        plan = read_plan(self.plan_bytes(launch))
        if plan.place != self.place:
            raise ConnectorRefused("the plan was made for another place")
        return self._run(self._let_go(_marked(plan, launch), launch, plan))

    def find(self, launch: str) -> PipelineRun | None:
        """See CanLaunch.find."""
        _check(launch)
        work = self._work.find_any(launch)
        if work is None:
            return None
        self._require_of(work, launch)
        return self._run(work)

    def runs(self) -> Iterator[PipelineRun]:
        """See CanLaunch.runs."""
        works = [w for w in self._work.works(only_launched=True) if launch_of(w)]
        pods = self._pods.of_each([w for w in works if w.kind is not TRAIN_JOB])
        found = [self._run_or_damage(work, pods.get(work.uid)) for work in works]
        yield from sorted(
            found, key=lambda run: (run.claimed, run.launch), reverse=True
        )

    def some(self, launches: Sequence[str]) -> Iterator[PipelineRun]:
        """See CanFindSome."""
        wanted = set(launches)
        for few in in_pieces(launches):
            works = [w for w in self._work.works_of(few) if launch_of(w) in wanted]
            asked = [w for w in works if w.kind is not TRAIN_JOB]
            pods = self._pods.of_some(asked)
            for work in works:
                yield self._run_or_damage(work, pods.get(work.uid))

    def sample(self, most: int) -> Iterator[PipelineRun]:
        """See CanSample. Their pods are not asked for; of TrainJobs, which tell of
        their times by their pods alone, there are fewer."""
        left = {TRAIN_JOB: _MOST_LOOKED_UP}
        for work in self._work.some_works(most):
            left[work.kind] = left.get(work.kind, most) - 1
            if launch_of(work) and left[work.kind] >= 0:
                pods = None if work.kind is TRAIN_JOB else list[Pod]()
                yield self._run_or_damage(work, pods)

    def plan_bytes(self, launch: str) -> bytes:
        """See CanLaunch.plan_bytes."""
        digest = self._existing(launch).marks.get(PLAN_ANNOTATION, "")
        data = self._plans.get(digest)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ConnectorRefused(f"what is kept as the plan of {launch} is another")
        return data

    def log_lines(
        self,
        launch: str,
        *,
        follow: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[LogLine]:
        """See CanStreamLogs."""
        work = self._existing(launch)
        limit = read_plan(self.plan_bytes(launch)).limits.log_bytes
        log = JobLog(self._pods, limit, stop)
        while True:
            run = self._run(work)
            is_over = run.state.is_final or run.state is RunState.UNKNOWN
            made = self._leads.made(work).work
            yield from log.new_lines(made, follow=follow and not is_over)
            if not follow or is_over or stop():
                return
            self._sleep(_TURN_SECONDS)
            work = self._existing(launch)

    def cancel(self, launch: str, *, grace_seconds: float) -> PipelineRun:
        """See CanCancel."""
        work = self._existing(launch)
        run = self._run(work)
        if run.state.is_final and run.state is not RunState.CANCELLED:
            return run
        note = note_of(run, datetime.now(UTC))
        seconds = grace_seconds + _SETTLE_SECONDS
        return self._run(self._work.withdraw(work, launch, note, grace_seconds=seconds))

    def _existing(self, launch: str) -> Work:
        _check(launch)
        work = self._work.find_any(launch)
        if work is None:
            raise ConnectorRefused(
                f"{self.place} has no job of the launch {launch}",
                hint="It was launched elsewhere, or deleted there.",
            )
        self._require_of(work, launch)
        return work

    def _require_of(self, work: Work, launch: str) -> None:
        if launch_of(work) != launch:
            raise ConnectorRefused(
                f"the job {work.name} was not made by the launch {launch}",
                hint="Somebody else made it under that name.",
            )

    def _let_go(self, manifest: Json, launch: str, plan: LaunchPlan) -> Work:
        """Release a job, and end it again if it turns out to run something else."""
        self._leads.require_as_planned(manifest, plan, self._work.namespace)
        work = self._work.release(manifest, launch)
        if work.kind is not TRAIN_JOB:
            return work
        for _ in range(_LOOKS_AT_WHAT_CAME_OF_IT):
            if self._leads.made(work).is_let_go:
                break
            self._sleep(_LOOK_SECONDS)
        run = self._run(work)
        try:
            # Whatever was changed meanwhile has another generation, also if it was
            # changed back.
            self._leads.require_as_planned(manifest, plan, self._work.namespace)
        except ConnectorRefused as changed:
            if run.state is not RunState.UNKNOWN:
                run = replace(run, state=RunState.UNKNOWN, reason=str(changed))
        if run.state is not RunState.UNKNOWN:
            return work
        note = note_of(run, datetime.now(UTC))
        return self._work.withdraw(work, launch, note, grace_seconds=_SETTLE_SECONDS)

    def _run(self, work: Work, listed: list[Pod] | None = None) -> PipelineRun:
        """How a job is; its pods are asked for if they were not listed."""
        made = self._leads.made(work)
        pods = self._pods.of(made.work) if listed is None else listed
        digest = work.marks.get(PLAN_ANNOTATION, "")
        try:
            plan = read_plan(self._plans.get(digest))
        except ConnectorError:
            return run_of(made.work, pods)
        run = run_of(made.work, pods, [step.name for step in plan.steps])
        strange = made.strange(plan, pods)
        if strange:
            run = replace(run, state=RunState.UNKNOWN, reason=strange)
        elif run.state is RunState.PENDING and not run.reason:
            run = replace(run, reason=self._last_warning(made.work))
        elif run.state is RunState.SUSPENDED and not run.reason:
            run = replace(run, reason=self._why_not_released(plan))
        return replace(run, pipeline=plan.pipeline)

    def _why_not_released(self, plan: LaunchPlan) -> str:
        """Why a release would be refused whoever agrees to it; empty: not known."""
        try:
            namespace = self._work.namespace
            self._leads.require_as_planned(manifest_of(plan), plan, namespace)
        except NotAllowed:
            return ""
        except ConnectorRefused as refused:
            return str(refused)
        return ""

    def _last_warning(self, work: Work) -> str:
        """What the cluster warned of last, of a job that nothing is said of."""
        try:
            warnings = self._pods.warnings(work)
        except NotAllowed:
            return ""
        return "".join(f"{one}: {one.message}"[:300] for one in warnings[-1:])

    def _run_or_damage(self, work: Work, listed: list[Pod] | None) -> PipelineRun:
        """A run for a list, in which one damaged job must not hide the others."""
        try:
            return self._run(work, listed)
        except (MalformedInput, ConnectorRefused) as problem:
            return PipelineRun(
                launch=launch_of(work),
                backend=BACKEND,
                pipeline="",
                state=RunState.UNKNOWN,
                plan_digest="",
                claimed=work.created or datetime.now(UTC),
                reason=str(problem),
            )


def namespace_of(plan: LaunchPlan) -> str:
    """The namespace of a plan's place."""
    return plan.place.rpartition("/namespaces/")[2]


def _marked(plan: LaunchPlan, launch: str) -> Json:
    """The manifest of a plan with the marks of its launch."""
    manifest = manifest_of(plan)
    metadata = dict(manifest.get("metadata") or {})
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    marks = {LAUNCH_ANNOTATION: launch, PLAN_ANNOTATION: plan.digest}
    manifest["metadata"] = metadata | {"annotations": {**annotations, **marks}}
    return manifest


def _check(launch: str) -> None:
    if not LAUNCH_ID.fullmatch(launch):
        raise MalformedInput(
            f"{launch[:80]!r} is no id of a launch",
            hint="Letters, digits and . _ - make one, at most 100 of them.",
        )
