"""Launches on the screen: a list, and one of them with the end of its log."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import DataTable

from connectors.kubernetes.client import KubernetesClient
from console.app import CountersignApp
from console.screens import pipelines
from console.services.opened import OpenStore
from console.services.pipelines import by_place, held_in_log
from console.services.pipelines.launch_log import launch_record
from policies.trust_state import TrustState
from tests.contract.kubernetes_places import kubernetes_place
from tests.pipelines import launch_in, make_project, wait_until_over
from tests.services.kfp_launching import kfp_world
from tests.services.test_launching_on_kubernetes import launch_there, put_policy
from tests.ui.test_console import SIZES, on_screen, settle, until
from tests.worlds import World

HOSTILE = r'printf "[/x] \033]52;c;aGk=\007 \342\200\256turned\n"; exit 3'


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_a_launch_is_listed_and_shown_with_what_it_printed(
    world: World, tmp_path: Path, size: tuple[int, int]
) -> None:
    project = make_project(tmp_path / "code", HOSTILE)
    launch_in(world, project, "one")
    wait_until_over(world.store, "one")
    app = CountersignApp(world.store)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("8")
        await settle(pilot)
        assert app.screen.query_one(DataTable).row_count == 1
        assert "one" in on_screen(app)
        await pilot.press("enter")
        await until(pilot, lambda: "FAILED" in on_screen(app))
        await until(pilot, lambda: "main: failed, " in on_screen(app))
        if size[0] > 40:
            assert "exit status 3" in on_screen(app)
            printed = "[/x] <U+001B>]52;c;aGk=<U+0007> <U+202E>turned"
            await until(pilot, lambda: printed in on_screen(app))
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen.query_one(DataTable).row_count == 1


async def test_a_store_without_launches_has_an_empty_list(world: World) -> None:
    app = CountersignApp(world.store)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("8")
        await settle(pilot)
        assert "Launches" in on_screen(app)
        assert app.screen.query_one(DataTable).row_count == 0
        assert "countersign pipeline launch" in on_screen(app)


async def test_a_launch_whose_place_tells_of_no_log_is_shown_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kfp_world(world, monkeypatch) as there:
        there.put_policy(is_released=False)
        there.launch()
        there.run_on()
        app = CountersignApp(world.store)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("8")
            await settle(pilot)
            assert "succeeded" in on_screen(app)
            await pilot.press("enter")
            await until(pilot, lambda: "quick: succeeded" in on_screen(app))
            told = "kfp tells of no log to be shown"
            await until(pilot, lambda: told in on_screen(app))


async def test_the_list_follows_what_runs_by_itself(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "AGAIN_SECONDS", 0.2)
    gate = tmp_path / "gate"
    command = f"while [ ! -e {gate} ]; do sleep 0.1; done"
    launch_in(world, make_project(tmp_path / "code", command), "one")
    app = CountersignApp(world.store)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("8")
        await until(pilot, lambda: "running" in on_screen(app))
        gate.touch()
        await until(pilot, lambda: "succeeded" in on_screen(app))


async def test_a_cluster_that_is_slow_makes_neither_the_list_nor_other_views_wait(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_in(world, make_project(tmp_path / "code"), "here")
    wait_until_over(world.store, "here")
    with kubernetes_place("in-repo", tmp_path) as place:
        monkeypatch.setenv("KUBECONFIG", str(place.kubeconfig))
        put_policy(world, is_released=False)
        launch_there(world, place, "there")
        gate = threading.Event()
        once = KubernetesClient._once

        def slow(self: KubernetesClient, *request: Any) -> Any:
            assert gate.wait(60)
            return once(self, *request)

        monkeypatch.setattr(KubernetesClient, "_once", slow)
        app = CountersignApp(world.store)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("8")
            await until(pilot, lambda: "succeeded" in on_screen(app))
            assert "asking…" in on_screen(app)
            await pilot.press("5")
            await until(pilot, lambda: "launch-outcome" in on_screen(app))
            await pilot.press("8")
            await until(pilot, lambda: "asking…" in on_screen(app))
            gate.set()
            await until(pilot, lambda: "pending" in on_screen(app))
            assert "asking…" not in on_screen(app)


async def test_a_cluster_that_is_down_leaves_its_rows_with_their_age_and_why(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_place, "AGAIN_AFTER", timedelta())
    monkeypatch.setattr(pipelines, "AGAIN_SECONDS", 0.5)
    with kubernetes_place("in-repo", tmp_path) as place:
        monkeypatch.setenv("KUBECONFIG", str(place.kubeconfig))
        put_policy(world, is_released=False)
        launch_there(world, place, "there")
        app = CountersignApp(world.store)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("8")
            await until(pilot, lambda: "pending" in on_screen(app))
            place.own.faults.is_down = True
            await pilot.press("r")
            await until(pilot, lambda: "was pending" in on_screen(app))
            assert "as seen" in on_screen(app)
            assert f"/namespaces/{place.namespace}" in on_screen(app).replace("\n", "")
            place.own.faults.is_down = False
            await until(pilot, lambda: "was pending" not in on_screen(app))
            assert "as seen" not in on_screen(app)


async def test_what_is_held_by_the_log_alone_is_looked_at_in_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kfp_world(world, monkeypatch) as there:
        there.put_policy(is_released=True)
        there.launch()
        app = CountersignApp(world.store)
        in_turn: list[bool] = []
        ask = launch_record

        def asked(store: OpenStore, launch: str, state: TrustState) -> object:
            in_turn.append(app.turn.locked())
            return ask(store, launch, state)

        monkeypatch.setattr(held_in_log, "launch_record", asked)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("8")
            await until(pilot, lambda: "suspended" in on_screen(app))
            await pilot.press("enter")
            await until(pilot, lambda: "SUSPENDED" in on_screen(app))
    assert in_turn
    assert all(in_turn)
