"""Imports larger than one look-up and one batch: counted once, resumed, and shared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from connectors.protocols import KnownState
from console.services import signing
from console.services.importing import ImportReport, import_source
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.facts import Fact, FactKind
from store.identifiers import run_key
from store.projection import batches, keeping
from tests.worlds import ToldSource, World

RUNS = 20


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four facts a row group, eight looked up together, sixteen a batch."""
    monkeypatch.setattr(batches, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(keeping, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(keeping, "ROWS_AT_ONCE", 8)
    monkeypatch.setattr(keeping, "MOST_ROWS_OF_A_BATCH", 16)


def facts() -> list[Fact]:
    """A run and two tags each, every run told twice, far apart."""
    keys = [run_key("mlflow", f"r{n}") for n in range(RUNS)]
    runs = [Fact(kind=FactKind.RUN, subject=key, name="run") for key in keys]
    tags = [
        Fact(kind=FactKind.TAG, subject=key, name=name, text="x")
        for key, name in itertools.product(keys, ("a", "b"))
    ]
    return [*runs, *tags, *runs]


def tell(world: World) -> ImportReport:
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    return import_source(world.store, acting, ToldSource("mlflow", facts()))


def rows(world: World) -> tuple[int, int]:
    with world.store.projection.reading() as connection:
        found = [
            connection.execute(f"SELECT count(*) FROM {kind}").fetchone()
            for kind in ("run", "tag")
        ]
    return found[0][0], found[1][0]  # type: ignore[index]


def test_a_fact_told_again_in_another_batch_is_counted_once(world: World) -> None:
    size = world.store.index.size
    report = tell(world)
    assert report.new == {"run": RUNS, "tag": 2 * RUNS}
    assert world.store.index.size - size > 1
    assert report.index == world.store.index.size - 1
    assert rows(world) == (RUNS, 2 * RUNS)
    again = tell(world)
    assert (again.new, again.index) == ({}, None)


def test_an_import_that_dies_between_two_batches_is_completed_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, appended = signing.append, itertools.count()

    def dying(*given: object) -> object:
        if next(appended) == 2:
            raise KeyboardInterrupt
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("console.services.importing.append", dying)
    with pytest.raises(KeyboardInterrupt):
        tell(world)
    monkeypatch.setattr("console.services.importing.append", real)
    world.store.projection.catch_up()
    assert sum(rows(world)) < 3 * RUNS
    report = tell(world)
    assert 0 < sum(report.new.values()) < 3 * RUNS
    assert rows(world) == (RUNS, 2 * RUNS)


def test_a_value_that_comes_back_after_an_import_of_several_batches_is_told(
    world: World,
) -> None:
    size = world.store.index.size
    first = facts()
    other = [
        replace(fact, text="y") if fact == first[-RUNS - 1] else fact for fact in first
    ]
    tell_all(world, first)
    assert world.store.index.size - size > 1
    for told in (other, first, other):
        world.clock.forward(minutes=1)
        assert tell_all(world, told).new == {"tag": 1}
    assert tell_all(world, other).new == {}


def test_a_rebuilt_projection_says_the_same(world: World) -> None:
    from store.projection.rebuild import compare_with_rebuilt

    tell(world)
    assert compare_with_rebuilt(world.store.projection) == []


def test_parts_that_were_told_are_remembered_only_of_this_history_of_the_log(
    world: World,
) -> None:
    from connectors.protocols import PartMemory
    from console.services.told_parts import parts_told, remember_parts

    store = world.store
    assert parts_told(store, "mlflow").before == frozenset()
    remember_parts(store, "mlflow", PartMemory(now={"a", "b"}))
    assert parts_told(store, "mlflow").before == {"a", "b"}
    assert parts_told(store, "other").before == frozenset()
    path = store.folder / "told-parts.json"
    good = path.read_text()
    root = store.index.root_at(store.index.size).hex()
    for bad in (
        good.replace(root, "00" * 32),
        good.replace(f'"size": {store.index.size}', f'"size": {store.index.size + 1}'),
        good.replace(f'"size": {store.index.size}', '"size": "x"'),
        good[:-3],
        "[]",
        "[" * 100_000,
    ):
        assert bad != good
        path.write_text(bad)
        assert parts_told(store, "mlflow").before == frozenset()


def test_a_source_that_dies_half_way_is_told_whole_the_next_time(
    world: World,
) -> None:
    from console.services.told_parts import parts_told

    class Parts(ToldSource):
        def facts(self, known: KnownState) -> Iterator[Fact]:
            known.parts.is_told("one part")
            yield from super().facts(known)

    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    with pytest.raises(OSError, match="died"):
        import_source(world.store, acting, Parts("m", facts(), breaks_after=RUNS))
    assert parts_told(world.store, "m").before == frozenset()
    import_source(world.store, acting, Parts("m", facts()))
    assert parts_told(world.store, "m").before == {"one part"}


def test_facts_with_long_texts_make_batches_of_bounded_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "BYTES_AT_ONCE", 40_000)
    monkeypatch.setattr(keeping, "MOST_BYTES_OF_A_BATCH", 60_000)
    monkeypatch.setattr(keeping, "ROWS_AT_ONCE", 1_000)
    monkeypatch.setattr(keeping, "MOST_ROWS_OF_A_BATCH", 1_000)
    told = [
        Fact(
            kind=FactKind.TAG, subject=run_key("m", "r"), name=str(n), text="x" * 9_000
        )
        for n in range(20)
    ]
    size = world.store.index.size
    report = tell_all(world, told)
    assert report.new == {"tag": 20}
    assert 3 <= world.store.index.size - size <= 10
    assert tell_all(world, told).new == {}


def tell_all(world: World, told: list[Fact]) -> ImportReport:
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    return import_source(world.store, acting, ToldSource("m", told))
