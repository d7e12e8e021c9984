"""Schedules on the screen: listed with what they started, and what is against them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.widgets import DataTable

from console.app import CountersignApp
from tests.contract.kubernetes_places import KubernetesPlace, kubernetes_place
from tests.services.test_schedules import newer_policy, pass_days, put_policy, schedule
from tests.ui.test_console import on_screen, settle
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
