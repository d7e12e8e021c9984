"""Attacks on the log as a whole: each is noticed, and told for what it is."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from connectors.signers.files import create_key_file
from console.cli import main
from console.services.checkpoints import (
    checked_checkpoint,
    log_keys,
    make_checkpoint,
    verify_log,
)
from console.services.configuration import Configuration
from console.services.opened import open_store
from console.services.problems import Refusal
from console.services.proofs import consistency_text, inclusion_text
from console.services.signed_heads import newest_cosigned
from console.services.signing import act_as_service
from console.services.witness_memory import WitnessMemory
from console.services.witnessing import (
    Witness,
    publish,
    verifier_key_of,
    witness_proof,
    witness_store,
)
from policies.checkpoint import read_checkpoint, sign_checkpoint
from policies.errors import MalformedStatement, Refused
from policies.log_proofs import read_consistency_proof, read_inclusion_proof
from policies.trust_root import ServiceKind
from store.backend import checkpoint_path, entry_path
from store.errors import StoreDamaged
from store.facts import Fact, FactKind
from store.merkle import MemoryTree, leaf_hash, node_hash
from tests.worlds import NOON, World

AT = int(NOON.timestamp())


def grow(world: World, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        world.tell(Fact(kind=FactKind.TAG, subject="run:m/1", name=str(number)))


def entry_file(world: World, index: int) -> Path:
    return world.folder / "store" / entry_path(index)


def new_witness(folder: Path) -> Witness:
    signer = create_key_file(folder / "witness.pem", None)
    key = verifier_key_of("audit.example/w1", signer)
    return Witness(key, signer, WitnessMemory(folder / "state", key))


@dataclass
class Fork:
    """A world, and a copy of its store that went another way."""

    world: World
    other: World


@pytest.fixture
def grown(world: World) -> World:
    grow(world, 4)
    return world


@pytest.fixture
def fork(grown: World, tmp_path: Path) -> Fork:
    """Two histories of the same size, both signed with the stolen log key."""
    shutil.copytree(grown.folder, tmp_path / "fork")
    places = replace(
        grown.places, data=tmp_path / "fork" / "data", config=grown.places.config
    )
    store = open_store(
        str(tmp_path / "fork" / "store"), places, Configuration(), clock=grown.clock
    )
    other = World(tmp_path / "fork", store, places, grown.clock, grown.people)
    grow(grown, 1, start=10)
    grow(other, 1, start=20)
    assert grown.store.index.size == other.store.index.size
    assert grown.store.log.head() != other.store.log.head()
    return Fork(grown, other)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return new_witness(tmp_path / "witness")


def test_a_split_view_is_shown_by_the_witness_with_both_heads(
    fork: Fork, witness: Witness, tmp_path: Path
) -> None:
    ours, theirs = make_checkpoint(fork.world.store), make_checkpoint(fork.other.store)
    witness_store(fork.world.store, witness, AT)
    with pytest.raises(Refusal, match="two histories of the same") as caught:
        witness_store(fork.other.store, witness, AT)
    for head in (fork.world.store.log.head(), fork.other.store.log.head()):
        assert head.root in str(caught.value)
    (evidence,) = (tmp_path / "witness" / "state").glob("evidence-*.txt")
    assert str(evidence) in caught.value.hint
    for checkpoint in (ours, theirs):
        assert read_checkpoint(checkpoint).body in evidence.read_bytes()
    assert witness_store(fork.world.store, witness, AT).extends is not None


def test_a_machine_shown_another_history_learns_it_from_the_cosignature(
    fork: Fork, witness: Witness
) -> None:
    make_checkpoint(fork.world.store)
    done = witness_store(fork.world.store, witness, AT)
    publish(fork.world.store.backend, witness.key, done.checkpoint)
    size = fork.world.store.index.size
    assert newest_cosigned(fork.world.store, witness.key) == (size, AT)
    publish(fork.other.store.backend, witness.key, done.checkpoint)
    with pytest.raises(Refusal, match="cosigned another history"):
        newest_cosigned(fork.other.store, witness.key)


def test_a_fork_of_the_same_size_does_not_extend_the_other_s_checkpoint(
    fork: Fork,
) -> None:
    theirs = make_checkpoint(fork.other.store)
    with pytest.raises(Refused, match="another history of the same size") as caught:
        checked_checkpoint(fork.world.store, theirs)
    assert fork.world.store.log.head().root in str(caught.value)


def test_a_log_cut_below_a_cosigned_head_is_refused_by_the_witness(
    grown: World, witness: Witness
) -> None:
    make_checkpoint(grown.store)
    witness_store(grown.store, witness, AT)
    size = grown.store.index.size
    entry_file(grown, size - 1).unlink()
    (grown.folder / "store" / checkpoint_path(size)).unlink()
    stranger = grown.reopened(grown.elsewhere("stranger"))
    with pytest.raises(Refusal, match=f"has {size - 1} entries, .* cosigned {size}"):
        witness_store(stranger, witness, AT)
    stranger.close()


def test_a_log_cut_below_its_own_signed_head_is_refused_by_a_new_witness(
    grown: World, witness: Witness
) -> None:
    make_checkpoint(grown.store)
    size = grown.store.index.size
    entry_file(grown, size - 1).unlink()
    stranger = grown.reopened(grown.elsewhere("stranger"))
    with pytest.raises(Refusal, match="lacks entries that its key has signed"):
        witness_store(stranger, witness, AT)
    stranger.close()


def test_a_log_cut_below_a_remembered_head_is_refused(grown: World) -> None:
    entry_file(grown, grown.store.index.size - 1).unlink()
    with pytest.raises(StoreDamaged, match="has seen"):
        grown.reopened()


def test_two_entries_that_changed_places_are_named(grown: World) -> None:
    make = make_checkpoint(grown.store)
    first, second = entry_file(grown, 2), entry_file(grown, 3)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    told = verify_log(grown.store, deep=False).problems
    assert any("entry 2 " in problem for problem in told)
    assert any("entry 3 " in problem for problem in told)
    stranger = grown.reopened(grown.elsewhere("stranger"))
    with pytest.raises(Refused, match="another history"):
        checked_checkpoint(stranger, make)
    stranger.close()


def test_a_rewritten_entry_is_named_and_breaks_the_signed_head(grown: World) -> None:
    checkpoint = make_checkpoint(grown.store)
    entry_file(grown, 3).write_bytes(b"something else")
    assert any("entry 3 " in p for p in verify_log(grown.store, deep=False).problems)
    stranger = grown.reopened(grown.elsewhere("stranger"))
    with pytest.raises(Refused, match="another history"):
        checked_checkpoint(stranger, checkpoint)
    stranger.close()


def test_a_missing_index_is_named(grown: World) -> None:
    entry_file(grown, 3).unlink()
    with pytest.raises(StoreDamaged, match="entry 3 is missing"):
        grown.reopened(grown.elsewhere("stranger"))


def test_a_checkpoint_by_another_key_is_neither_believed_nor_cosigned(
    grown: World, witness: Witness
) -> None:
    dana, head = grown.people["dana"], grown.store.log.head()
    forged = sign_checkpoint(
        grown.store.origin,
        head.size,
        bytes.fromhex(head.root),
        dana.key,
        dana.signer.sign,
    )
    with pytest.raises(Refused, match="not signed by the log key"):
        checked_checkpoint(grown.store, forged)
    grown.store.backend.put_if_absent(checkpoint_path(head.size), forged)
    with pytest.raises(Refused, match="not signed by the log key"):
        witness_store(grown.store, witness, AT)


def test_a_checkpoint_of_a_larger_log_is_refused(grown: World) -> None:
    acting = act_as_service(grown.store, grown.store.state(), ServiceKind.LOG)
    size = grown.store.index.size + 1
    larger = sign_checkpoint(
        grown.store.origin, size, b"r" * 32, acting.key, acting.signer.sign
    )
    with pytest.raises(Refused, match=f"of {size} entries, and there are {size - 1}"):
        checked_checkpoint(grown.store, larger)


def _nodes(text: bytes) -> tuple[list[bytes], bytes]:
    head, _, checkpoint = text.partition(b"\n\n")
    return head.split(b"\n"), checkpoint


def _join(lines: list[bytes], checkpoint: bytes) -> bytes:
    return b"\n".join(lines) + b"\n\n" + checkpoint


NODE = base64.b64encode(b"n" * 32)
ALTERATIONS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "one hash more": lambda lines: [*lines, NODE],
    "one hash fewer": lambda lines: lines[:-1],
    "none at all": lambda lines: [line for line in lines if not line.endswith(b"=")],
    "a short hash": lambda lines: [*lines[:-1], base64.b64encode(b"n" * 31)],
    "an empty line": lambda lines: [*lines, b""],
    "a second spelling": lambda lines: [*lines[:-1], lines[-1].rstrip(b"=")],
    "a padded number": lambda lines: [line.replace(b" ", b" 0") for line in lines],
    "another number": lambda lines: [
        line.replace(b"index 1", b"index 99").replace(b"old 3", b"old 99")
        for line in lines
    ],
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_a_proof_of_another_shape_is_refused_before_anything_is_hashed(
    grown: World, alteration: str
) -> None:
    checkpoint = make_checkpoint(grown.store)
    inclusion = inclusion_text(grown.store, 1, checkpoint)
    consistency = consistency_text(grown.store, 3, checkpoint)
    read_inclusion_proof(inclusion).check(grown.store.log.entry_bytes(1))
    read_consistency_proof(consistency).check(3, grown.store.index.root_at(3))
    for text, read in (
        (inclusion, read_inclusion_proof),
        (consistency, read_consistency_proof),
    ):
        lines, rest = _nodes(text)
        with pytest.raises(MalformedStatement):
            read(_join(ALTERATIONS[alteration](lines), rest))


def hold(world: World, text: bytes, entry: bytes) -> None:
    proof = read_inclusion_proof(text)
    checked_checkpoint(world.store, proof.checkpoint.to_bytes())
    proof.check(entry)


def test_a_proof_with_an_edited_size_or_index_does_not_hold(grown: World) -> None:
    checkpoint = make_checkpoint(grown.store)
    size = grown.store.index.size
    entry = grown.store.log.entry_bytes(1)
    text = inclusion_text(grown.store, 1, checkpoint)
    for altered in (
        text.replace(b"index 1\n", b"index 2\n"),
        text.replace(b"\n%d\n" % size, b"\n%d\n" % (size - 1)),
        text.replace(b"\n%d\n" % size, b"\n%d\n" % (size * 2)),
    ):
        with pytest.raises((Refused, MalformedStatement)):
            hold(grown, altered, entry)
    consistency = read_consistency_proof(consistency_text(grown.store, 3, checkpoint))
    with pytest.raises(Refused, match="begins at size 3"):
        consistency.check(4, grown.store.index.root_at(4))
    with pytest.raises(Refused, match="does not extend"):
        consistency.check(3, b"r" * 32)


def test_an_inner_node_is_never_taken_for_an_entry() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    tree = MemoryTree([left, right, leaf_hash(b"c"), leaf_hash(b"d")])
    assert leaf_hash(left + right) != node_hash(left, right)
    assert MemoryTree([leaf_hash(left + right), node_hash(*_last_two())]).root() != (
        tree.root()
    )


def _last_two() -> tuple[bytes, bytes]:
    return leaf_hash(b"c"), leaf_hash(b"d")


def test_a_witness_without_the_store_needs_the_log_s_signature_and_a_proof(
    grown: World, witness: Witness
) -> None:
    (log_key,) = log_keys(grown.store)
    old = grown.store.index.size
    first = consistency_text(grown.store, 0, make_checkpoint(grown.store))
    witness_proof(read_consistency_proof(first), log_key, witness, AT)
    grow(grown, 3, start=30)
    new = make_checkpoint(grown.store)
    again = read_consistency_proof(consistency_text(grown.store, 0, new))
    with pytest.raises(Refused, match="begins at size 0"):
        witness_proof(again, log_key, witness, AT)
    proof = read_consistency_proof(consistency_text(grown.store, old, new))
    with pytest.raises(Refused, match="not signed by"):
        witness_proof(proof, witness.key, witness, AT)
    done = witness_proof(proof, log_key, witness, AT + 5)
    assert (done.extends, done.checkpoint.size) == (old, old + 3)
    assert done.checkpoint.cosigned_at(witness.key) == AT + 5


def test_a_forged_proof_of_growth_is_kept_as_evidence(
    fork: Fork, witness: Witness
) -> None:
    (log_key,) = log_keys(fork.world.store)
    first = consistency_text(fork.world.store, 0, make_checkpoint(fork.world.store))
    witness_proof(read_consistency_proof(first), log_key, witness, AT)
    old = fork.world.store.index.size
    grow(fork.other, 2, start=40)
    theirs = consistency_text(fork.other.store, old, make_checkpoint(fork.other.store))
    with pytest.raises(Refusal, match="does not extend") as caught:
        witness_proof(read_consistency_proof(theirs), log_key, witness, AT)
    assert "evidence-" in caught.value.hint


def test_a_witness_s_memory_that_was_altered_is_not_gone_on_from(
    grown: World, witness: Witness, tmp_path: Path
) -> None:
    make_checkpoint(grown.store)
    witness_store(grown.store, witness, AT)
    (path,) = (tmp_path / "witness" / "state").glob("*.checkpoint")
    for data in (b"", make_checkpoint(grown.store), path.read_bytes()[:-9]):
        path.write_bytes(data)
        with pytest.raises(Refusal, match="is not what this witness remembered"):
            witness_store(grown.store, witness, AT)


def test_an_old_checkpoint_is_neither_a_fork_nor_cosigned_again(
    grown: World, witness: Witness
) -> None:
    (log_key,) = log_keys(grown.store)
    old = read_consistency_proof(
        consistency_text(grown.store, 0, make_checkpoint(grown.store))
    )
    grow(grown, 1, start=50)
    new = read_consistency_proof(
        consistency_text(grown.store, 0, make_checkpoint(grown.store))
    )
    witness_proof(new, log_key, witness, AT)
    with pytest.raises(Refusal, match="has cosigned") as caught:
        witness_proof(old, log_key, witness, AT)
    assert "no fork" in caught.value.hint


def test_the_command_line_witnesses_refuses_and_says_why(
    grown: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(grown.folder))
    monkeypatch.setenv("COUNTERSIGN_STORE", grown.store.address)
    key, state = grown.folder / "w.pem", grown.folder / "w"
    witness = ["log", "witness", "--name", "audit.example/w1", "--key", str(key)]
    assert main([*witness, "--new-key"]) == 0
    vkey = capsys.readouterr().out.strip()
    assert main([*witness, "--state", str(state)]) == 3
    assert "log checkpoint" in capsys.readouterr().err
    assert main(["log", "checkpoint"]) == 0
    out = grown.folder / "cosigned"
    assert main([*witness, "--state", str(state), "--out", str(out)]) == 0
    assert vkey in capsys.readouterr().out
    assert main(["log", "verify", "--against", str(out)]) == 0
    audit, later = grown.folder / "a.zip", grown.folder / "b.zip"
    anchor = grown.store.first_root
    assert main(["export", "audit", "--out", str(audit)]) == 0
    check = ["verify", str(audit), "--anchor", anchor, "--witness"]
    capsys.readouterr()
    assert main([*check, vkey]) == 0
    assert "says it saw this head at 20" in capsys.readouterr().out
    grow(grown, 1, start=60)
    assert main(["export", "audit", "--out", str(later)]) == 0
    check[1] = str(later)
    capsys.readouterr()
    assert main([*check, vkey]) == 1
    assert "not cosigned by the witness" in capsys.readouterr().out
    since = ["verify", str(later), "--anchor", anchor, "--since", str(audit)]
    assert main(since) == 0
    assert "1 are new" in capsys.readouterr().out
    since[1], since[5] = since[5], since[1]
    assert main(since) == 1
    last = grown.store.index.size - 1
    assert main([*witness, "--state", str(state)]) == 0
    entry_file(grown, last).unlink()
    entry_file(grown, last - 1).unlink()
    capsys.readouterr()
    assert main([*witness, "--state", str(state)]) == 1
    assert f"this witness has cosigned {last + 1}" in capsys.readouterr().err
    assert list(state.glob("evidence-*.txt"))
