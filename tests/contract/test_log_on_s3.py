"""A log in a bucket: read again, bundled, published as tiles, witnessed; end to end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.signers.files import create_key_file
from console.cli import main
from console.services.checkpoints import make_checkpoint, verify_log
from console.services.signed_heads import newest_cosigned
from console.services.signing import sign_statement
from console.services.tiles import bundle_store, publish_tiles, wrong_tiles
from console.services.witnessing import verifier_key_of
from policies.predicates import LineageBatch
from store import s3_rest
from store.backend import entry_path, source_of
from store.bundles import BUNDLE_ENTRIES, bundle_path
from store.s3 import S3Backend
from tests.contract.s3_places import S3Place
from tests.worlds import World, new_world

AT = "2026-03-01T12:00:00Z"
SIZE = BUNDLE_ENTRIES + 20


@pytest.fixture
def grown(
    moto: S3Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A log of 276 entries in a bucket of moto's."""
    for name, value in moto.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3_rest, "_PAUSES_SECONDS", (0.0,))
    world = new_world(tmp_path / "world", address=moto.address())
    digest, dana = world.store.objects.put(b"no batch"), world.people["dana"]
    place = source_of(world.store.backend)
    for number in range(world.store.index.size, SIZE):
        batch = LineageBatch("m", "c", digest, number, AT)
        envelope = sign_statement(dana, batch, ("m", digest), world.store.prefix(), AT)
        assert place.put_if_absent(entry_path(number), envelope.to_bytes())
    world.store.catch_up()
    yield world
    world.store.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each path is asked for in the bucket."""
    counted: Counter[str] = Counter()
    read = S3Backend.read

    def counting(self: S3Backend, path: str, *, at_most: int) -> bytes | None:
        counted[path] += 1
        return read(self, path, at_most=at_most)

    monkeypatch.setattr(S3Backend, "read", counting)
    return counted


def test_verifying_reads_each_entry_of_a_bucket_once(
    grown: World, reads: Counter[str]
) -> None:
    assert verify_log(grown.store, deep=False).problems == ()
    entries = {entry_path(index): reads[entry_path(index)] for index in range(SIZE)}
    newest = entries.pop(entry_path(SIZE - 1))
    assert set(entries.values()) == {1}
    assert newest <= 2, "whether the end is still the same is asked again"


def test_bundles_in_a_bucket_spare_a_new_machine_the_entries(
    grown: World, reads: Counter[str]
) -> None:
    assert bundle_store(grown.store) == 1
    make_checkpoint(grown.store)
    reads.clear()
    other = grown.reopened(grown.elsewhere("other"))
    assert other.log.head() == grown.store.log.head()
    bundled = [reads[entry_path(index)] for index in range(2, BUNDLE_ENTRIES - 1)]
    assert sum(bundled) == 0
    assert reads[bundle_path(0)] == 1
    assert verify_log(other, deep=False).problems == ()
    other.close()


def test_tiles_are_published_from_a_bucket_and_hold(grown: World) -> None:
    make_checkpoint(grown.store)
    folder = grown.folder / "tiles"
    assert publish_tiles(grown.store, folder).size == SIZE
    assert wrong_tiles(grown.store, folder) == []


def test_a_witness_cosigns_a_log_in_a_bucket_and_readers_find_it(
    grown: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_checkpoint(grown.store)
    key = grown.folder / "witness.pem"
    signer = create_key_file(key, None)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(grown.folder / "witness"))
    monkeypatch.setenv("COUNTERSIGN_STORE", grown.store.address)
    command = ["log", "witness", "--key", str(key), "--name", "example.org/w"]
    command += ["--state", str(grown.folder / "state")]
    assert main(command) == 0, capsys.readouterr().err
    assert main(command) == 0, "again there is nothing new, and nothing wrong"
    reader = grown.reopened(grown.elsewhere("reader"))
    found = newest_cosigned(reader, verifier_key_of("example.org/w", signer))
    assert found is not None
    assert found[0] == SIZE
    reader.close()
