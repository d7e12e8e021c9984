"""Who held what, and when: exact where it is known, open where nobody looked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.cli import main
from console.services import catalogue
from console.services.demonstration import Demonstrated
from console.services.importing import import_address
from console.services.moments import Asked
from console.services.opened import OpenStore
from console.services.signing import act_as_service
from console.services.tenures import Told, model_history
from policies.trust_root import ServiceKind
from store.errors import UnknownReference
from store.facts import Fact, FactKind
from store.identifiers import model_key, model_version_key
from tests.mlflow_folders import Registry
from tests.worlds import World

Stretch = tuple[str, int | None, int | None, int | None, int | None]


def hour(number: int) -> datetime:
    return datetime(2026, 1, 1, number, tzinfo=UTC)


def of_hour(moment: datetime | None) -> int | None:
    return None if moment is None else moment.hour


def version(number: str) -> Fact:
    return Fact(
        kind=FactKind.MODEL_VERSION,
        subject=model_version_key("mlflow", "fraud", number),
        object=model_key("mlflow", "fraud"),
        name=number,
    )


def alias(number: str, low: int | None, high: int) -> Fact:
    target = model_version_key("mlflow", "fraud", number) if number else ""
    return Fact(
        kind=FactKind.ALIAS,
        subject=model_key("mlflow", "fraud"),
        name="champion",
        object=target,
        low=None if low is None else hour(low),
        high=hour(high),
    )


def held(store: OpenStore) -> list[Stretch]:
    """Version, and in hours: not before, seen from, seen until, not after."""
    return [
        (
            tenure.version,
            of_hour(tenure.not_before),
            of_hour(tenure.seen_from),
            None if tenure.is_current else of_hour(tenure.seen_until),
            of_hour(tenure.not_after),
        )
        for tenure in model_history(store, "model:fraud").tenures
    ]


def unseen(store: OpenStore) -> list[tuple[object, ...]]:
    return [
        (gap.before, gap.after, of_hour(gap.start), of_hour(gap.end))
        for gap in model_history(store, "model:fraud").unobserved
        if gap.end is not None
    ]


MOVES = [alias("1", None, 2), alias("2", 4, 5), alias("", 7, 9), alias("1", 9, 11)]


@pytest.mark.parametrize(
    "order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)]
)
def test_the_order_of_arrival_changes_nothing(
    world: World, order: tuple[int, ...]
) -> None:
    world.tell(version("1"), version("2"))
    for position in order:
        world.tell(MOVES[position])
    assert held(world.store) == [
        ("1", None, 2, 4, 5),
        ("2", 4, 5, 7, 9),
        ("1", 9, 11, None, None),
    ]
    assert unseen(world.store) == [
        (None, "1", None, 2),
        ("1", "2", 4, 5),
        ("2", "", 7, 9),
        ("", "1", 9, 11),
    ]


def test_a_late_sighting_narrows_what_nobody_saw(world: World) -> None:
    world.tell(version("1"), version("2"), alias("1", None, 2), alias("2", 2, 9))
    assert unseen(world.store)[-1] == ("1", "2", 2, 9)
    world.tell(alias("1", None, 6), alias("2", 6, 7), source="mlflow")
    assert unseen(world.store)[-1] == ("1", "2", 6, 7)
    assert held(world.store)[0] == ("1", None, 2, 6, 7)


def test_a_sighting_between_two_of_the_same_value_is_a_move_away_and_back(
    world: World,
) -> None:
    world.tell(version("1"), version("2"), alias("1", None, 2), alias("1", 2, 9))
    assert [stretch[0] for stretch in held(world.store)] == ["1"]
    world.tell(alias("2", 2, 5))
    assert held(world.store) == [
        ("1", None, 2, 2, 5),
        ("2", 2, 5, 5, 9),
        ("1", 5, 9, None, None),
    ]


def test_a_moment_that_was_seen_has_the_value_that_as_of_answers(world: World) -> None:
    world.tell(version("1"), version("2"), *MOVES)
    for tenure in model_history(world.store, "model:fraud").tenures:
        assert tenure.seen_from is not None
        (then,) = catalogue.aliases(world.store, as_of=tenure.seen_from)
        assert then.version == tenure.version


def test_history_is_also_as_the_log_knew_it(world: World) -> None:
    world.tell(version("1"), version("2"), alias("1", None, 2))
    last = world.store.index.size - 1
    world.tell(alias("2", 4, 5))
    then = model_history(world.store, "model:fraud", Asked(known_at=last))
    assert [t.version for t in then.tenures] == ["1"]
    assert then.tenures[0].not_after is None


@pytest.fixture
def registry(world: World, tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "mlruns")
    made.version("fraud", 1, "Production")
    made.version("fraud", 2)
    return made


def read_again(world: World, registry: Registry) -> datetime:
    world.clock.forward(hours=1)
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    import_address(world.store, acting, str(registry.path), name="dev")
    return world.clock.now


def test_a_stage_that_a_version_leaves_and_takes_again_is_told_three_times(
    world: World, registry: Registry
) -> None:
    first = read_again(world, registry)
    read_again(world, registry)
    registry.version("fraud", 1, "Archived")
    second = read_again(world, registry)
    registry.version("fraud", 1, "Production")
    registry.version("fraud", 2, "Staging")
    third = read_again(world, registry)
    found = model_history(world.store, "model:fraud").tenures
    assert {tenure.kind for tenure in found} == {Told.STAGE}
    assert [(t.version, t.name, t.not_before, t.seen_from) for t in found] == [
        ("1", "Production", None, first),
        ("1", "Archived", first, second),
        ("1", "Production", second, third),
        ("2", "Staging", second, third),
    ]


def test_a_deleted_version_leaves_its_stage_and_alias_and_keeps_its_history(
    world: World, registry: Registry
) -> None:
    registry.point("fraud", {"champion": 1})
    first = read_again(world, registry)
    registry.version("fraud", 1, "Deleted_Internal")
    registry.point("fraud", {})
    second = read_again(world, registry)
    found = model_history(world.store, "model:fraud").tenures
    assert [
        (t.kind, t.version, t.seen_until, t.not_after, t.is_deleted) for t in found
    ] == [
        (Told.ALIAS, "1", first, second, True),
        (Told.STAGE, "1", first, second, True),
    ]
    read_again(world, registry)
    assert model_history(world.store, "model:fraud").tenures == found


def test_what_the_log_approved_has_no_unobserved_time(demo_store: OpenStore) -> None:
    found = model_history(demo_store, "model:diabetes-progression")
    approved = [t for t in found.tenures if t.kind is Told.LOG]
    assert [(t.version, t.is_current) for t in approved] == [("2", False), ("6", True)]
    assert approved[0].seen_until == approved[1].seen_from == approved[0].not_after
    assert not [gap for gap in found.unobserved if gap.kind is Told.LOG]


def test_an_unknown_model_is_named(world: World) -> None:
    world.tell(version("1"))
    with pytest.raises(UnknownReference, match="names nothing"):
        model_history(world.store, "model:freud")


def test_a_person_reads_it_in_one_table(
    demo: Demonstrated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo.home))
    assert (
        main(["history", "model:diabetes-progression", "--store", str(demo.store)]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["WHAT", "FROM", "UNTIL", "HELD", "BY"]
    assert lines[2].split()[:2] == ["log", "production"]
    assert lines[2].split()[-2:] == ["now", "6"]
    assert any("unseen; 6 before" in line for line in lines)
    assert max(map(len, lines)) <= 80
