"""Hostile names go through a whole sign-off and come out as text, never as commands."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from console.cli import main
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.verification import verify_file
from console.services.checkpoints import make_checkpoint
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.named_versions import find_version
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.signoff import answer_request, request_transition
from policies.predicates import Decision
from policies.verdict import exit_code
from store.facts import Fact, FactKind, Relation
from store.identifiers import model_key, model_version_key, run_key
from tests.worlds import World

POLICY = b"""
schema = "countersign/policy/v1"
id = "any"
version = 1
description = "Finished runs."
[applies]
models = ["*"]
to = ["production"]
[[rules]]
id = "finished"
kind = "run_finished"
[[approvals]]
role = "validator"
count = 1
"""
NAMES = (
    "[/x]",
    "\x1b]52;c;aGVsbG8=\x07",
    "\u202eevil\u2066",
    "a\nb<script>alert(1)</script>",
    "../../etc/passwd",
    "模型 🙂",
    "=1+1",
    "x" * 900,
)


def told(name: str) -> list[Fact]:
    version, run = model_version_key("mlflow", name, "1"), run_key("mlflow", name)
    return [
        Fact(kind=FactKind.RUN, subject=run, name=name, status="FINISHED", actor=name),
        Fact(kind=FactKind.PARAM, subject=run, name=name, text=name),
        Fact(kind=FactKind.METRIC, subject=run, name=name, text="1.5", number=1.5),
        Fact(kind=FactKind.MODEL, subject=model_key("mlflow", name), name=name),
        Fact(
            kind=FactKind.MODEL_VERSION,
            subject=version,
            object=model_key("mlflow", name),
            name="1",
            location=name,
        ),
        Fact(
            kind=FactKind.FILE, subject=version, name=name, digest="a" * 64, number=1.0
        ),
        Fact(
            kind=FactKind.EDGE,
            subject=run,
            name=Relation.PRODUCED.value,
            object=version,
            strength="declared",
        ),
    ]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_hostile_name_is_signed_off_promoted_audited_and_verified(
    world: World,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = world.store
    world.tell(*told(name))
    ana, vera = world.hire("ana", "requester"), world.hire("vera", "validator")
    activate_policy(store, world.people["dana"], POLICY)
    version = find_version(store, f"model:{name}@1")
    made = request_transition(store, ana, version, "production", "eu", name)
    request = made.appended.statement_id
    record = find_request(store, request, store.state())
    sheet = review_sheet(store, record, store.state())
    answer_request(store, vera, sheet, Decision.APPROVE, name)
    assert exit_code(gate(store, f"model:{name}@1", "production", "eu").tree) == 0
    record = find_request(store, request, store.state())
    promote(store, world.people["dana"], record, environment={})
    path = tmp_path / "audit.zip"
    path.write_bytes(export_audit(store, Scope(), make_checkpoint(store)))
    assert verify_file(path, store.first_root).problems == ()
    with zipfile.ZipFile(path) as archive:
        page = archive.read("report.html")
    assert b"<script" not in page
    assert b"\x1b" not in page
    monkeypatch.setenv("COUNTERSIGN_HOME", str(world.folder))
    monkeypatch.setenv("COUNTERSIGN_STORE", store.address)
    for command in (
        ["review", request],
        ["requests"],
        ["gate", f"model:{name}@1", "--to", "production", "--env", "eu"],
        ["log", "show"],
    ):
        main(command)
        answer = capsys.readouterr()
        for text in (answer.out, answer.err):
            assert not {c for c in text if c < " " and c != "\n"}
            assert not {c for c in text if "\x7f" <= c <= "\x9f" or c in "\u202e\u2066"}
