"""Rules about files, readers and ages on the sample history, from request to gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from console.services.demonstration import MODEL
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.hopes import Hopeless
from console.services.importing import import_source
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.readings import readings_of
from console.services.reviewing import find_request, review_sheet
from console.services.signing import Acting, act_as_person, act_as_service
from console.services.signoff import Requested, answer_request, request_transition
from policies.document_reading import read_policy
from policies.evidence import EvidenceManifest
from policies.evidence_reading import read_manifest
from policies.predicates import Decision
from policies.trust_root import ServiceKind
from policies.verdict import Verdict
from store.facts import Fact, FactKind
from store.queries.models import files_of
from tests.worlds import ToldSource

As = Callable[[str], Acting]
VERSION = f"model:{MODEL}@2"
POLICY = f"""
schema = "countersign/policy/v1"
id = "narrow"
version = 1
description = "Rules about evidence."
[applies]
models = ["{MODEL}"]
to = ["production"]
environments = ["eu"]
[[rules]]
id = "no-onnx"
kind = "files"
forbid = ["onnx"]
[[rules]]
id = "small"
kind = "files"
largest_bytes = 1000000
[[rules]]
id = "locked"
kind = "runtime_locked"
by = ["image"]
[[rules]]
id = "fresh"
kind = "evidence_age"
days = 5
[[rules]]
id = "read-by-a-validator"
kind = "evidence_by"
role = "validator"
besides_requester = true
[[rules]]
id = "told-by-services"
kind = "evidence_by"
by_service = true
[[approvals]]
role = "validator"
count = 1
"""


@pytest.fixture
def acting(demo_store: OpenStore) -> As:
    """Somebody of the demonstration, by the name of their key."""

    def act(name: str) -> Acting:
        path = str(demo_store.places.keys / f"{name}.pem")
        return act_as_person(demo_store, demo_store.state(), path, lambda _: None)

    return act


def asked_under(store: OpenStore, acting: As, policy: str) -> Requested:
    """A request under a policy for a version whose run named its image."""
    activate_policy(store, acting("dana"), policy.encode())
    version = find_version(store, VERSION)
    tag = Fact(
        kind=FactKind.TAG,
        subject=version.run_key,
        name="countersign.image.digest",
        text="sha256:" + "a" * 64,
    )
    service = act_as_service(store, store.state(), ServiceKind.IMPORT)
    import_source(store, service, ToldSource("mlflow", [tag]))
    return request_transition(
        store, acting("ana"), version, "production", "eu", "because"
    )


def verdicts(store: OpenStore) -> dict[str, Verdict]:
    tree = gate(store, VERSION, "production", "eu").tree
    return {n.rule: n.verdict for part in tree.children for n in part.children}


def test_rules_about_evidence_follow_what_is_read_by_whom_and_when(
    demo_store: OpenStore, acting: As
) -> None:
    made = asked_under(demo_store, acting, POLICY)
    before = verdicts(demo_store)
    assert before["no-onnx"] is Verdict.YES
    assert before["small"] is Verdict.YES
    assert before["locked"] is Verdict.YES
    assert before["fresh"] is Verdict.YES
    assert before["read-by-a-validator"] is Verdict.NO
    assert before["told-by-services"] is Verdict.YES
    asked = demo_store.clock()
    demo_store.clock = lambda: asked + timedelta(days=6)
    assert verdicts(demo_store)["fresh"] is Verdict.NO
    state = demo_store.state()
    request = find_request(demo_store, made.appended.statement_id, state)
    sheet = review_sheet(demo_store, request, state)
    assert "each item of evidence read within 5 days" in sheet.text
    answer_request(demo_store, acting("vera"), sheet, Decision.APPROVE, "read it")
    after = verdicts(demo_store)
    assert after["fresh"] is Verdict.YES
    assert after["read-by-a-validator"] is Verdict.YES


def test_the_sample_says_in_its_mlmodel_file_what_is_unpickled(
    demo_store: OpenStore,
) -> None:
    version = find_version(demo_store, VERSION)
    with demo_store.projection.reading() as connection:
        told = {f.path: f.format for f in files_of(connection, version.key)}
    assert told["model.pkl"] == "pickle"
    assert told["MLmodel"] == ""


def test_a_reader_whom_the_requester_only_names_has_not_read(
    demo_store: OpenStore, acting: As
) -> None:
    made = asked_under(demo_store, acting, POLICY)
    state = demo_store.state()
    record = find_request(demo_store, made.appended.statement_id, state)
    rules, size = read_policy(POLICY.encode()), demo_store.index.size
    own = readings_of(demo_store, record, rules, (state, state), size)
    assert {reading.reader for reading in own} == {acting("ana").id}
    manifest = read_manifest(demo_store.objects.get(record.request.evidence))
    forged = EvidenceManifest(
        tuple(replace(item, read_by=acting("vera").id) for item in manifest.items)
    )
    digest = demo_store.objects.put(forged.to_bytes())
    record = replace(record, request=replace(record.request, evidence=digest))
    assert readings_of(demo_store, record, rules, (state, state), size) == ()


def test_an_item_that_an_approver_could_not_reach_was_not_read_by_them(
    demo_store: OpenStore, acting: As
) -> None:
    made = asked_under(demo_store, acting, POLICY)
    (demo_store.folder.parents[2] / "sample" / "mlartifacts").rename(
        demo_store.folder / "moved"
    )
    state = demo_store.state()
    request = find_request(demo_store, made.appended.statement_id, state)
    sheet = review_sheet(demo_store, request, state)
    answer_request(demo_store, acting("vera"), sheet, Decision.APPROVE, "read it")
    tree = gate(demo_store, VERSION, "production", "eu").tree
    leaf = next(n for n in tree.leaves() if "not read by such" in n.observed)
    assert leaf.observed == "not read by such a person: artifact"


def test_a_pickle_where_none_may_be_is_told_when_the_request_is_made(
    demo_store: OpenStore, acting: As
) -> None:
    strict = POLICY.replace('"onnx"', '"pickle"')
    with pytest.raises(Hopeless, match="not met: no-onnx"):
        asked_under(demo_store, acting, strict)
