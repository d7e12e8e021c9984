"""Bundles and tiles: the same bytes as the entries, and never believed beyond them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.cli import main
from console.services.checkpoints import make_checkpoint, verify_log
from console.services.opened import OpenStore, new_ledger, signed_head
from console.services.signing import sign_statement
from console.services.tiles import (
    bundle_store,
    entries_path,
    publish_tiles,
    tile_path,
    wrong_tiles,
)
from policies.checkpoint import read_checkpoint
from policies.predicates import LineageBatch
from store.backend import checkpoint_path, entry_path
from store.bundles import bundle_path, decode_bundle, encode_bundle
from store.heads import RememberedHeads
from store.log import Log
from store.merkle import EMPTY_ROOT, leaf_hash, node_hash
from store.statement_index import StatementIndex
from tests.worlds import World

SIZE = 600


class Counting:
    """A backend that notes what is read."""

    def __init__(self, store: OpenStore) -> None:
        self._backend = store.backend
        self.read_paths: list[str] = []

    @property
    def address(self) -> str:
        return self._backend.address

    def read(self, path: str, *, at_most: int) -> bytes | None:
        self.read_paths.append(path)
        return self._backend.read(path, at_most=at_most)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        return self._backend.put_if_absent(path, data)

    def names(self, prefix: str) -> Iterator[str]:
        return self._backend.names(prefix)


@pytest.fixture
def long(world: World) -> World:
    """A log of 600 entries, bundled, with a signed head over all of them."""
    fill(world, SIZE)
    assert bundle_store(world.store) == 2
    make_checkpoint(world.store)
    return world


def fill(world: World, size: int) -> None:
    digest = world.store.objects.put(b"batch")
    for number in range(world.store.index.size, size):
        batch = LineageBatch("m", "c", digest, number, "2026-03-01T12:00:00Z")
        envelope = sign_statement(
            world.people["dana"],
            batch,
            ("m", digest),
            world.store.prefix(),
            "2026-03-01T12:00:00Z",
        )
        path = world.folder / "store" / entry_path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(envelope.to_bytes())
        if number % 100 == 0:
            world.store.catch_up()
    world.store.catch_up()


def fresh(world: World, name: str) -> tuple[Log, Counting]:
    """A machine that reads the log for the first time."""
    backend = Counting(world.store)
    folder = world.folder / name
    index = StatementIndex(folder / "index.sqlite")
    heads = RememberedHeads(folder / "heads")
    log = Log(backend, index, heads, new_ledger, signed_head=signed_head)
    log.catch_up()
    return log, backend


def assert_same(world: World, log: Log) -> None:
    assert log.head() == world.store.log.head()
    assert log.index.entries() == world.store.index.entries()


def read_singly(backend: Counting) -> set[int]:
    every = {entry_path(index): index for index in range(SIZE + 1)}
    return {every[path] for path in backend.read_paths if path in every}


def test_a_fresh_machine_reads_bundles_and_believes_what_it_would_have(
    long: World,
) -> None:
    log, backend = fresh(long, "fresh")
    assert_same(long, log)
    single = read_singly(backend)
    assert {0, 255, 256, 511} <= single
    assert len([index for index in single if index < 512]) < 10
    assert verify_log(long.store, deep=False).problems == ()


def test_without_a_signed_head_every_bundled_entry_is_compared(long: World) -> None:
    (long.folder / "store" / checkpoint_path(SIZE)).unlink()
    log, backend = fresh(long, "fresh")
    assert_same(long, log)
    assert set(range(SIZE)) <= read_singly(backend)


def test_who_completes_a_block_bundles_it(world: World) -> None:
    fill(world, 255)
    world.hire("eve", "requester")
    data = world.store.backend.read(bundle_path(0), at_most=2**24)
    assert data is not None
    entries = [world.store.log.entry_bytes(index) for index in range(256)]
    assert decode_bundle(data, "it") == entries


def altered_bundles(entries: list[bytes]) -> dict[str, bytes | None]:
    return {
        "an entry left out": encode_bundle([*entries[:99], *entries[100:], b"{}"]),
        "two exchanged": encode_bundle(
            [*entries[:99], entries[100], entries[99], *entries[101:]]
        ),
        "one replaced by rubbish": encode_bundle(
            [*entries[:99], b"{}", *entries[100:]]
        ),
        "one repeated": encode_bundle([*entries[:99], entries[98], *entries[100:]]),
        "one too few": encode_bundle(entries[:-1]),
        "a byte too many": (encode_bundle(entries) or b"") + b"x",
        "nothing": b"",
    }


@pytest.mark.parametrize("is_signed", [True, False])
@pytest.mark.parametrize("alteration", altered_bundles([b""] * 256))
def test_a_wrong_bundle_changes_nothing_and_is_named(
    long: World, alteration: str, is_signed: bool
) -> None:
    entries = [long.store.log.entry_bytes(256 + n) for n in range(256)]
    wrong = altered_bundles(entries)[alteration]
    assert wrong is not None
    (long.folder / "store" / bundle_path(1)).write_bytes(wrong)
    if not is_signed:
        (long.folder / "store" / checkpoint_path(SIZE)).unlink()
    log, _ = fresh(long, "fresh")
    assert_same(long, log)
    told = verify_log(long.store, deep=False).problems
    assert any(bundle_path(1) in problem for problem in told)


def test_a_bundle_of_entries_that_were_never_appended_adds_none(long: World) -> None:
    entries = [long.store.log.entry_bytes(n) for n in range(256)]
    invented = encode_bundle(entries)
    assert invented is not None
    (long.folder / "store" / bundle_path(2)).write_bytes(invented)
    log, _ = fresh(long, "fresh")
    assert_same(long, log)


def test_a_head_signed_by_another_key_confirms_no_bundle(long: World) -> None:
    from policies.checkpoint import sign_checkpoint

    entries = [long.store.log.entry_bytes(n) for n in range(SIZE)]
    entries[300] = b"{}"
    wrong = encode_bundle(entries[256:512])
    assert wrong is not None
    (long.folder / "store" / bundle_path(1)).write_bytes(wrong)
    tree = [leaf_hash(entry) for entry in entries]
    from store.merkle import MemoryTree

    dana = long.people["dana"]
    forged = sign_checkpoint(
        long.store.origin, SIZE, MemoryTree(tree).root(), dana.key, dana.signer.sign
    )
    (long.folder / "store" / checkpoint_path(SIZE)).write_bytes(forged)
    log, _ = fresh(long, "fresh")
    assert_same(long, log)


def test_published_tiles_lead_from_the_checkpoint_to_every_entry(
    long: World, tmp_path: Path
) -> None:
    done = publish_tiles(long.store, tmp_path / "web")
    assert done.size == SIZE
    head = read_checkpoint((tmp_path / "web" / "checkpoint").read_bytes())
    leaves: list[bytes] = []
    for number, width in ((0, 256), (1, 256), (2, SIZE - 512)):
        data = (tmp_path / "web" / entries_path(number, width)).read_bytes()
        tile = (tmp_path / "web" / tile_path(0, number, width)).read_bytes()
        found = []
        while data:
            length = int.from_bytes(data[:2], "big")
            found.append(leaf_hash(data[2 : 2 + length]))
            data = data[2 + length :]
        assert b"".join(found) == tile
        leaves += found
    assert _root(leaves) == head.root
    upper = (tmp_path / "web" / tile_path(1, 0, 2)).read_bytes()
    assert upper == _root(leaves[:256]) + _root(leaves[256:512])
    assert wrong_tiles(long.store, tmp_path / "web") == []
    assert publish_tiles(long.store, tmp_path / "web").written == 0


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962's recursion, written again."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(_root(leaves[:split]), _root(leaves[split:]))


def test_a_wrong_and_a_missing_tile_are_named(
    long: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(long.folder))
    monkeypatch.setenv("COUNTERSIGN_STORE", long.store.address)
    web = tmp_path / "web"
    assert main(["log", "tiles", "--out", str(web)]) == 0
    assert main(["log", "verify", "--tiles", str(web)]) == 0
    tile = web / tile_path(0, 1)
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    (web / entries_path(0)).unlink()
    assert main(["log", "verify", "--tiles", str(web)]) == 1
    told = capsys.readouterr().err
    assert f"{tile_path(0, 1)} is not what the log says" in told
    assert f"{entries_path(0)} is missing" in told


@pytest.mark.parametrize("has_bundles", [True, False])
def test_a_first_reading_that_was_stopped_goes_on_where_it_can(
    long: World, has_bundles: bool
) -> None:
    if not has_bundles:
        shutil.rmtree(long.folder / "store" / "bundle")
    folder = long.folder / "stopped"
    heads = RememberedHeads(folder / "heads")
    index = StatementIndex(folder / "index.sqlite")
    log = Log(long.store.backend, index, heads, new_ledger, signed_head=signed_head)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        log.catch_up(stop)
    assert index.size in (0, 512)
    assert heads.all() == []
    log.catch_up()
    assert_same(long, log)


def test_a_verification_that_was_stopped_counts_for_nothing(long: World) -> None:
    def stop(count: int) -> None:
        if count == SIZE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_log(long.store, deep=False, progress=stop)
    assert verify_log(long.store, deep=False, only_new=True).since == 0
    assert verify_log(long.store, deep=False, only_new=True).since == SIZE
