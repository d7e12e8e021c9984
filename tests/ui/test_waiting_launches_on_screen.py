"""A held launch on the screen of whoever may release it, at another machine."""

from __future__ import annotations

from textual.widgets import DataTable

from console.app import CountersignApp
from console.screens.launch import LaunchScreen
from console.services.pipelines.launch_log import known_launch
from policies.predicates import Decision
from tests.pipelines import launch_in, starts
from tests.services.two_machines import TwoMachines, two
from tests.ui.test_console import on_screen, settle, until
from tests.ui.test_launch_on_screen import sign

__all__ = ["two"]


async def test_what_waits_is_on_the_overview_and_is_released_from_there(
    two: TwoMachines,
) -> None:
    launch_in(two.world, two.project, "one")
    two.there.catch_up()
    app = CountersignApp(two.there)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "1 x guard" in on_screen(app))
        app.screen.query_one("#waiting", DataTable).focus()
        await pilot.press("enter")
        await until(pilot, lambda: "SUSPENDED by the log" in on_screen(app))
        assert isinstance(app.screen, LaunchScreen)
        await pilot.press("a")
        await sign(pilot, two.there.places.keys / "vera.pem", "Looked at the commit")
        await until(pilot, lambda: "waits for an operator" in on_screen(app))
        assert app.screen.why_not("start").endswith("where it was launched")
    two.world.store.catch_up()
    record = known_launch(two.world.store, "one", two.world.store.state())
    assert [said.decision for _, said in record.releases] == [Decision.APPROVE]
    assert starts(two.project) == 0


async def test_the_list_marks_what_only_the_log_says(two: TwoMachines) -> None:
    launch_in(two.world, two.project, "one")
    two.there.catch_up()
    app = CountersignApp(two.there)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("8")
        await until(pilot, lambda: "suspended (by the log)" in on_screen(app))
