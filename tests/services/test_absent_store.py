"""A store that was there and is not: a lost mount is no reason to make another."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.services.configuration import Configuration
from console.services.opened import open_store
from console.services.problems import exit_code_of
from store.errors import NotAStore, StoreUnavailable
from tests.worlds import World


def moved_away(world: World) -> Path:
    place = Path(world.store.address)
    place.rename(place.with_name("elsewhere"))
    return place


@pytest.mark.parametrize("is_mount_point_left", [False, True])
def test_a_store_that_this_machine_has_read_is_said_to_be_gone(
    world: World, is_mount_point_left: bool
) -> None:
    place = moved_away(world)
    if is_mount_point_left:
        place.mkdir()
    with pytest.raises(StoreUnavailable) as told:
        world.reopened()
    assert world.store.origin in str(told.value)
    assert "mounted" in told.value.hint
    assert exit_code_of(told.value) == 3


def test_it_is_known_again_by_another_way_of_writing_its_address(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = moved_away(world)
    monkeypatch.chdir(place.parent)
    with pytest.raises(StoreUnavailable):
        open_store(place.name, world.places, Configuration())


def test_a_machine_that_never_read_it_is_told_how_to_make_one(world: World) -> None:
    moved_away(world)
    with pytest.raises(NotAStore) as told:
        world.reopened(world.elsewhere("other"))
    assert "countersign init" in told.value.hint


@pytest.mark.parametrize("is_mount_point_left", [False, True])
def test_a_store_that_goes_away_while_it_is_open_is_neither_damaged_nor_made_anew(
    world: World, is_mount_point_left: bool
) -> None:
    place = moved_away(world)
    if is_mount_point_left:
        place.mkdir()
    with pytest.raises(StoreUnavailable, match="not there any more"):
        world.store.catch_up()
    with pytest.raises(StoreUnavailable, match="not there any more"):
        world.hire("vera", "validator")
    assert not (place / "entry").exists()


def test_it_is_read_on_once_it_is_back(world: World) -> None:
    place = moved_away(world)
    with pytest.raises(StoreUnavailable):
        world.reopened()
    place.with_name("elsewhere").rename(place)
    again = world.reopened()
    assert again.index.size == world.store.index.size
    again.close()
