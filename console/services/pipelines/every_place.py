"""Every launch that the log declares, each in the place that its plan names.

Which place that is, is what the log says: the plan whose digest the intent holds. A
place that does not answer hides nothing of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from connectors.pipelines.fired_runs import schedule_of
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kfp_planning import BACKEND as KFP
from connectors.pipelines.kubernetes_cron import keeper_of
from connectors.pipelines.kubernetes_jobs import KubernetesLauncher, namespace_of
from connectors.pipelines.kubernetes_planning import BACKEND as KUBERNETES
from connectors.pipelines.kubernetes_planning import context_of
from connectors.pipelines.planned_schedules import is_schedule
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import (
    CanCancel,
    CanFindSome,
    CanHold,
    CanLaunch,
    CanSchedule,
    CanStreamLogs,
    LaunchPlan,
    LaunchRequest,
    LogLine,
    PipelineRun,
    ScheduleStanding,
)
from console.services.opened import OpenStore
from console.services.pipelines.launch_log import (
    Declared,
    declared_first,
    launches,
    unseen_run,
)
from policies.predicates.operations import LaunchIntent
from store.errors import StoreError

FAR = (KUBERNETES, KFP)
"""Backends whose places a context and a namespace name."""
FEW = 500
"""Launches that a place is asked for by name; beyond that all are listed."""


class FarLauncher(CanLaunch, Protocol):
    """A launcher of a place that is not this machine."""

    @property
    def place(self) -> str:
        """What its plans call it."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """A launch as its place shows it, with what it started if it is a schedule."""

    launch: str
    intent: LaunchIntent
    place: str
    """Empty: its plan cannot be read."""
    runs: tuple[PipelineRun, ...]
    problem: ConnectorError | None
    """Why it cannot be told."""


class EveryPlace:
    """See the module. What the log does not declare is looked for on this machine."""

    def __init__(
        self,
        store: OpenStore,
        own: CanLaunch,
        opens: Callable[[str, str, str], FarLauncher],
    ) -> None:
        self._store = store
        self._own = own
        self._opens = opens
        """A launcher by backend, context and namespace."""
        self._opened: dict[tuple[str, str, str], FarLauncher] = {}

    @property
    def backend(self) -> str:
        """That of this machine, which is where it plans."""
        return self._own.backend

    @property
    def own(self) -> CanLaunch:
        """That of this machine."""
        return self._own

    def of(self, launch: str) -> CanLaunch:
        """The launcher of a launch.

        Raises:
            ConnectorError: its plan cannot be read, so that it is not known.
        """
        declared = declared_first(self._store, schedule_of(launch) or launch)
        return self.at(self._plan(declared[2].definition)) if declared else self._own

    def at(self, plan: LaunchPlan) -> CanLaunch:
        """The launcher of the place of a plan.

        Raises:
            ConnectorError: what is configured here does not lead there.
        """
        if plan.backend not in FAR:
            return self._own
        named = plan.backend, context_of(plan), namespace_of(plan)
        if named not in self._opened:
            self._opened[named] = self._opens(*named)
        launcher = self._opened[named]
        if launcher.place != plan.place:
            raise ConnectorRefused(
                f"it was launched at {plan.place}, and the context "
                f"{named[1] or 'in use'} leads to {launcher.place}",
                hint="Give the kubeconfig, or [kubeflow.NAME] in the configuration, "
                "a context of that name that leads there.",
            )
        if not is_schedule(plan):
            return launcher
        if isinstance(launcher, KfpLauncher):
            return launcher.schedules()
        keeper = keeper_of(plan)
        if not isinstance(launcher, KubernetesLauncher) or keeper is None:
            raise ConnectorRefused(f"{launcher.backend} keeps no schedules")
        return launcher.schedules(keeper)

    def plan(self, request: LaunchRequest) -> LaunchPlan:
        """See CanLaunch.plan."""
        return self._own.plan(request)

    def launch(self, launch: str, plan: LaunchPlan, *, held: bool) -> PipelineRun:
        """See CanLaunch.launch."""
        return self.at(plan).launch(launch, plan, held=held)

    def find(self, launch: str) -> PipelineRun | None:
        """See CanLaunch.find."""
        return self.of(launch).find(launch)

    def runs(self) -> Iterator[PipelineRun]:
        """Those that the log declares and whose places answer, and all of this machine;
        in place of the others, that they are unknown and why."""
        yield from self._own.runs()
        yield from _shown(self.looks())

    def runs_of(self, declared: Sequence[Declared]) -> Iterator[PipelineRun]:
        """As `runs`, but only those of some launches."""
        names = [launch for launch, _, _ in declared]
        if isinstance(self._own, CanFindSome):
            yield from self._own.some(names)
        else:
            yield from self._own.runs()
        yield from _shown(self._looks(declared, _Listed(names)))

    def looks(
        self,
        wants: Callable[[str], bool] = lambda _: True,
        leaves_out: Container[str] = (),
    ) -> Iterator[Look]:
        """Every launch that the log declares elsewhere than on this machine, if it is
        wanted and its place is not left out, as its place shows it."""
        wanted = (one for one in launches(self._store) if wants(one[0]))
        yield from self._looks(wanted, _Listed(), leaves_out)

    def _looks(
        self,
        declared: Iterable[Declared],
        listed: _Listed,
        leaves_out: Container[str] = (),
    ) -> Iterator[Look]:
        for launch, _, intent in declared:
            place, found = "", list[PipelineRun]()
            problem = None
            try:
                plan = self._plan(intent.definition)
                place = plan.place
                if plan.backend not in FAR or place in leaves_out:
                    continue
                found = listed.runs_of(self.at, plan, launch)
            except ConnectorError as cause:
                problem = cause
            yield Look(launch, intent, place, tuple(found), problem)

    def plan_bytes(self, launch: str) -> bytes:
        """See CanLaunch.plan_bytes."""
        return self.of(launch).plan_bytes(launch)

    def release(self, launch: str) -> PipelineRun:
        """See CanHold.release."""
        launcher = self.of(launch)
        if not isinstance(launcher, CanHold):
            raise ConnectorRefused(f"{launcher.backend} holds nothing")
        return launcher.release(launch)

    def standing(self, launch: str) -> ScheduleStanding:
        """See CanSchedule.standing."""
        return self._keeper(launch).standing(launch)

    def fired(self, launch: str) -> Iterator[PipelineRun]:
        """See CanSchedule.fired."""
        return self._keeper(launch).fired(launch)

    def _keeper(self, launch: str) -> CanSchedule:
        launcher = self.of(launch)
        if not isinstance(launcher, CanSchedule):
            raise ConnectorRefused(
                f"{launch} is no schedule",
                hint="Those there are: countersign pipeline list --schedules",
            )
        return launcher

    def cancel(self, launch: str, *, grace_seconds: float) -> PipelineRun:
        """See CanCancel.cancel."""
        launcher = self.of(launch)
        if not isinstance(launcher, CanCancel):
            raise ConnectorRefused(f"{launcher.backend} cancels nothing")
        return launcher.cancel(launch, grace_seconds=grace_seconds)

    def log_lines(
        self,
        launch: str,
        *,
        follow: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[LogLine]:
        """See CanStreamLogs.log_lines."""
        launcher = self.of(launch)
        if not isinstance(launcher, CanStreamLogs):
            raise ConnectorRefused(
                f"{launcher.backend} shows no logs",
                hint="Look at them in its own pages.",
            )
        return launcher.log_lines(launch, follow=follow, stop=stop)

    def _plan(self, digest: str) -> LaunchPlan:
        try:
            return read_plan(self._store.objects.get(digest))
        except StoreError as cause:
            raise ConnectorRefused(f"its plan cannot be read: {cause}") from cause


class _Listed:
    """What places have, each listed once; one that is silent is not asked again."""

    def __init__(self, only: Sequence[str] = ()) -> None:
        self._only = only
        """The launches that are looked for; empty: all."""
        self._runs: dict[str, dict[str, PipelineRun]] = {}
        self._silent: dict[str, ConnectorUnavailable] = {}

    def runs_of(
        self, opens: Callable[[LaunchPlan], CanLaunch], plan: LaunchPlan, launch: str
    ) -> list[PipelineRun]:
        """A launch at the place of its plan, and what it started if it is a schedule.

        Raises:
            ConnectorError: it cannot be told.
        """
        if plan.place in self._silent:
            raise self._silent[plan.place]
        try:
            return self._asked(opens(plan), plan.place, launch)
        except ConnectorUnavailable as problem:
            self._silent[plan.place] = problem
            raise

    def _of(self, launcher: CanLaunch) -> Iterator[PipelineRun]:
        is_few = 0 < len(self._only) <= FEW
        if is_few and isinstance(launcher, CanFindSome):
            return launcher.some(self._only)
        return launcher.runs()

    def _asked(self, launcher: CanLaunch, place: str, launch: str) -> list[PipelineRun]:
        if isinstance(launcher, CanSchedule):
            run = launcher.find(launch)
            return [run, *launcher.fired(launch)] if run is not None else []
        if place not in self._runs:
            self._runs[place] = {run.launch: run for run in self._of(launcher)}
        run = self._runs[place].get(launch)
        if run is None and launcher.backend == KFP:
            run = launcher.find(launch)
        return [run] if run is not None else []


def _shown(looks: Iterable[Look]) -> Iterator[PipelineRun]:
    """What was seen; in place of what was not, that it is unknown and why."""
    for look in looks:
        if look.problem is None:
            yield from look.runs
            continue
        yield unseen_run(look.launch, look.intent, str(look.problem))
