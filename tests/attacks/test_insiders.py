"""Attacks by people with a key and a role: what they sign never stops others' reading.

The log is append-only, so one accepted statement that some reader cannot bear would be
there for ever. Statements of every type are made up after the published schemas, signed
by somebody with every role, and put into the log; then everything that reads runs.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.cli import main
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.verification import verify_file
from console.services.checkpoints import make_checkpoint, verify_log
from console.services.reviewing import all_requests
from console.services.standing import (
    incomplete_records,
    log_overview,
    registry_overview,
)
from policies.dsse import PAYLOAD_TYPE, Envelope, pre_authentication_encoding
from policies.predicates import PredicateType, Request, Transition
from policies.strict_json import encode
from store.backend import entry_path
from tests.unit.policies.generated import statements_of
from tests.worlds import World

MODEL, VERSION = "model:mlflow/fraud", "model-version:mlflow/fraud/7"
DIGEST = "0" * 64


def sign(world: World, value: dict[str, Any]) -> bytes:
    """Dana signs it as hers, over the log as it is."""
    dana, prefix = world.people["dana"], world.store.prefix()
    body = value["predicate"]
    body["by"] = dana.id
    body["log"] = {"origin": prefix.origin, "size": prefix.size, "root": prefix.root}
    payload = encode(value)
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    return Envelope(payload, dana.signer.sign(signed), dana.key.id).to_bytes()


def put(world: World, data: bytes) -> str:
    """Write an entry without asking our own program's leave; say what it counts for."""
    index = world.store.index.size
    assert world.store.backend.put_if_absent(entry_path(index), data)
    world.store.catch_up()
    entry = world.store.index.entry(index)
    assert entry is not None
    return entry.judgement.standing.value


ANSWERS = {
    "request": ("request",),
    "statement": ("request", "approval"),
    "intent": ("promotion-intent", "launch-intent", "deployment-intent"),
    "promotion": ("promotion-intent",),
}
"""Field -> types of statement that it may name."""


def plausible(
    world: World,
    value: dict[str, Any],
    known: dict[str, list[str]],
    chosen: st.DataObject,
) -> dict[str, Any]:
    """Let some fields name what is there, so that more than a few are accepted."""
    body = value["predicate"]
    value["subject"][0]["digest"]["sha256"] = DIGEST
    text = world.store.objects.put(b'{"salt":"","text":"x"}')
    fixed = {
        "model": MODEL,
        "version": VERSION,
        "manifest": DIGEST,
        "role": "promoter",
        "transition": {"from": "", "to": "production", "environment": "default"},
        "takes_over": "",
        "environment": "default",
        "stage": "production",
    }
    for name in body:
        if name in ANSWERS:
            ids = [i for kind in ANSWERS[name] for i in known.get(kind, [])]
            body[name] = chosen.draw(st.sampled_from([*ids[-3:], DIGEST]))
        elif name in ("reason", "evidence", "review", "verdict", "profile"):
            body[name] = chosen.draw(st.sampled_from([text, DIGEST]))
        elif name in fixed and (name != "version" or isinstance(body[name], str)):
            body[name] = fixed[name]
    return value


TOLD_OF_NONSENSE = (
    "was not allowed",
    "nobody erased",
    "the launch ",
)
"""What verification may find of statements that an insider signed and nothing backs."""


def read_everything(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Run what reads the log; each may say no, none may break."""
    store = world.reopened()
    log_overview(store)
    registry_overview(store)
    incomplete_records(store)
    all_requests(store, store.state())
    assert all("nobody erased" in p for p in verify_log(store, deep=False).problems)
    checkpoint = make_checkpoint(store)
    for scope in (Scope(), Scope("mlflow/fraud", "2026-01-01T00:00:00Z", "")):
        target = world.folder / "audit.zip"
        target.write_bytes(export_audit(store, scope, checkpoint))
        found = verify_file(target, store.first_root)
        for problem in found.problems:
            assert any(told in problem for told in TOLD_OF_NONSENSE), problem
    store.close()
    for command in (
        ["requests"],
        ["log", "show"],
        ["trust", "show"],
        ["policy", "list"],
        ["status"],
        ["gate", "model:fraud@7", "--to", "production"],
        ["history", "model:fraud"],
    ):
        assert main(command) in (0, 1, 2, 3), command
    capsys.readouterr()


@pytest.mark.slow
def test_no_accepted_statement_stops_what_others_read(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(world.folder))
    monkeypatch.setenv("COUNTERSIGN_STORE", world.store.address)
    known: dict[str, list[str]] = {}
    left_out = {PredicateType.LINEAGE_BATCH, PredicateType.ENDORSEMENT}

    def sign_some(kind: PredicateType) -> None:
        @settings(max_examples=8)
        @given(st.data())
        def fill(chosen: st.DataObject) -> None:
            value = chosen.draw(statements_of(kind))
            data = sign(world, plausible(world, value, known, chosen))
            standing = put(world, data)
            entry = world.store.index.entry(world.store.index.size - 1)
            assert entry is not None
            if standing == "accepted":
                known.setdefault(kind.short, []).append(entry.judgement.statement_id)

        fill()

    put(world, sign(world, json.loads(_request(world))))
    for kind in sorted(set(PredicateType) - left_out) * 2:
        sign_some(kind)
    assert {"request", "approval", "promotion-intent", "finding"} <= set(known)
    assert len(known) >= 10, known.keys()
    read_everything(world, capsys)


def _request(world: World) -> bytes:
    from policies.statements import Statement

    transition = Transition("", "production", "default")
    request = Request("00", MODEL, VERSION, DIGEST, transition, *[DIGEST] * 5)
    statement = Statement(
        "p", "2026-03-01T12:00:00Z", world.store.prefix(), ("x", DIGEST), request
    )
    return statement.to_payload()


@pytest.mark.parametrize(
    "at",
    [
        "yesterday",
        "2026-02-30T12:00:00Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "2026-03-01T12:00:00+14:00",
        "2026-03-01 12:00:00Z",
        "2026-W10-1",
        "\u0662\u0660\u0662\u0666-03-01T12:00:00Z",
        "",
    ],
)
def test_a_statement_with_a_time_that_is_none_is_void(world: World, at: str) -> None:
    value = json.loads(_request(world))
    value["predicate"]["at"] = at
    assert put(world, sign(world, value)) == "void"
