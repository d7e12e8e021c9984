"""A policy may ask that a witness saw the history: freshly, the request included."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.signers.files import create_key_file
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.demands import Demands
from console.reports.verification import verify_file
from console.services.checkpoints import make_checkpoint
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.problems import Refusal
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.signoff import answer_request, request_transition
from console.services.witness_memory import WitnessMemory
from console.services.witnessing import (
    Witness,
    publish,
    verifier_key_of,
    witness_store,
)
from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.predicates import Decision
from policies.verdict import Node, Verdict, exit_code
from tests.services.test_waivers import As, acting

__all__ = ["acting"]
REFERENCE = "model:diabetes-progression@6"
POLICY = """\
schema = "countersign/policy/v1"
id = "witnessed"
version = 1
description = "Somebody else has seen it."
[applies]
models = ["diabetes-progression"]
to = ["serving"]
[[rules]]
id = "ran"
kind = "run_finished"
[[rules]]
id = "seen"
kind = "cosigned_head"
witnesses = ["KEY"]
hours = 24
[[approvals]]
role = "validator"
count = 1
"""


@pytest.fixture
def witness(demo_store: OpenStore, acting: As, tmp_path: Path) -> Witness:
    """A witness that a policy in force names."""
    signer = create_key_file(tmp_path / "w.pem", None)
    key = verifier_key_of("audit.example/w", signer)
    activate_policy(
        demo_store, acting("dana"), POLICY.replace("KEY", str(key)).encode()
    )
    return Witness(key, signer, WitnessMemory(tmp_path / "w", key))


@pytest.fixture
def request_id(demo_store: OpenStore, acting: As, witness: Witness) -> str:
    """A request that lacks nothing but the witness."""
    look(demo_store, witness)
    version = find_version(demo_store, REFERENCE)
    made = request_transition(
        demo_store, acting("ana"), version, "serving", "default", "please"
    ).appended.statement_id
    state = demo_store.state()
    sheet = review_sheet(demo_store, find_request(demo_store, made, state), state)
    answer_request(demo_store, acting("vera"), sheet, Decision.APPROVE, "read it")
    return made


def look(store: OpenStore, witness: Witness) -> None:
    """The witness cosigns what there is, now."""
    make_checkpoint(store)
    at = int(store.clock().timestamp())
    done = witness_store(store, witness, at).checkpoint
    publish(store.backend, witness.key, done)


def tree(store: OpenStore) -> Node:
    return gate(store, REFERENCE, "serving", "default").tree


def seen(store: OpenStore) -> Node:
    return next(node for node in tree(store).leaves() if node.rule == "seen")


def test_a_head_from_before_the_request_is_no_witness_of_it(
    demo_store: OpenStore, witness: Witness, request_id: str
) -> None:
    assert seen(demo_store).verdict is Verdict.UNKNOWN
    assert exit_code(tree(demo_store)) == 3
    look(demo_store, witness)
    assert exit_code(tree(demo_store)) == 0
    assert "audit.example/w saw" in seen(demo_store).observed


def test_a_head_that_is_too_old_or_of_another_witness_does_not_count(
    demo_store: OpenStore, witness: Witness, request_id: str, tmp_path: Path
) -> None:
    signer = create_key_file(tmp_path / "x.pem", None)
    key = verifier_key_of("audit.example/w", signer)
    look(demo_store, Witness(key, signer, WitnessMemory(tmp_path / "x", key)))
    assert exit_code(tree(demo_store)) == 3
    look(demo_store, witness)
    now = demo_store.clock()
    demo_store.clock = lambda: now + timedelta(hours=23)
    assert exit_code(tree(demo_store)) == 0
    demo_store.clock = lambda: now + timedelta(hours=25)
    assert exit_code(tree(demo_store)) == 3
    demo_store.clock = lambda: now - timedelta(hours=1)
    assert exit_code(tree(demo_store)) == 3


def test_the_head_stays_with_the_promotion_and_in_the_auditor_s_file(
    demo_store: OpenStore,
    acting: As,
    witness: Witness,
    request_id: str,
    tmp_path: Path,
) -> None:
    record = find_request(demo_store, request_id, demo_store.state())
    with pytest.raises(Refusal, match="verdict is unknown"):
        promote(demo_store, acting("rik"), record, environment={})
    look(demo_store, witness)
    promote(demo_store, acting("rik"), record, environment={})
    now = demo_store.clock()
    demo_store.clock = lambda: now + timedelta(days=300)
    assert exit_code(tree(demo_store)) == 0
    demo_store.clock = lambda: now
    checkpoint = make_checkpoint(demo_store)
    target = tmp_path / "audit.zip"
    target.write_bytes(export_audit(demo_store, Scope(), checkpoint))
    anchor = demo_store.first_root
    found = verify_file(target, anchor, Demands(head=checkpoint))
    assert found.is_good, found.problems


def test_a_witness_that_saw_another_history_stops_the_decision(
    demo_store: OpenStore, witness: Witness, request_id: str
) -> None:
    from policies.checkpoint import Checkpoint

    at = int(demo_store.clock().timestamp())
    forked = Checkpoint(demo_store.origin, demo_store.index.size, b"r" * 32, ())
    publish(
        demo_store.backend,
        witness.key,
        forked.cosigned(witness.key, at, witness.signer.sign),
    )
    with pytest.raises(Refusal, match="cosigned another history"):
        tree(demo_store)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('"KEY"', '"rubbish"', "no verifier key of a witness"),
        ("hours = 24", "hours = 0", "whole number"),
        ("hours = 24", "", "needs 'hours'"),
    ],
)
def test_a_malformed_rule_about_witnesses_is_told(
    old: str, new: str, what: str, tmp_path: Path
) -> None:
    key = str(verifier_key_of("w", create_key_file(tmp_path / "w.pem", None)))
    text = POLICY.replace(old, new).replace("KEY", key)
    with pytest.raises(MalformedPolicy, match=what):
        read_policy(text.encode())
