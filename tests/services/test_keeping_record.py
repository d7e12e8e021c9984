"""Whatever has ended anywhere becomes lineage, once, and nothing stands in its way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.pipelines.protocols import RunState
from console.services.opened import OpenStore
from console.services.pipelines import keeping_record
from console.services.pipelines.cancelling import cancel_launch
from console.services.pipelines.every_place import EveryPlace
from console.services.pipelines.keeping_record import (
    Round,
    ended_unrecorded,
    record_ended,
)
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.recorder import LONGEST_PAUSE, Recorder
from console.services.pipelines.recording import Recorded, recorded_launches
from console.services.pipelines.viewing import list_launches
from console.services.signing import Acting, act_as_service
from policies.trust_root import ServiceKind
from store.errors import StoreUnavailable
from tests.contract.kubernetes_places import KubernetesPlace, kubernetes_place
from tests.pipelines import launch_in, make_project, wait_until_over
from tests.services.test_launching_on_kubernetes import (
    exchange_for_another,
    launch_there,
    put_policy,
    run_to_the_end,
)
from tests.worlds import World

EVERY = timedelta(seconds=60)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesPlace]:
    with kubernetes_place("in-repo", tmp_path) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        yield found


def service(store: OpenStore) -> Acting:
    return act_as_service(store, store.state(), ServiceKind.IMPORT)


def keep(world: World, most: int | None = None) -> Round:
    store = world.store
    return record_ended(store, service(store), launcher_of_all(store), most=most)


def names(done: Round) -> list[str]:
    return [one.launch for one in done.recorded]


def test_what_has_ended_is_recorded_once_wherever_it_ran(
    world: World, place: KubernetesPlace, tmp_path: Path
) -> None:
    launch_in(world, make_project(tmp_path / "code"), "here")
    wait_until_over(world.store, "here")
    put_policy(world, is_released=False)
    launch_there(world, place, "there")
    assert names(keep(world)) == ["here"]
    run_to_the_end(place)
    [line] = [line for line in list_launches(*both(world)) if line.launch == "there"]
    assert line.is_recorded is False
    launch_there(world, place, "runs")
    done = keep(world)
    assert (names(done), done.failed, done.unknown, done.silent) == (
        ["there"],
        (),
        (),
        (),
    )
    size = world.store.index.size
    assert names(keep(world)) == []
    assert world.store.index.size == size
    assert recorded_launches(world.store) == {"here", "there"}
    told = {line.launch: line.is_recorded for line in list_launches(*both(world))}
    assert told == {"here": True, "there": True, "runs": None}


def both(world: World) -> tuple[OpenStore, EveryPlace]:
    return world.store, launcher_of_all(world.store)


def test_at_most_so_many_are_recorded_at_once(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    for name in ("one", "two", "three"):
        launch_there(world, place, name)
    run_to_the_end(place)
    first = keep(world, most=2)
    assert (len(first.recorded), first.waiting) == (2, 1)
    second = keep(world, most=2)
    assert (len(second.recorded), second.waiting) == (1, 0)


def test_what_was_cancelled_before_it_began_is_no_run(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    launch_there(world, place, "one")
    done = cancel_launch(
        world.store,
        launcher_of_all(world.store),
        "one",
        lambda: world.people["dana"],
        grace_seconds=1,
    )
    assert done.run is not None
    assert done.run.state is RunState.CANCELLED
    assert names(keep(world)) == []


def test_what_is_not_what_was_planned_is_named_and_not_recorded(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    launch_there(world, place, "one")
    launch_there(world, place, "two")
    exchange_for_another(place)
    run_to_the_end(place)
    done = keep(world)
    assert names(done) == ["two"]
    assert [left.name for left in done.unknown] == ["one"]


def test_a_place_that_is_silent_hides_nothing_of_the_others(
    world: World, place: KubernetesPlace, tmp_path: Path
) -> None:
    launch_in(world, make_project(tmp_path / "code"), "here")
    wait_until_over(world.store, "here")
    put_policy(world, is_released=False)
    launch_there(world, place, "there")
    place.own.faults.is_down = True
    done = keep(world)
    place.own.faults.is_down = False
    assert names(done) == ["here"]
    [silent] = done.silent
    assert silent.name.endswith(f"/namespaces/{place.namespace}")


class Scripted:
    """Rounds that a recorder makes, as they are told to go."""

    def __init__(self, world: World, patch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.lines: list[str] = []
        self.asked: list[tuple[set[str], set[str], list[str]]] = []
        self.next: Round | Exception = Round((), (), (), (), 0)
        self.recorder = Recorder(world.reopened, world.clock, EVERY)
        patch.setattr(
            "console.services.pipelines.recorder.record_ended", self._record_ended
        )

    def _record_ended(self, *_: object, **given: object) -> Round:
        leaves_out, but, again = given["leaves_out"], given["but"], given["again"]
        assert isinstance(leaves_out, set)
        assert isinstance(but, set)
        assert isinstance(again, list)
        self.asked.append((leaves_out, but, again))
        if isinstance(self.next, Exception):
            raise self.next
        return self.next

    def turn(self, seconds: float = 60) -> list[str]:
        """One round, and what it told."""
        self.lines = []
        self.recorder.turn(self.lines.append)
        self.world.clock.forward(seconds=seconds)
        return self.lines


@pytest.fixture
def scripted(world: World, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(world, monkeypatch)


def test_a_place_that_is_down_is_asked_less_and_less_often(scripted: Scripted) -> None:
    down = keeping_record.Left("https://cluster.example", "no answer")
    told, asked = [], []
    for minute in range(40):
        rests = bool(scripted.asked) and down.name in _resting(scripted)
        scripted.next = Round((), (), (), () if rests else (down,), 0)
        told += scripted.turn()
        if down.name not in scripted.asked[-1][0]:
            asked.append(minute)
    assert asked == [0, 1, 3, 7, 15, 31]
    assert told == [
        "https://cluster.example does not answer, and is asked less often: no answer"
    ]
    scripted.world.clock.forward(seconds=LONGEST_PAUSE.total_seconds())
    scripted.next = Round((), (), (), (), 0)
    assert scripted.turn() == ["https://cluster.example answers again"]
    assert scripted.turn() == []


def _resting(scripted: Scripted) -> set[str]:
    return scripted.recorder._places.resting(scripted.world.clock.now)


def test_a_launch_that_fails_is_tried_less_often_and_told_once(
    scripted: Scripted,
) -> None:
    failed = keeping_record.Left("one", "no plan")
    scripted.next = Round((), (failed,), (), (), 0)
    assert scripted.turn(30) == [
        "one is not wholly recorded, and tried less often: no plan"
    ]
    scripted.next = Round((), (), (), (), 0)
    scripted.turn(30)
    assert scripted.asked[-1][1] == {"one"}
    scripted.turn()
    assert scripted.asked[-1][1] == set()


def test_what_lacks_its_tracking_server_is_recorded_once_more(
    scripted: Scripted,
) -> None:
    lacking = Recorded("run:pipelines/one", (), (), "the server is down")
    scripted.next = Round((lacking,), (), (), (), 0)
    assert "the server is down" in scripted.turn(120)[-1]
    scripted.next = Round((Recorded(lacking.key, (), (), ""),), (), (), (), 0)
    assert scripted.turn() == []
    assert scripted.asked[-1][2] == ["one"]
    scripted.turn()
    assert scripted.asked[-1][2] == []


@pytest.mark.parametrize(
    "problem",
    [
        StoreUnavailable("the bucket is away"),
        ConnectorUnavailable("the bucket is away"),
        ConnectorRefused("the bucket is away"),
        OSError("the bucket is away"),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_a_round_that_fails_is_told_once_and_never_raised(
    scripted: Scripted, problem: Exception
) -> None:
    scripted.next = problem
    assert scripted.turn() == ["launches are recorded later: the bucket is away"]
    assert scripted.turn() == []
    scripted.next = Round((), (), (), (), 0)
    scripted.turn()
    scripted.next = problem
    assert scripted.turn() == ["launches are recorded later: the bucket is away"]


def test_a_recorder_records_what_ended_and_ends_when_told_to(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    for name in ("one", "two", "three"):
        launch_there(world, place, name)
    run_to_the_end(place)
    lines: list[str] = []
    recorder = Recorder(world.reopened, world.clock, EVERY, most=2)
    assert recorder.turn(lines.append) is True
    assert [line.split(":")[0] for line in lines] == ["one recorded", "two recorded"]
    recorder.stop()
    recorder.turn(lines.append)
    assert len(lines) == 2
    world.store.catch_up()
    waiting = ended_unrecorded(*both(world)).runs
    assert [run.launch for run in waiting] == ["three"]
