"""Checkpoints and proofs: in the published forms, and refused when touched."""

from __future__ import annotations

import base64
import hashlib

import pytest

from console.cli import main
from console.services.checkpoints import (
    checked_checkpoint,
    make_checkpoint,
)
from console.services.problems import Misuse, Refusal
from console.services.proofs import inclusion_text
from policies.checkpoint import read_checkpoint, sign_checkpoint
from policies.errors import MalformedStatement, Refused
from store.facts import Fact, FactKind
from store.merkle import leaf_hash, verify_inclusion
from tests.worlds import World


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
