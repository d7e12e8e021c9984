"""The log: races, garbage, missing and rewritten entries, and memory."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from console.services.checkpoints import verify_log
from console.services.configuration import Configuration
from console.services.opened import new_ledger, open_store
from console.services.places import Places
from console.services.signing import append, sign_statement
from policies.predicates import LineageBatch
from store.backend import entry_path, object_path
from store.errors import StoreDamaged, StoreRefused, StoreUnavailable
from store.facts import Fact, FactKind
from store.heads import RememberedHeads
from store.judgement import Standing
from store.log import Log
from store.statement_index import StatementIndex
from tests.worlds import World, new_world


def tag(number: int) -> Fact:
    return Fact(kind=FactKind.TAG, subject="run:m/1", name=str(number), text="x")


def entry_file(world: World, index: int) -> Path:
    return world.folder / "store" / entry_path(index)


def test_garbage_at_the_next_index_is_void_and_blocks_nobody(world: World) -> None:
    size = world.store.index.size
    for garbage in (b"", b"{}", b"\xff" * 100, b"[" * 60_000, b"x" * 70_000):
        entry_file(world, world.store.catch_up()).write_bytes(garbage)
    world.tell(tag(1))
    standings = [e.judgement.standing for e in world.store.index.entries(size)]
    assert standings == [Standing.VOID] * 5 + [Standing.ACCEPTED]
    reasons = [e.judgement.reason for e in world.store.index.entries(size)][:5]
    assert all(reasons)
    assert verify_log(world.store, deep=True).problems == ()


def test_a_missing_entry_is_damage_and_stops_appending(world: World) -> None:
    for number in range(3):
        world.tell(tag(number))
    entry_file(world, 2).unlink()
    stranger = world.elsewhere("other")
    with pytest.raises(StoreDamaged, match="entry 2 is missing"):
        world.reopened(stranger)
    with pytest.raises(StoreDamaged):
        world.store.log.entry_bytes(2)


def test_removed_newest_entries_are_noticed_by_who_saw_them(world: World) -> None:
    world.tell(tag(1))
    entry_file(world, world.store.index.size - 1).unlink()
    shutil.rmtree(world.store.folder / "x", ignore_errors=True)
    for path in world.store.folder.glob("decisions.sqlite*"):
        path.unlink()
    with pytest.raises(StoreDamaged, match="has seen"):
        world.reopened()


def test_rewritten_history_is_noticed_even_by_a_rebuilt_index(world: World) -> None:
    world.tell(tag(1))
    last = world.store.index.size - 1
    entry_file(world, last).write_bytes(b"something else")
    assert any("was changed" in p for p in verify_log(world.store, deep=False).problems)
    for path in world.store.folder.glob("decisions.sqlite*"):
        path.unlink()
    with pytest.raises(StoreDamaged, match="not the ones this machine has seen"):
        world.reopened()


def test_a_repeated_statement_is_stored_once(world: World) -> None:
    world.tell(tag(1))
    last = world.store.index.size - 1
    data = world.store.log.entry_bytes(last)
    assert world.store.log.append(data) == last
    entry_file(world, last + 1).write_bytes(data)
    world.store.catch_up()
    repeated = world.store.index.entry(last + 1)
    assert repeated is not None
    assert repeated.judgement.reason == f"it repeats entry {last}"


def test_a_statement_over_another_history_is_refused(
    world: World, tmp_path: Path
) -> None:
    other = new_world(tmp_path / "other")
    digest = world.store.objects.put(b"batch")
    batch = LineageBatch("m", "c", digest, 0, "2026-03-01T12:00:00Z")
    dana = world.people["dana"]
    envelope = sign_statement(
        dana, batch, ("m", digest), other.store.prefix(), "2026-03-01T12:00:00Z"
    )
    with pytest.raises(StoreRefused, match="another log"):
        world.store.log.append(envelope.to_bytes())


def test_a_full_disk_under_the_index_is_told_and_heals_when_there_is_space(
    world: World,
) -> None:
    for number in range(30):
        world.tell(tag(number))
    index = StatementIndex(world.folder / "small" / "index.sqlite")
    heads = RememberedHeads(world.folder / "small" / "heads")
    log = Log(world.store.backend, index, heads, new_ledger)
    pages = index._connection.execute("PRAGMA page_count").fetchone()[0]
    index._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="full") as caught:
        log.catch_up()
    assert "Free some space" in caught.value.hint
    assert index.size == 0
    index._connection.execute("PRAGMA max_page_count = 1000000")
    assert log.catch_up() == world.store.index.size
    assert log.head() == world.store.log.head()
    index.close()


def test_too_large_a_statement_is_refused_before_anything_is_written(
    world: World,
) -> None:
    size = world.store.index.size
    with pytest.raises(StoreRefused, match="at most 65535"):
        world.store.log.append(b"x" * 65_536)
    assert world.store.catch_up() == size


def _append_many(folder: str, machine: str, count: int) -> None:
    places = Places(Path(folder) / machine / "data", Path(folder) / "config")
    store = open_store(str(Path(folder) / "store"), places, Configuration())
    from console.services.signing import act_as_person

    key = str(Path(folder) / "config" / "keys" / "dana.pem")
    acting = act_as_person(store, store.state(), key, lambda _: None)
    for number in range(count):
        digest = store.objects.put(f"{machine} {number}".encode())
        batch = LineageBatch(machine, "c", digest, number, "2026-03-01T12:00:00Z")
        append(store, acting, batch, (machine, digest))
    store.close()


@pytest.mark.slow
def test_four_machines_append_at_once_and_every_statement_is_there_once(
    world: World,
) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=_append_many, args=(str(world.folder), f"m{n}", 15))
        for n in range(4)
    ]
    before = world.store.index.size
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert world.store.catch_up() == before + 60
    entries = world.store.index.entries(before)
    assert {e.judgement.standing for e in entries} == {Standing.ACCEPTED}
    assert len({e.judgement.statement_id for e in entries}) == 60
    assert verify_log(world.store, deep=False).problems == ()


def test_a_report_reads_an_object_once_and_a_decision_every_time(world: World) -> None:
    objects = world.store.objects
    digest = objects.put(b"evidence")
    place = world.folder / "store" / object_path(digest)
    with objects.remembering():
        assert objects.get(digest) == b"evidence"
        place.write_bytes(b"changed")
        assert objects.get(digest) == b"evidence"
    with pytest.raises(StoreDamaged):
        objects.get(digest)
