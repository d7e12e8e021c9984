"""Observations of deployments: who may log one, and what a gate makes of them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from console.cli import main
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.named_versions import find_version
from console.services.observing import Window, observations, observe
from console.services.opened import OpenStore, rfc3339
from console.services.problems import Misuse
from console.services.reviewing import find_request, review_sheet
from console.services.signing import act_as_service
from console.services.signoff import answer_request, request_transition
from policies.predicates import Decision
from policies.trust_root import ServiceKind
from policies.verdict import exit_code
from store.errors import StoreRefused
from tests.services.test_waivers import As, acting

__all__ = ["acting"]
MODEL = "model:diabetes-progression"
POLICY = """\
schema = "countersign/policy/v1"
id = "watched"
version = 1
description = "It ran well in staging for a day."
[applies]
models = ["diabetes-progression"]
to = ["serving"]
[[rules]]
id = "ran"
kind = "run_finished"
[[rules]]
id = "few-errors"
kind = "observation"
metric = "error_rate"
environment = "staging"
at_most = "0.01"
days = 3
window_hours = 24
by_service = true
[[approvals]]
role = "validator"
count = 1
"""


def numbers(value: object, **more: object) -> bytes:
    one = {"name": "error_rate", "value": value, "samples": 5000, **more}
    return json.dumps({"numbers": [one]}).encode()


def window(store: OpenStore, hours: int = 48) -> Window:
    since = store.clock() - timedelta(hours=hours)
    return Window("staging", "diabetes", rfc3339(since), "")


def test_a_gate_waits_until_the_version_was_watched_and_did_well(
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
    answer_request(demo_store, acting("vera"), sheet, Decision.APPROVE, "read it")
    service = act_as_service(demo_store, state, ServiceKind.IMPORT)

    def code() -> int:
        return exit_code(gate(demo_store, f"{MODEL}@6", "serving", "default").tree)

    assert code() == 1
    observe(demo_store, service, f"{MODEL}@6", window(demo_store), numbers("0.009"))
    assert code() == 0
    observe(demo_store, service, f"{MODEL}@6", window(demo_store), numbers("0.02"))
    assert code() == 1
    observe(demo_store, service, f"{MODEL}@6", window(demo_store, 2), numbers("0.001"))
    assert code() == 1
    assert [line.numbers for line in observations(demo_store, MODEL)] == [
        ("error_rate 0.001 of 5000",),
        ("error_rate 0.02 of 5000",),
        ("error_rate 0.009 of 5000",),
    ]


def test_a_person_observes_only_as_an_operator_of_that_environment(
    demo_store: OpenStore, acting: As
) -> None:
    size = demo_store.index.size
    with pytest.raises(StoreRefused, match="may not operate in staging"):
        observe(
            demo_store, acting("vera"), f"{MODEL}@6", window(demo_store), numbers("0")
        )
    assert demo_store.index.size == size


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "numbers and a baseline only"),
        (b'{"numbers": []}', "1 to 128"),
        (json.dumps({"numbers": [{"name": "a", "value": "1"}] * 129}).encode(), "128"),
        (b'{"numbers": [{"name": "a"}]}', "a name and a value"),
        (numbers("NaN"), "finite decimal"),
        (numbers(True), "finite decimal"),
        (numbers("1e"), "finite decimal"),
        (numbers("1", samples=-1), "whole number"),
        (numbers("1", samples=1.5), "whole number"),
        (numbers("1", note="x"), "nothing is called 'note'"),
        (numbers("1", slice=3), "are texts"),
        (b'{"numbers": [{"name":"a","value":1}], "baseline": {"version": "6", '
         b'"numbers": [{"name":"a","value":1}]}}', "another version"),
    ],
)  # fmt: skip
def test_a_document_that_is_none_is_refused_and_nothing_is_logged(
    demo_store: OpenStore, document: bytes, complaint: str
) -> None:
    service = act_as_service(demo_store, demo_store.state(), ServiceKind.IMPORT)
    size = demo_store.index.size
    with pytest.raises(Misuse, match=complaint):
        observe(demo_store, service, f"{MODEL}@6", window(demo_store), document)
    assert demo_store.index.size == size


def test_a_service_cannot_log_what_contradicts_itself(
    demo_store: OpenStore,
) -> None:
    service = act_as_service(demo_store, demo_store.state(), ServiceKind.IMPORT)
    twice = json.dumps({"numbers": [{"name": "a", "value": "1"}] * 2}).encode()
    with pytest.raises(StoreRefused, match="one number twice"):
        observe(demo_store, service, f"{MODEL}@6", window(demo_store), twice)


def test_the_commands_read_a_file_log_and_list(
    demo_store: OpenStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_STORE", demo_store.address)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo_store.places.data.parent))
    path = tmp_path / "numbers.json"
    path.write_text(
        '{"numbers": [{"name": "e\\u001b[2J", "value": 0.5}], "baseline":'
        '{"version": "5", "numbers": [{"name": "e\\u001b[2J", "value": "0.25"}]}}'
    )
    said = ["observe", f"{MODEL}@6", str(path), "--env", "staging", "--target", "blue"]
    given = [*said, "--since", "2026-01-01", "--until", "2026-01-02", "--service"]
    assert main(given) == 0
    assert main([*said, "--since", "soon", "--service"]) == 2
    assert main(["observations", MODEL]) == 0
    assert main(["observations", "model:none"]) == 2
    seen = capsys.readouterr()
    assert "\x1b" not in seen.out + seen.err
    assert "staging/blue" in seen.out
