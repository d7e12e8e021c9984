"""Policies by tier, owner and stage: by the log, never by who asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.services.demonstration import MODEL
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.model_files import RecordInput, set_record
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.problems import Refusal
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.revoking import revoke
from console.services.signoff import answer_request, request_transition
from policies.errors import MalformedPolicy, UnknownSelection
from policies.predicates import Decision, RevocationCause
from policies.verdict import exit_code
from tests.services.test_waivers import As, acting

__all__ = ["acting"]
RECORD = RecordInput(owner="Vera Novak", tier="low", purpose="p", limits="l")


def written(name: str, applies: str, role: str = "validator", more: str = "") -> bytes:
    return f"""
schema = "countersign/policy/v1"
id = "{name}"
version = 1
description = "d"
[applies]
models = ["{MODEL}"]
{applies}
[[rules]]
id = "ran"
kind = "run_finished"
[[approvals]]
role = "{role}"
count = 1
{more}
""".encode()


def asked(store: OpenStore, acting: As, who: str, stage: str = "serving") -> str:
    version = find_version(store, f"model:{MODEL}@6")
    made = request_transition(store, acting(who), version, stage, "default", "please")
    return made.appended.statement_id


def answered(store: OpenStore, acting: As, who: str, request: str) -> None:
    state = store.state()
    sheet = review_sheet(store, find_request(store, request, state), state)
    answer_request(store, acting(who), sheet, Decision.APPROVE, "read it")


def code(store: OpenStore, stage: str = "serving") -> int:
    return exit_code(gate(store, f"model:{MODEL}@6", stage, "default").tree)


def test_a_policy_by_tier_waits_for_a_record_that_somebody_else_set(
    demo_store: OpenStore, acting: As
) -> None:
    for name, tiers in (("lax", "*"), ("strict", "high")):
        applies = f'to = ["serving"]\ntiers = ["{tiers}"]'
        activate_policy(demo_store, acting("dana"), written(name, applies))
    size = demo_store.index.size
    with pytest.raises(UnknownSelection, match="whether strict applies is not known"):
        asked(demo_store, acting, "ana")
    assert demo_store.index.size == size
    set_record(demo_store, acting("ana"), f"model:{MODEL}", RECORD)
    with pytest.raises(UnknownSelection, match="only whoever asks says the"):
        asked(demo_store, acting, "ana")
    request = asked(demo_store, acting, "bo")
    record = find_request(demo_store, request, demo_store.state())
    policies = {p.digest: p.id for p in demo_store.policies(demo_store.state())}
    assert policies[record.request.policy] == "lax"


def test_a_tier_raised_after_the_request_makes_its_approvals_stale(
    demo_store: OpenStore, acting: As
) -> None:
    for name, tiers in (("lax", "*"), ("strict", "high")):
        applies = f'to = ["serving"]\ntiers = ["{tiers}"]'
        activate_policy(demo_store, acting("dana"), written(name, applies))
    set_record(demo_store, acting("ana"), f"model:{MODEL}", RECORD)
    request = asked(demo_store, acting, "bo")
    answered(demo_store, acting, "vera", request)
    assert code(demo_store) == 0
    set_record(demo_store, acting("ana"), f"model:{MODEL}", RecordInput(tier="high"))
    assert code(demo_store) == 1
    tree = gate(demo_store, f"model:{MODEL}@6", "serving", "default").tree
    said = " ".join(leaf.observed for leaf in tree.leaves())
    assert "STALE, the policy is now strict version 1" in said


def test_whoever_owns_the_model_does_not_count_where_the_policy_bars_them(
    demo_store: OpenStore, acting: As
) -> None:
    applies, barred = 'to = ["serving"]', 'exclude = ["owner"]'
    activate_policy(demo_store, acting("dana"), written("p", applies, more=barred))
    request = asked(demo_store, acting, "bo")
    answered(demo_store, acting, "vera", request)
    tree = gate(demo_store, f"model:{MODEL}@6", "serving", "default").tree
    assert exit_code(tree) != 0
    assert "whoever owns the model (no record)" in " ".join(
        leaf.observed for leaf in tree.leaves()
    )
    by_rik = replace(RECORD, owner=acting("rik").id)
    set_record(demo_store, acting("ana"), f"model:{MODEL}", by_rik)
    assert code(demo_store) == 0
    by_vera = RecordInput(owner="Vera Novak")
    set_record(demo_store, acting("ana"), f"model:{MODEL}", by_vera)
    assert code(demo_store) == 1


def test_a_request_that_only_the_owner_could_approve_is_refused_at_once(
    demo_store: OpenStore, acting: As
) -> None:
    applies, barred = 'to = ["serving"]', 'exclude = ["owner"]'
    activate_policy(demo_store, acting("dana"), written("p", applies, more=barred))
    set_record(demo_store, acting("ana"), f"model:{MODEL}", RECORD)
    with pytest.raises(Refusal, match="the requester and the owner aside"):
        asked(demo_store, acting, "bo")


def test_a_policy_from_a_stage_is_for_versions_that_the_log_put_there(
    demo_store: OpenStore, acting: As
) -> None:
    to_staging = written("staging-first", 'to = ["staging"]')
    onwards = written("onwards", 'to = ["serving"]\nfrom = ["staging"]')
    for data in (to_staging, onwards):
        activate_policy(demo_store, acting("dana"), data)
    with pytest.raises(MalformedPolicy, match="no policy in force covers"):
        asked(demo_store, acting, "bo")
    first = asked(demo_store, acting, "bo", "staging")
    answered(demo_store, acting, "vera", first)
    record = find_request(demo_store, first, demo_store.state())
    promote(demo_store, acting("rik"), record, environment={})
    request = asked(demo_store, acting, "bo")
    answered(demo_store, acting, "vera", request)
    assert code(demo_store) == 0


def test_a_request_that_one_person_would_have_to_approve_twice_is_refused(
    demo_store: OpenStore, acting: As
) -> None:
    more = '[[approvals]]\nrole = "validator"\ncount = 1\ncondition = "c"'
    data = written("p", 'to = ["serving"]', more=more)
    activate_policy(demo_store, acting("dana"), data)
    with pytest.raises(Refusal, match="wants 2 different people to approve; at most 1"):
        asked(demo_store, acting, "bo")


def test_somebody_else_confirms_a_tier_by_setting_the_record_again(
    demo_store: OpenStore, acting: As
) -> None:
    applies = 'to = ["serving"]\ntiers = ["low"]'
    activate_policy(demo_store, acting("dana"), written("low", applies))
    set_record(demo_store, acting("ana"), f"model:{MODEL}", RECORD)
    with pytest.raises(UnknownSelection, match="only whoever asks") as caught:
        asked(demo_store, acting, "ana")
    assert "Have somebody else set it: countersign model set" in caught.value.hint
    set_record(demo_store, acting("bo"), f"model:{MODEL}", RecordInput(tier="low"))
    assert asked(demo_store, acting, "ana")


def test_a_record_that_a_thief_can_have_signed_leaves_the_policy_unknown(
    demo_store: OpenStore, acting: As
) -> None:
    for name, tiers in (("lax", "*"), ("strict", "high")):
        applies = f'to = ["serving"]\ntiers = ["{tiers}"]'
        activate_policy(demo_store, acting("dana"), written(name, applies))
    low, high = RECORD, RecordInput(tier="high")
    set_record(demo_store, acting("ana"), f"model:{MODEL}", low)
    done = set_record(demo_store, acting("bo"), f"model:{MODEL}", high)
    revoke(
        demo_store,
        acting("dana"),
        acting("bo").key.id,
        RevocationCause.COMPROMISED,
        "stolen",
        since=done.index,
    )
    with pytest.raises(UnknownSelection, match="was signed with a stolen key"):
        asked(demo_store, acting, "ana")
