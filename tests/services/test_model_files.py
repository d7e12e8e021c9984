"""What accompanies a model: who may say what, and what it changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from console.cli import main
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.demands import Demands
from console.reports.verification import verify_file
from console.services.checkpoints import make_checkpoint
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.model_files import (
    RecordInput,
    attach,
    close_finding,
    comment,
    findings,
    model_file_view,
    open_finding,
    set_record,
)
from console.services.named_versions import find_version
from console.services.opened import OpenStore, rfc3339
from console.services.problems import Misuse, Refusal
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.signoff import answer_request, request_transition
from console.services.words import erase
from policies.predicates import Decision
from policies.verdict import exit_code
from store.errors import StoreRefused
from tests.services.test_waivers import As, acting

__all__ = ["acting"]
MODEL = "model:diabetes-progression"
WHOLE = RecordInput(
    owner="Vera Novak",
    tier="high",
    purpose="Forecast progression after a year",
    limits="Adults only \x1b[31m",
    review_by="2030-01-31",
)
POLICY = """\
schema = "countersign/policy/v1"
id = "with-record"
version = 1
description = "A record, and nothing open."
[applies]
models = ["diabetes-progression"]
to = ["serving"]
[[rules]]
id = "ran"
kind = "run_finished"
[[rules]]
id = "record"
kind = "model_record"
require = ["owner", "tier", "review_by"]
[[rules]]
id = "nothing-open"
kind = "findings"
severities = ["critical", "high"]
[[approvals]]
role = "validator"
count = 1
"""


def test_a_record_is_stated_once_whole_and_then_changed_in_parts(
    demo_store: OpenStore, acting: As
) -> None:
    with pytest.raises(Misuse, match="lacks --purpose, --limits"):
        set_record(
            demo_store, acting("ana"), MODEL, RecordInput(owner="Vera Novak", tier="1")
        )
    set_record(demo_store, acting("ana"), MODEL, WHOLE)
    set_record(demo_store, acting("ana"), MODEL, RecordInput(tier="low"))
    found = model_file_view(demo_store, MODEL)
    assert (found.owner, found.tier) == ("Vera Novak", "low")
    assert found.purpose == "Forecast progression after a year"
    assert found.review_by == "2030-01-31T00:00:00Z"
    with pytest.raises(StoreRefused, match="does not hold the role"):
        set_record(demo_store, acting("vera"), MODEL, RecordInput(tier="high"))
    with pytest.raises(Misuse, match="no people answer"):
        set_record(demo_store, acting("ana"), MODEL, RecordInput(owner="Nobody"))
    with pytest.raises(Misuse, match="is no time"):
        set_record(demo_store, acting("ana"), MODEL, RecordInput(review_by="soon"))


def test_a_finding_is_closed_by_the_role_that_opened_it_and_by_no_other(
    demo_store: OpenStore, acting: As
) -> None:
    finding, _ = open_finding(
        demo_store, acting("vera"), f"{MODEL}@6", severity="high", text="Leaks age"
    )
    (found,) = findings(demo_store)
    assert (found.status, found.version, found.role) == ("open", "6", "validator")
    with pytest.raises(Refusal, match="opened in the role 'validator'"):
        close_finding(demo_store, acting("ana"), finding, "done")
    close_finding(demo_store, acting("vera"), finding, "Trained anew")
    assert findings(demo_store)[0].status == "closed"
    with pytest.raises(Refusal, match="closed already"):
        close_finding(demo_store, acting("vera"), finding, "again")
    with pytest.raises(Misuse, match="no finding 'F-0'"):
        close_finding(demo_store, acting("vera"), "F-0", "what")
    with pytest.raises(Misuse, match="says something"):
        open_finding(demo_store, acting("vera"), MODEL, severity="low", text=" ")


def test_a_gate_waits_for_the_record_and_for_findings_to_be_closed(
    demo_store: OpenStore, acting: As
) -> None:
    activate_policy(demo_store, acting("dana"), POLICY.encode())
    version = find_version(demo_store, f"{MODEL}@6")
    made = request_transition(
        demo_store, acting("ana"), version, "serving", "default", "please"
    )
    state = demo_store.state()
    record = find_request(demo_store, made.appended.statement_id, state)
    sheet = review_sheet(demo_store, record, state)
    assert "Rules judged when it is promoted" in sheet.text
    answer_request(demo_store, acting("vera"), sheet, Decision.APPROVE, "read it")

    def code() -> int:
        return exit_code(gate(demo_store, f"{MODEL}@6", "serving", "default").tree)

    assert code() == 1
    set_record(demo_store, acting("ana"), MODEL, WHOLE)
    assert code() == 0
    open_finding(demo_store, acting("vera"), MODEL, severity="low", text="A typo")
    assert code() == 0
    finding, _ = open_finding(
        demo_store, acting("vera"), f"{MODEL}@6", severity="critical", text="Wrong"
    )
    open_finding(
        demo_store, acting("vera"), f"{MODEL}@5", severity="critical", text="Another"
    )
    assert code() == 1
    close_finding(demo_store, acting("vera"), finding, "Not so after all")
    assert code() == 0


def test_files_and_remarks_stay_in_the_auditor_s_file_and_can_be_erased(
    demo_store: OpenStore, acting: As, tmp_path: Path
) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-1.7 hostile \x1b[2J")
    set_record(demo_store, acting("ana"), MODEL, WHOLE)
    attach(demo_store, acting("vera"), f"{MODEL}@6", path, path.read_bytes())
    said = comment(demo_store, acting("rik"), MODEL, "Looks fine \x1b[31m")
    comment(demo_store, acting("rik"), f"statement:{said.statement_id}", "So I think")
    found = model_file_view(demo_store, MODEL)
    assert found.attachments[0].text.startswith("report.pdf (")
    assert len(found.comments) == 2
    with pytest.raises(Misuse, match="is empty"):
        attach(demo_store, acting("vera"), MODEL, path, b"")
    with pytest.raises(Misuse, match="names 0 statements"):
        comment(demo_store, acting("rik"), "statement:ffffffff", "what")

    def verified() -> bool:
        checkpoint = make_checkpoint(demo_store)
        target = tmp_path / "audit.zip"
        target.write_bytes(export_audit(demo_store, Scope(), checkpoint))
        anchor = demo_store.first_root
        return verify_file(target, anchor, Demands(head=checkpoint)).is_good

    assert verified()
    erase(demo_store, acting("dana"), f"statement:{said.statement_id}", "a mistake")
    assert model_file_view(demo_store, MODEL).comments[0].text == "(erased)"
    assert verified()


def test_the_commands_say_what_they_did_and_show_no_control_characters(
    demo_store: OpenStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_STORE", demo_store.address)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo_store.places.data.parent))
    ana, vera = (["--key", name] for name in ("ana", "vera"))
    first = ["model", "set", MODEL, "--owner", "Ana Lima", "--tier", "2", *ana]
    assert main([*first, "--purpose", "p", "--limits", "l\x1b[31m"]) == 0
    assert main([*first, "--review-by", "never"]) == 2
    opened = ["finding", "open", MODEL, "--severity", "high", "--text", "x\x1b[2J"]
    assert main([*opened, *vera]) == 0
    assert main(["finding", "list"]) == 0
    assert main(["model", "show", MODEL]) == 0
    assert main(["attach", MODEL, str(tmp_path / "none"), *vera]) == 2
    assert main(["comment", MODEL, "fine", *vera]) == 0
    seen = capsys.readouterr()
    assert "\x1b" not in seen.out + seen.err
    assert "open finding F-" in seen.out


def test_a_promotion_stands_until_the_review_is_due_and_again_once_it_was_made(
    demo_store: OpenStore, acting: As
) -> None:
    activate_policy(demo_store, acting("dana"), POLICY.encode())
    soon = rfc3339(demo_store.clock() + timedelta(days=30))
    set_record(demo_store, acting("ana"), MODEL, replace(WHOLE, review_by=soon))
    version = find_version(demo_store, f"{MODEL}@6")
    made = request_transition(
        demo_store, acting("ana"), version, "serving", "default", "please"
    )
    state = demo_store.state()
    record = find_request(demo_store, made.appended.statement_id, state)
    sheet = review_sheet(demo_store, record, state)
    answer_request(demo_store, acting("vera"), sheet, Decision.APPROVE, "read it")
    record = find_request(demo_store, record.id, demo_store.state())
    promote(demo_store, acting("rik"), record, environment={})

    def code() -> int:
        return exit_code(gate(demo_store, f"{MODEL}@6", "serving", "default").tree)

    assert code() == 0
    now = demo_store.clock()
    demo_store.clock = lambda: now + timedelta(days=31)
    assert code() == 1
    later = rfc3339(demo_store.clock() + timedelta(days=90))
    set_record(demo_store, acting("ana"), MODEL, RecordInput(review_by=later))
    assert code() == 0
