"""One decision about a schedule, wherever the place is that keeps it itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from connectors.kubeflow.access import Endpoint
from connectors.kubeflow.client import KfpClient
from connectors.pipelines.kfp_sending import Clock
from connectors.pipelines.kubernetes_jobs import KubernetesLauncher
from connectors.pipelines.protocols import RunState
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.launches import check_launches
from console.reports.verification import verify_file
from console.reports.whole_log import WholeLog
from console.services.checkpoints import make_checkpoint
from console.services.configuration import Configuration, KubeflowSetting
from console.services.founding import activate_policy
from console.services.opened import open_store
from console.services.pipelines import launchers
from console.services.pipelines.asked import Asked
from console.services.pipelines.every_place import EveryPlace
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.launching import launch
from console.services.pipelines.recording import record_fired
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.schedules import (
    ScheduleLine,
    WantedSchedule,
    as_schedule,
    list_schedules,
    open_keeper,
    schedules_objected_to,
)
from console.services.pipelines.sending import Launched
from console.services.pipelines.viewing import list_launches
from console.services.problems import Refusal
from console.services.signing import Acting, act_as_service
from policies.predicates import Decision
from policies.trust_root import ServiceKind
from tests.contract.kfp_launching import FAST
from tests.contract.schedule_cases import (
    CASES,
    NIGHTLY,
    ClusterCase,
    KfpScheduleCase,
    ScheduleCase,
)
from tests.pipelines import POLICY
from tests.worlds import World

LOCKED = POLICY.replace("provenance", "runtime_locked").replace(
    'require = ["{require}"]', 'by = ["image"]'
)


@dataclass
class Kept:
    """A world, and one place that keeps its schedules."""

    world: World
    case: ScheduleCase

    @property
    def everywhere(self) -> EveryPlace:
        return launcher_of_all(self.world.store)

    @property
    def importer(self) -> Acting:
        state = self.world.store.state()
        return act_as_service(self.world.store, state, ServiceKind.IMPORT)

    def policy(self, *, is_released: bool = True, version: int = 1) -> None:
        text = LOCKED.format(version=version, role="guard")
        text = text.replace('"launch"', '"launch", "schedule"')
        if not is_released:
            text = text.partition("[[approvals]]")[0]
        activate_policy(self.world.store, self.world.people["dana"], text.encode())

    def wanted(self) -> WantedSchedule:
        backend, namespace = "kfp", ""
        if isinstance(self.case, ClusterCase):
            backend, namespace = "kubernetes", self.case.place.namespace
        return WantedSchedule(
            self.case.request(NIGHTLY), "default", backend, "", namespace
        )

    def schedule(self, name: str = "nightly") -> Launched:
        wanted, world = self.wanted(), self.world
        keeper = open_keeper(world.store, wanted)
        asked = Asked(wanted.request, "default", name)
        return launch(world.store, world.people["dana"], keeper, asked)

    def let_go(self) -> None:
        """A schedule that vera released and dana started."""
        self.policy()
        self.world.hire("vera", "guard")
        assert self.schedule().run.state is RunState.SUSPENDED
        store, people = self.world.store, self.world.people
        decided = Decided(Decision.APPROVE, "fit to run every night")
        release(store, people["vera"], self.everywhere, "nightly", decided)
        assert self.case.started() == 0
        release(store, people["dana"], self.everywhere, "nightly", None)

    def nights(self, days: int = 1, exit_code: int = 0) -> None:
        for _ in range(days):
            self.case.come()
            self.case.end(exit_code)
        self.world.clock.now = self.case.now

    def only(self) -> ScheduleLine:
        [line] = list_schedules(self.world.store, self.everywhere)
        return line

    def problems(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        store = self.world.store
        target = self.world.folder / "audit.zip"
        target.write_bytes(export_audit(store, Scope(), make_checkpoint(store)))
        found = verify_file(target, store.first_root)
        return found.problems, found.doubts


@pytest.fixture(params=sorted(CASES))
def kept(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    world: World,
) -> Iterator[Kept]:
    """Whatever happens there, an auditor finds nothing wrong with the log."""
    folder = tmp_path / "place"
    folder.mkdir()
    case = CASES[request.param](folder)
    if isinstance(case, ClusterCase):
        _use(case, monkeypatch)
    if isinstance(case, KfpScheduleCase):
        _configure(case, world, monkeypatch)
    world.clock.now = case.now
    yield Kept(world, case)
    assert check_launches(WholeLog(world.store)) == []
    case.close()


def _use(case: ClusterCase, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("KUBECONFIG", str(case.place.kubeconfig))

    def launcher(*given: Any, **named: Any) -> KubernetesLauncher:
        return KubernetesLauncher(*given, **named | {"sleep": case.wait})

    patch.setattr(launchers, "KubernetesLauncher", launcher)


def _configure(case: KfpScheduleCase, world: World, patch: pytest.MonkeyPatch) -> None:
    clock = Clock(case.wait, case.monotonic)
    patch.setattr("connectors.pipelines.kfp.Clock", lambda: clock)

    def client(
        found: Endpoint, *, waiting: Callable[[], AbstractContextManager[object]]
    ) -> KfpClient:
        return KfpClient(found, bounds=FAST, sleep=lambda _: None, waiting=waiting)

    patch.setattr(launchers, "KfpClient", client)
    setting = KubeflowSetting(case.here.address)
    world.store = open_store(
        world.store.address,
        world.places,
        Configuration(kubeflow={"prod": setting}),
        clock=world.clock,
    )


def test_one_decision_covers_a_schedule_and_what_it_starts(kept: Kept) -> None:
    kept.let_go()
    kept.nights(2)
    line = kept.only()
    assert line.state is RunState.RUNNING
    assert [run.state for run in line.fired] == [RunState.SUCCEEDED] * 2
    assert (line.silent_times, line.objection, line.times) == (0, "", NIGHTLY)
    told = list_launches(kept.world.store, kept.everywhere)
    assert [one.launch.partition("~")[0] for one in told] == ["nightly"] * 3
    assert [one.cause for one in told[1:]] == ["schedule nightly"] * 2
    assert kept.problems() == ((), ())
    kept.policy(version=2)
    [line] = schedules_objected_to(kept.world.store, kept.everywhere)
    assert "guard" in line.objection
    wrong, doubts = kept.problems()
    assert wrong == ()
    assert any("nightly" in doubt for doubt in doubts)


def test_each_run_that_ended_is_recorded_once(kept: Kept) -> None:
    kept.let_go()
    kept.nights()
    kept.nights(exit_code=3)
    kept.case.come()
    store = kept.world.store
    done, left = record_fired(store, kept.importer, kept.everywhere, "nightly")
    assert (len(done), left) == (2, [])
    again, _ = record_fired(store, kept.importer, kept.everywhere, "nightly")
    assert again == []


def test_what_is_not_as_planned_is_never_recorded(kept: Kept) -> None:
    kept.let_go()
    kept.case.forge("image")
    kept.case.end()
    store = kept.world.store
    [run] = kept.only().fired
    assert run.state is RunState.UNKNOWN
    done, left = record_fired(store, kept.importer, kept.everywhere, "nightly")
    assert done == []
    assert "is not recorded" in left[0]


def test_what_nobody_released_is_not_recorded_and_told_of(kept: Kept) -> None:
    kept.policy()
    kept.world.hire("vera", "guard")
    kept.schedule()
    plan = open_keeper(kept.world.store, kept.wanted()).plan(kept.wanted().request)
    keeper = kept.case.keeper
    keeper.launch("nightly", plan, held=True)
    keeper.release("nightly")
    kept.nights()
    store = kept.world.store
    with pytest.raises(Refusal, match="nobody released"):
        record_fired(store, kept.importer, kept.everywhere, "nightly")
    [line] = schedules_objected_to(store, kept.everywhere)
    assert "nobody" in line.objection


def test_cancelling_is_for_good_and_what_ran_is_recorded(kept: Kept) -> None:
    kept.let_go()
    kept.case.come()
    everywhere = kept.everywhere
    done = everywhere.cancel("nightly", grace_seconds=5)
    assert done.state is RunState.CANCELLED
    kept.nights(2)
    line = kept.only()
    assert (line.state, line.objection) == (RunState.CANCELLED, "")
    assert [run.state for run in line.fired] == [RunState.CANCELLED]
    assert kept.schedule().run.state is RunState.CANCELLED
    kept.nights()
    assert len(kept.only().fired) == 1
    store = kept.world.store
    recorded, _ = record_fired(store, kept.importer, everywhere, "nightly")
    assert len(recorded) == 1


def test_another_plan_under_the_same_name_is_refused(kept: Kept) -> None:
    kept.policy(is_released=False)
    kept.schedule()
    wanted = kept.wanted()
    keeper = open_keeper(kept.world.store, wanted)
    later = replace(wanted.request, times=replace(NIGHTLY, cron="0 4 * * *"))
    asked = Asked(later, "default", "nightly")
    with pytest.raises(Refusal, match="is another one"):
        launch(kept.world.store, kept.world.people["dana"], keeper, asked)
    assert kept.case.kept() == 1


def test_a_schedule_of_what_was_launched_once_is_the_same(kept: Kept) -> None:
    kept.policy(is_released=False)
    wanted = kept.wanted()
    launcher = launchers.open_launcher(
        kept.world.store, wanted.backend, namespace=wanted.namespace
    )
    once = Asked(replace(wanted.request, times=None), "default", "once")
    launch(kept.world.store, kept.world.people["dana"], launcher, once)
    again = as_schedule(kept.world.store, kept.everywhere, "once", NIGHTLY)
    keeper = open_keeper(kept.world.store, again)
    plan, other = keeper.plan(again.request), keeper.plan(wanted.request)
    assert json.loads("\n".join(plan.manifest)) == json.loads("\n".join(other.manifest))
