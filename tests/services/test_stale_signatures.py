"""Nobody is let sign what could not count any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.services.demonstration import MODEL
from console.services.founding import activate_policy
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.problems import Refusal
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.signing import Acting
from console.services.signing_elsewhere import (
    hand_in_answer,
    make_pack,
    open_pack,
    sign_pack,
)
from console.services.signoff import answer_request, request_transition
from console.services.standing import WaitingRequest, waiting_requests
from console.services.waiving import draft_waiver
from policies.predicates import Decision
from tests.services.test_waivers import (
    As,
    acting,
    approved,
    request_id,
    waived,
)

__all__ = ["acting", "request_id"]


def answered(store: OpenStore, who: Acting, request: str, decision: Decision) -> None:
    state = store.state()
    sheet = review_sheet(store, find_request(store, request, state), state)
    answer_request(store, who, sheet, decision, "read it")


def change_policy(store: OpenStore, who: Acting) -> None:
    """The next version of the policy: one more sentence, nothing else."""
    active = next(
        p for p in store.policies(store.state()) if p.id == "diabetes-production"
    )
    text = store.objects.get(active.digest).decode()
    number = f"version = {active.version}"
    assert number in text
    again = text.replace(number, f"version = {active.version + 1}", 1)
    activate_policy(store, who, again.encode())


def test_an_approval_under_a_policy_that_is_no_longer_in_force_is_not_signed(
    demo_store: OpenStore, acting: As, request_id: str
) -> None:
    change_policy(demo_store, acting("dana"))
    size = demo_store.index.size
    with pytest.raises(Refusal, match="stale: the policy is now diabetes-production"):
        answered(demo_store, acting("vera"), request_id, Decision.APPROVE)
    assert demo_store.index.size == size
    answered(demo_store, acting("vera"), request_id, Decision.REJECT)
    assert demo_store.index.size == size + 1


def test_a_waiver_under_a_policy_that_is_no_longer_in_force_is_not_signed(
    demo_store: OpenStore, acting: As, request_id: str
) -> None:
    change_policy(demo_store, acting("dana"))
    state = demo_store.state()
    sheet = review_sheet(demo_store, find_request(demo_store, request_id, state), state)
    with pytest.raises(Refusal, match="the waiver is stale"):
        draft_waiver(demo_store, acting("rik"), sheet, ("no-group-loses",))


def test_an_approval_after_another_version_took_the_stage_is_not_signed(
    demo_store: OpenStore, acting: As, request_id: str, tmp_path: Path
) -> None:
    older = find_version(demo_store, f"model:{MODEL}@2")
    made = request_transition(
        demo_store,
        acting("ana"),
        older,
        "production",
        "default",
        "go back",
        allows_failing=True,
    ).appended.statement_id
    record = find_request(demo_store, made, demo_store.state())
    pack = make_pack(demo_store, record)
    waived(demo_store, acting("rik"), request_id)
    approved(demo_store, acting, request_id)
    standing = find_request(demo_store, request_id, demo_store.state())
    promote(demo_store, acting("rik"), standing)
    with pytest.raises(Refusal, match="stale: the stage is held by another version"):
        answered(demo_store, acting("vera"), made, Decision.APPROVE)
    with open_pack(pack) as opened:
        signed = sign_pack(opened, acting("vera"), Decision.APPROVE, "read it")
    size = demo_store.index.size
    with pytest.raises(Refusal, match="the answer is stale"):
        hand_in_answer(demo_store, signed)
    assert demo_store.index.size == size


def test_what_nobody_can_approve_any_more_waits_for_a_new_request_and_for_nobody(
    demo_store: OpenStore, acting: As, request_id: str
) -> None:
    def waiting() -> WaitingRequest:
        mine = [acting(name).id for name in ("vera", "rik")]
        state = demo_store.state()
        found = waiting_requests(demo_store, state, mine=mine)
        return next(one for one in found if one.id == request_id)

    assert waiting().for_me
    change_policy(demo_store, acting("dana"))
    assert waiting().for_me == ()
    assert any(
        "a new request: the policy is now diabetes-production" in what
        for what in waiting().waits_for
    )
