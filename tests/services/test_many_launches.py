"""Lists of launches where there are many: bounded, and no other than whole ones."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.pipelines.durable import replace_file
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kubernetes_jobs import KubernetesLauncher
from connectors.pipelines.protocols import LaunchPlan, RunState
from console.services.opened import OpenStore
from console.services.pipelines import known_schedules
from console.services.pipelines.known_schedules import FILE, schedule_launches
from console.services.pipelines.launch_log import launches, newest_launches
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.schedule_standing import planned_schedule
from console.services.pipelines.viewing import launch_line, list_launches
from console.services.problems import Refusal
from policies.predicates.operations import LaunchIntent
from tests.contract.kubernetes_places import KubernetesPlace, kubernetes_place
from tests.many_launches import FIRST, fill, launch_id
from tests.services.kfp_launching import kfp_world
from tests.worlds import World

COUNT = 120


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesPlace]:
    with kubernetes_place("in-repo", tmp_path) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        yield found


@pytest.fixture
def store(world: World, place: KubernetesPlace) -> OpenStore:
    found = fill(world, place, COUNT)
    found.catch_up()
    return found


def test_the_newest_are_listed_as_a_whole_list_begins(
    store: OpenStore, place: KubernetesPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list_launches(store, launcher_of_all(store))
    assert len(whole) == COUNT + 1
    assert {line.run.state for line in whole} == {RunState.SUCCEEDED}
    assert whole[0].launch == launch_id(COUNT - 1)
    assert whole[-1].launch == FIRST

    def never(self: KubernetesLauncher) -> None:
        raise AssertionError("everything was listed for some")

    monkeypatch.setattr(KubernetesLauncher, "runs", never)
    some = list_launches(store, launcher_of_all(store), newest=60)
    assert [line.launch for line in some] == [line.launch for line in whole[:60]]
    assert [line.run for line in some] == [line.run for line in whole[:60]]
    line = launch_line(store, launcher_of_all(store), launch_id(7))
    assert line.run == whole[-9].run
    assert line.expected_seconds is not None
    with pytest.raises(Refusal, match="launches begin"):
        launch_line(store, launcher_of_all(store), "sweep-00000")


def test_a_place_that_tells_of_each_run_by_itself_is_asked_for_the_newest_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(self: KfpLauncher) -> None:
        raise AssertionError("everything was listed for some")

    with kfp_world(world, monkeypatch) as here:
        here.put_policy(is_released=False)
        for number in range(5):
            here.launch(launch_id(number))
            here.run_on(2)
        here.run_on()
        whole = list_launches(here.store, launcher_of_all(here.store))
        assert len(whole) == 5
        monkeypatch.setattr(KfpLauncher, "runs", never)
        some = list_launches(here.store, launcher_of_all(here.store), newest=3)
        assert [line.run for line in some] == [line.run for line in whole[:3]]
        line = launch_line(here.store, launcher_of_all(here.store), launch_id(1))
        assert line.expected_seconds is not None


def test_some_of_a_pipeline_are_the_last_of_that_pipeline(store: OpenStore) -> None:
    every = list(launches(store))
    assert newest_launches(store, 3) == every[-3:]
    assert newest_launches(store, 3, "sweep") == every[-3:]
    assert newest_launches(store, 3, "another") == []
    assert newest_launches(store, COUNT * 2) == every


def test_what_is_a_schedule_is_found_out_once_and_anew_in_another_log(
    store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def counted(store: OpenStore, intent: LaunchIntent) -> LaunchPlan | None:
        looked.append(intent.launch)
        return planned_schedule(store, intent)

    monkeypatch.setattr(known_schedules, "planned_schedule", counted)
    assert list(schedule_launches(store)) == []
    assert len(looked) == COUNT + 1
    assert list(schedule_launches(store)) == []
    assert len(looked) == COUNT + 1
    path = store.folder / FILE
    for text in ("", "[]", '{"index": 7}', path.read_text().replace('"s', '"x', 1)):
        path.write_text(text)
        looked.clear()
        assert list(schedule_launches(store)) == []
        assert len(looked) == COUNT + 1
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: replace_file(path, path.read_bytes()), range(100)))
    looked.clear()
    assert list(schedule_launches(store)) == []
    assert looked == []
    document = path.read_text()
    path.write_text(document.replace('"statement": "', '"statement": "0'))
    looked.clear()
    list(schedule_launches(store))
    assert len(looked) == COUNT + 1
