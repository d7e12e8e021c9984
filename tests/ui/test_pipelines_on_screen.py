"""Launches on the screen: a list, and one of them with the end of its log."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import DataTable

from console.app import CountersignApp
from tests.pipelines import launch_in, make_project, wait_until_over
from tests.ui.test_console import SIZES, on_screen, settle
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
        await settle(pilot)
        seen = on_screen(app)
        assert "failed" in seen
        if size[0] > 40:
            assert "main: failed, exit status 3" in seen
            assert "[/x] <U+001B>]52;c;aGk=<U+0007> <U+202E>turned" in seen
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
