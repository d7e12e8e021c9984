"""Checkpoints and proofs: in the published forms, and refused when touched."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from connectors.signers.files import create_key_file
from console.cli import main
from console.services.checkpoints import (
    checked_checkpoint,
    make_checkpoint,
    verify_log,
)
from console.services.configuration import Configuration, load_configuration
from console.services.opened import open_store
from console.services.places import Places
from console.services.problems import Misuse, Refusal
from console.services.proofs import inclusion_text
from console.services.witness_memory import WitnessMemory
from console.services.witnessing import Witness, publish, verifier_key_of, witness_store
from policies.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from policies.errors import MalformedStatement, Refused
from store.backend import entry_path
from store.facts import Fact, FactKind
from store.merkle import leaf_hash, verify_inclusion
from tests.worlds import World

SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


@pytest.fixture
def grown(world: World) -> World:
    for number in range(5):
        world.tell(Fact(kind=FactKind.TAG, subject="run:m/1", name=str(number)))
    return world


def test_a_checkpoint_is_a_signed_note_of_origin_size_and_root(grown: World) -> None:
    data = make_checkpoint(grown.store)
    origin, size, root, blank, signature, end = data.decode().split("\n")
    assert (origin, size) == (grown.store.origin, str(grown.store.index.size))
    assert base64.b64decode(root).hex() == grown.store.log.head().root
    assert (blank, end) == ("", "")
    assert signature.startswith(f"\u2014 {origin} ")
    key = next(s for s in grown.store.root().services if s.kind.value == "log").keys[0]
    named = hashlib.sha256(origin.encode() + b"\n\x01" + key.raw_ed25519).digest()[:4]
    assert base64.b64decode(signature.rpartition(" ")[2])[:4] == named
    assert make_checkpoint(grown.store) == data


def test_a_touched_checkpoint_and_one_by_another_key_are_refused(grown: World) -> None:
    data = make_checkpoint(grown.store)
    size = grown.store.index.size
    for touched in (
        data.replace(f"\n{size}\n".encode(), f"\n{size - 1}\n".encode()),
        data.replace(b"countersign.local", b"countersign.other"),
        data[:-10] + b"AAAAAAAA=\n",
    ):
        with pytest.raises((Refused, MalformedStatement)):
            checked_checkpoint(grown.store, touched)
    dana = grown.people["dana"]
    head = grown.store.log.head()
    forged = sign_checkpoint(
        grown.store.origin, size, bytes.fromhex(head.root), dana.key, dana.signer.sign
    )
    with pytest.raises(Refused, match="not signed by the log key"):
        checked_checkpoint(grown.store, forged)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"a\nb\n", b"a\n01\nAA==\n\n", b"a\n1\nAA==\n\n", b"x" * 20_000],
)
def test_what_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedStatement):
        read_checkpoint(data)


def test_every_entry_is_proven_in_the_tree_of_the_checkpoint(grown: World) -> None:
    store = grown.store
    checkpoint = make_checkpoint(store)
    head = read_checkpoint(checkpoint)
    for index in range(store.index.size):
        text = inclusion_text(store, index, checkpoint)
        proof, _, rest = text.partition(b"\n\n")
        first, second, *nodes = proof.decode().split("\n")
        assert (first, second) == ("c2sp.org/tlog-proof@v1", f"index {index}")
        assert rest == checkpoint
        leaf = leaf_hash(store.log.entry_bytes(index))
        hashes = [base64.b64decode(node) for node in nodes]
        assert verify_inclusion(index, head.size, leaf, hashes, head.root)
    with pytest.raises(Misuse):
        inclusion_text(store, store.index.size, checkpoint)


def test_the_command_line_proves_by_index_and_by_id(
    grown: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(grown.folder))
    monkeypatch.setenv("COUNTERSIGN_STORE", grown.store.address)
    entry = grown.store.index.entry(2)
    assert entry is not None
    answers = []
    for name in ("2", entry.judgement.statement_id[:12]):
        assert main(["log", "prove", name]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]
    assert "index 2\n" in answers[0]
    assert main(["log", "prove", "ffff"]) == 1


def test_a_machine_without_the_log_key_says_so(grown: World) -> None:
    other = grown.reopened(grown.elsewhere("other"))
    with pytest.raises(Refusal, match="no key of the log service"):
        make_checkpoint(other)
    other.close()


def test_verifying_what_is_new_reads_and_judges_only_that(
    grown: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = grown.store
    assert verify_log(store, deep=False, only_new=True).since == 0
    size = store.index.size
    grown.tell(Fact(kind=FactKind.TAG, subject="run:m/1", name="new"))
    read: list[str] = []
    whole = store.backend.read

    def noting(path: str, *, at_most: int) -> bytes | None:
        read.append(path)
        return whole(path, at_most=at_most)

    monkeypatch.setattr(store.backend, "read", noting)
    report = verify_log(store, deep=False, only_new=True)
    assert (report.since, report.size, report.problems) == (size, size + 1, ())
    assert entry_path(1) not in read
    assert entry_path(size) in read
    assert verify_log(store, deep=False).since == 0


def test_a_touched_new_entry_is_found_and_not_counted_as_verified(
    grown: World,
) -> None:
    store = grown.store
    verify_log(store, deep=False)
    size = store.index.size
    grown.tell(Fact(kind=FactKind.TAG, subject="run:m/1", name="new"))
    path = grown.folder / "store" / entry_path(size)
    good = path.read_bytes()
    path.write_bytes(b"{}")
    assert verify_log(store, deep=False, only_new=True).problems
    path.write_bytes(good)
    assert verify_log(store, deep=False, only_new=True).since == size


def test_what_was_verified_of_another_history_is_verified_again(grown: World) -> None:
    store = grown.store
    verify_log(store, deep=False)
    size = store.index.size
    other = {"size": size, "root": "0" * 64}
    (store.folder / "verified").write_text(json.dumps(other) + "\n")
    assert verify_log(store, deep=False, only_new=True).since == 0


def test_a_pinned_witness_that_saw_another_history_is_a_problem(
    grown: World, tmp_path: Path
) -> None:
    signer = create_key_file(tmp_path / "w.pem", None)
    key = verifier_key_of("w", signer)
    witness = Witness(key, signer, WitnessMemory(tmp_path / "w", key))
    make_checkpoint(grown.store)
    done = witness_store(grown.store, witness, 1_772_366_400).checkpoint
    other = Checkpoint(done.origin, done.size, b"r" * 32, ()).cosigned(
        key, 1_772_366_400, signer.sign
    )
    publish(grown.store.backend, key, other)
    places = grown.elsewhere("pinned")
    pinned = Configuration(witnesses={"auditors": str(key)})
    store = open_store(grown.store.address, places, pinned, clock=grown.clock)
    (problem,) = verify_log(store, deep=False).problems
    assert "the witness w has cosigned another history" in problem
    store.close()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('auditors = "rubbish"', "is no verifier key"),
        ("auditors = 5", "must be text"),
        (
            f'auditors = "{SUMDB_KEY}"',
            "no witness's key",
        ),
    ],
)
def test_a_pinned_witness_is_a_witness_s_key(
    tmp_path: Path, line: str, told: str
) -> None:
    path = tmp_path / "countersign.toml"
    path.write_text(f"[witnesses]\n{line}\n")
    places = Places(tmp_path, tmp_path)
    with pytest.raises(Misuse, match=told):
        load_configuration(places, explicit=str(path))
    found = tmp_path / "project"
    found.mkdir()
    (found / "countersign.toml").write_text("[witnesses]\n")
    with pytest.raises(Misuse, match="may not set 'witnesses'"):
        load_configuration(places, environment={}, folder=found)
