"""Schedules on the screen: listed with what they started, and what is against them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.widgets import Button, DataTable, Input, Log

from console.app import CountersignApp
from console.screens.launching import LaunchDialog
from console.screens.signing import SigningDialog
from console.services.pipelines.drafting import Draft
from tests.contract.kubernetes_places import KubernetesPlace, kubernetes_place
from tests.services.test_schedules import (
    NIGHTLY,
    manifest,
    newer_policy,
    pass_days,
    put_policy,
    schedule,
)
from tests.ui.test_console import on_screen, settle, until
from tests.worlds import World


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> Iterator[KubernetesPlace]:
    world.clock.now = datetime.now(UTC).replace(microsecond=0)
    with kubernetes_place("in-repo", tmp_path) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        yield found


async def test_a_schedule_is_shown_with_its_times_its_runs_and_what_is_against_it(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    schedule(world, place)
    pass_days(world, place, 1)
    newer_policy(world)
    app = CountersignApp(world.store)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("8")
        await settle(pilot)
        assert app.screen.query_one(DataTable).row_count == 2
        assert "nightly~" in on_screen(app)
        await pilot.press("enter")
        await settle(pilot)
        seen = on_screen(app)
        assert "0 3 * * * in Europe/Berlin, overlap Forbid" in seen
        assert "succeeded" in seen
        assert "would not be allowed today" in seen
        await pilot.press("escape", "h")
        await until(pilot, lambda: "running, objected to" in on_screen(app))
        assert "nightly would not be allowed today: " in on_screen(app)


async def test_a_schedule_is_made_in_the_dialog_listed_with_its_times_and_gone_into(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    draft = Draft(
        backend="kubernetes",
        namespace=place.namespace,
        project=str(manifest(world)),
        pipeline="tried",
        launch="nightly",
        times=NIGHTLY,
    )
    app = CountersignApp(world.store)
    async with app.run_test(size=(120, 50)) as pilot:
        await pilot.press("8")
        await app.push_screen(LaunchDialog(draft))
        await until(pilot, lambda: "03:00 Europe/Berlin, 0" in on_screen(app))
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "YES: it would start" in on_screen(app))
        assert "CronJob" in "".join(app.screen.query_one(Log).lines)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: isinstance(app.screen, SigningDialog))
        await until(pilot, lambda: "Again and again: 0 3 * * * in" in on_screen(app))
        app.screen.query_one("#key", Input).value = str(world.places.keys / "dana.pem")
        app.screen.query_one("#name", Input).value = "tried"
        app.screen.query_one("#sign", Button).press()
        await until(pilot, lambda: "RUNNING: due next at" in on_screen(app))
        said = "0 3 * * * in Europe/Berlin, overlap Forbid"
        await until(pilot, lambda: said in on_screen(app))
        pass_days(world, place, 1)
        await pilot.press("escape", "h")
        await until(pilot, lambda: "asking…" in on_screen(app) or "~" in on_screen(app))
        await pilot.press("r")
        await until(pilot, lambda: "nightly~" in on_screen(app))
        assert "0 3 * * *" in on_screen(app)
        assert "Europe/Berlin" in on_screen(app)
        await pilot.press("enter")
        await until(pilot, lambda: "TOOK" in on_screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "quick: succeeded" in on_screen(app))
        await pilot.press("escape", "z", "tab", "enter")
        await until(pilot, lambda: "CANCELLED" in on_screen(app))
