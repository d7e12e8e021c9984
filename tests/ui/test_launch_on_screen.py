"""One launch on the screen: it moves by itself, and is decided about there."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from connectors.errors import ConnectorUnavailable
from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.protocols import RunState
from console.app import CountersignApp
from console.screens.confirming import ConfirmDialog
from console.screens.launch import LaunchScreen
from console.screens.signing import SigningDialog
from console.services.pipelines.launch_log import known_launch
from console.services.pipelines.launchers import open_launcher
from console.widgets.followed_log import FollowedLog
from tests.pipelines import (
    commit_all,
    launch_in,
    make_project,
    put_policy,
    starts,
    wait_for,
    wait_until_over,
)
from tests.ui.test_console import SIZES, on_screen, settle, until
from tests.worlds import World

LONG = "echo begun >> {mark}; for i in 1 2 3; do echo line $i; done; sleep 120"


def app_of(world: World) -> CountersignApp:
    return CountersignApp(world.store)


async def sign(pilot: Pilot[int], key: Path, reason: str, name: str = "tried") -> None:
    """Fill in the dialog that is open, and press what signs."""
    dialog = pilot.app.screen
    assert isinstance(dialog, SigningDialog)
    for blank, value in (("key", str(key)), ("name", name), ("reason", reason)):
        for field in dialog.query(f"#{blank}").results(Input):
            field.value = value
    dialog.query_one("#sign", Button).press()
    await pilot.pause()


async def test_what_is_printed_is_followed_on_while_it_is_searched(
    world: World, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    command = f"seq 100; while [ ! -e {gate} ]; do sleep 0.1; done; seq 101 160"
    launch_in(world, make_project(tmp_path / "code", command), "one")
    app = app_of(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "main  100" in on_screen(app))
        await pilot.press("slash")
        await pilot.pause(0.2)
        gate.touch()
        await until(pilot, lambda: "main  160" in on_screen(app))
        await pilot.press("escape")
        await pilot.pause(0.2)
        app.screen.query_one(FollowedLog).focus()
        await pilot.press("g")
        await until(pilot, lambda: "main  1 " in on_screen(app) + " ")
        assert "main  160" not in on_screen(app)
        await pilot.press("G")
        await until(pilot, lambda: "main  160" in on_screen(app))


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_what_a_run_prints_and_its_end_come_by_themselves(
    world: World, tmp_path: Path, size: tuple[int, int]
) -> None:
    gate = tmp_path / "gate"
    command = f"echo first; while [ ! -e {gate} ]; do sleep 0.1; done; echo second"
    launch_in(world, make_project(tmp_path / "code", command), "one")
    app = app_of(world)
    async with app.run_test(size=size) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "main  first" in on_screen(app))
        assert "RUNNING" in on_screen(app)
        assert "second" not in on_screen(app)
        gate.touch()
        await until(pilot, lambda: "SUCCEEDED" in on_screen(app))
        await until(pilot, lambda: "main  second" in on_screen(app))


async def test_a_run_is_ended_only_by_whoever_says_so_twice(
    world: World, tmp_path: Path
) -> None:
    launch_in(world, make_project(tmp_path / "code", LONG), "one")
    app = app_of(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "line 3" in on_screen(app))
        await pilot.press("z")
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("enter")
        assert isinstance(app.screen, LaunchScreen)
        run = open_launcher(world.store).find("one")
        assert run is not None
        assert run.state is RunState.RUNNING
        await pilot.press("z")
        await pilot.press("tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, SigningDialog))
        assert wait_until_over(world.store, "one").state is RunState.CANCELLED
        assert "local one cancelled" in on_screen(app)
        await sign(pilot, world.places.keys / "dana.pem", "the wrong data")
        await until(pilot, lambda: "CANCELLED" in on_screen(app))
        said = "launch-cancellation by Dana: cancelled, the wrong data"
        await until(pilot, lambda: said in on_screen(app))


async def test_a_run_is_ended_from_the_screen_though_nobody_signs(
    world: World, tmp_path: Path
) -> None:
    launch_in(world, make_project(tmp_path / "code", LONG), "one")
    app = app_of(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "line 3" in on_screen(app))
        await pilot.press("z")
        await pilot.press("tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, SigningDialog))
        await pilot.press("escape")
        await until(pilot, lambda: "CANCELLED" in on_screen(app))
    record = known_launch(world.store, "one", world.store.state())
    assert record.cancellations == []


async def test_a_held_launch_shows_its_verdict_and_is_released_from_the_screen(
    world: World, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "code")
    commit_all(project)
    put_policy(world)
    world.hire("vera", "guard")
    launch_in(world, project, "one", ref="HEAD")
    assert starts(project) == 0
    app = app_of(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "guard" in on_screen(app))
        await until(pilot, lambda: "SUSPENDED" in on_screen(app))
        await pilot.press("a")
        await sign(pilot, world.places.keys / "vera.pem", "Looked at the commit")
        await until(
            pilot,
            lambda: (
                len(known_launch(world.store, "one", world.store.state()).releases) == 1
            ),
        )
        assert starts(project) == 0
        await until(pilot, lambda: "launch-release" in on_screen(app))
        await pilot.press("s")
        await sign(pilot, world.places.keys / "dana.pem", "")
        await until(pilot, lambda: "SUCCEEDED" in on_screen(app))
    assert starts(project) == 1


async def test_whoever_launched_cannot_release_it_from_the_screen_either(
    world: World, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "code")
    commit_all(project)
    put_policy(world)
    world.hire("vera", "guard")
    launch_in(world, project, "one", ref="HEAD")
    app = app_of(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "SUSPENDED" in on_screen(app))
        await pilot.press("a")
        await sign(pilot, world.places.keys / "dana.pem", "My own")
        await settle(pilot)
    assert not known_launch(world.store, "one", world.store.state()).releases
    assert starts(project) == 0


async def test_a_place_that_is_lost_leaves_what_was_seen_with_its_age(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_in(world, make_project(tmp_path / "code", LONG), "one")
    launcher = open_launcher(world.store)
    wait_for(launcher, "one", lambda run: run.state is RunState.RUNNING)
    app = app_of(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "RUNNING" in on_screen(app))

        def lost(*_: object) -> None:
            raise ConnectorUnavailable("the cluster does not answer")

        with monkeypatch.context() as patch:
            patch.setattr(LocalLauncher, "find", lost)
            await until(pilot, lambda: "the cluster does not answer" in on_screen(app))
            assert "as seen" in on_screen(app)
            assert "RUNNING" in on_screen(app)
            assert "main: running" in on_screen(app)
        await until(pilot, lambda: "does not answer" not in on_screen(app))
    assert isinstance(launcher, LocalLauncher)
    launcher.cancel("one", grace_seconds=1.0)


async def test_the_log_is_searched_and_escape_shows_all_of_it_again(
    world: World, tmp_path: Path
) -> None:
    command = 'printf "[/x] one\\nTwo \\033]0;t\\007\\n\\nthree\\n"'
    launch_in(world, make_project(tmp_path / "code", command), "one")
    wait_until_over(world.store, "one")
    app = app_of(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "three" in on_screen(app))
        await pilot.press("slash", *"TWO", "enter")
        await until(pilot, lambda: "three" not in on_screen(app))
        assert "Two <U+001B>]0;t<U+0007>" in on_screen(app)
        await pilot.press("slash", "escape")
        await until(pilot, lambda: "three" in on_screen(app))
        assert "[/x] one" in on_screen(app)
        assert isinstance(app.screen, LaunchScreen)


async def test_exactly_the_same_is_launched_again_from_the_screen(
    world: World, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "code")
    launch_in(world, project, "one")
    wait_until_over(world.store, "one")
    app = app_of(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "SUCCEEDED" in on_screen(app))
        await pilot.press("y")
        await sign(pilot, world.places.keys / "dana.pem", "")
        await until(pilot, lambda: starts(project) == 2)


async def test_a_launch_that_nobody_declared_is_said_to_be_none(world: World) -> None:
    app = app_of(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchScreen("[/x]\x1b]0;"))
        await settle(pilot)
        assert "the log knows no launch" in on_screen(app)
