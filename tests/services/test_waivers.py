"""Waivers: who may give one, what it does to a verdict, and when it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from console.services.demonstration import MODEL
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.hopes import Hopeless
from console.services.named_versions import find_version
from console.services.opened import OpenStore, rfc3339
from console.services.problems import Misuse, Refusal
from console.services.promoting import promote
from console.services.reviewing import (
    all_requests,
    find_request,
    review_sheet,
    waivers_of,
)
from console.services.signing import Acting, act_as_person
from console.services.signoff import answer_request, request_transition, withdraw
from console.services.waiving import draft_waiver, waive
from policies.predicates import Decision
from policies.verdict import Node, Verdict, exit_code
from policies.workflow import RequestState

As = Callable[[str], Acting]
FAILING = f"model:{MODEL}@5"
RULES = ("sexes-served-alike", "no-group-loses")


@pytest.fixture
def acting(demo_store: OpenStore) -> As:
    """Somebody of the demonstration, by the name of their key."""

    def act(name: str) -> Acting:
        path = str(demo_store.places.keys / f"{name}.pem")
        return act_as_person(demo_store, demo_store.state(), path, lambda _: None)

    return act


@pytest.fixture
def request_id(demo_store: OpenStore, acting: As) -> str:
    """A failing version, asked for where one person of risk may waive."""
    text = demo_store.objects.get(
        next(
            p.digest
            for p in demo_store.policies(demo_store.state())
            if p.id == "diabetes-production"
        )
    )
    for old, new in (
        (b"version = 1 ", b"version = 2 "),
        (b"version = 1\n", b"version = 2\n"),
        (b"count = 2\n", b"count = 1\n"),
    ):
        text = text.replace(old, new)
    activate_policy(demo_store, acting("dana"), text)
    withdraw_standing(demo_store, acting("bo"))
    return asked(demo_store, acting("bo"))


def withdraw_standing(store: OpenStore, who: Acting) -> None:
    """The demonstration leaves Bo's request open."""
    for record in all_requests(store, store.state()):
        if record.state is RequestState.OPEN:
            withdraw(store, who, f"request:{record.id}", "asked anew")


def asked(store: OpenStore, who: Acting) -> str:
    made = request_transition(
        store,
        who,
        find_version(store, FAILING),
        "production",
        "default",
        "The old one is worse for everybody",
        allows_failing=True,
    )
    return made.appended.statement_id


def waived(
    store: OpenStore,
    who: Acting,
    request: str,
    rules: tuple[str, ...] = RULES,
    expires: str = "",
) -> str:
    state = store.state()
    sheet = review_sheet(store, find_request(store, request, state), state)
    draft = draft_waiver(store, who, sheet, rules, expires=expires)
    return waive(store, who, sheet, draft, "Mended by the end of March").statement_id


def approved(store: OpenStore, acting: As, request: str) -> None:
    for name in ("vera", "rik"):
        state = store.state()
        sheet = review_sheet(store, find_request(store, request, state), state)
        answer_request(store, acting(name), sheet, Decision.APPROVE, "accepted")


def tree(store: OpenStore) -> Node:
    return gate(store, FAILING, "production", "default").tree


def leaf(store: OpenStore, rule: str) -> Node:
    return next(n for n in tree(store).leaves() if n.rule == rule)


def test_a_failing_request_is_refused_unless_a_waiver_may_be_asked_for(
    demo_store: OpenStore, acting: As
) -> None:
    withdraw_standing(demo_store, acting("bo"))
    version, size = find_version(demo_store, FAILING), demo_store.index.size
    with pytest.raises(Hopeless, match="not met: sexes-served-alike") as caught:
        request_transition(
            demo_store, acting("bo"), version, "production", "default", "please"
        )
    assert "--allow-failing" in caught.value.hint
    assert demo_store.index.size == size
    four = find_version(demo_store, f"model:{MODEL}@4")
    with pytest.raises(Hopeless, match=r"never be granted.*nobody may waive"):
        request_transition(
            demo_store,
            acting("bo"),
            four,
            "production",
            "default",
            "please",
            allows_failing=True,
        )
    assert demo_store.index.size == size


def test_a_waived_rule_counts_as_met_and_still_says_that_it_is_not(
    demo_store: OpenStore, acting: As, request_id: str
) -> None:
    approved(demo_store, acting, request_id)
    assert exit_code(tree(demo_store)) == 1
    assert "countersign waive" in leaf(demo_store, RULES[0]).why
    waived(demo_store, acting("rik"), request_id)
    node = leaf(demo_store, RULES[0])
    assert node.verdict is Verdict.YES
    assert node.observed.startswith("NOT MET (no): ")
    assert "waived by Rik Jansen until" in node.observed
    assert exit_code(tree(demo_store)) == 0
    record = find_request(demo_store, request_id, demo_store.state())
    promote(demo_store, acting("rik"), record, environment={})
    assert exit_code(tree(demo_store)) == 0


def test_each_failing_rule_needs_its_own_waiver(
    demo_store: OpenStore, acting: As, request_id: str
) -> None:
    approved(demo_store, acting, request_id)
    waived(demo_store, acting("rik"), request_id, RULES[:1])
    assert exit_code(tree(demo_store)) == 1
    waived(demo_store, acting("rik"), request_id, RULES[1:])
    assert exit_code(tree(demo_store)) == 0


def test_a_promotion_stands_only_as_long_as_its_waivers_or_their_renewals(
    demo_store: OpenStore, acting: As, request_id: str
) -> None:
    approved(demo_store, acting, request_id)
    ends = rfc3339(demo_store.clock() + timedelta(days=2))
    waived(demo_store, acting("rik"), request_id, expires=ends)
    record = find_request(demo_store, request_id, demo_store.state())
    promote(demo_store, acting("rik"), record, environment={})
    now = demo_store.clock()
    demo_store.clock = lambda: now + timedelta(days=3)
    found = leaf(demo_store, "the waivers that it rests on last")
    assert found.verdict is Verdict.NO
    assert "the waiver ended" in found.observed
    assert exit_code(tree(demo_store)) == 1
    waived(demo_store, acting("rik"), request_id)
    assert exit_code(tree(demo_store)) == 0
    demo_store.clock = lambda: now + timedelta(days=40)
    assert exit_code(tree(demo_store)) == 1


def test_a_waiver_taken_back_counts_no_more(
    demo_store: OpenStore, acting: As, request_id: str
) -> None:
    approved(demo_store, acting, request_id)
    statement = waived(demo_store, acting("rik"), request_id)
    with pytest.raises(Exception, match="only who signed"):
        withdraw(demo_store, acting("vera"), f"statement:{statement}", "not mine")
    withdraw(demo_store, acting("rik"), f"statement:{statement}", "thought better")
    assert exit_code(tree(demo_store)) == 1
    state = demo_store.state()
    record = find_request(demo_store, request_id, state)
    policy = review_sheet(demo_store, record, state).policy
    assert waivers_of(demo_store, record, policy, state) == []


@pytest.mark.parametrize(
    ("who", "rules", "expires", "problem"),
    [
        ("bo", RULES, "", "cannot waive a rule of it"),
        ("vera", RULES, "", "do not hold the role 'risk'"),
        ("rik", ("bytes-unchanged",), "", "cannot be waived"),
        ("rik", ("no-such-rule",), "", "has no rule"),
        ("rik", (), "", "names each rule once"),
        ("rik", (RULES[0], RULES[0]), "", "names each rule once"),
        ("rik", RULES, "soon", "is no time"),
        ("rik", RULES, "2020-01-01", "ends in the future"),
        ("rik", RULES, "2999-01-01", "30 days at most"),
    ],
)
def test_who_may_not_waive_or_not_so_is_told_why_and_nothing_is_signed(
    demo_store: OpenStore,
    acting: As,
    request_id: str,
    who: str,
    rules: tuple[str, ...],
    expires: str,
    problem: str,
) -> None:
    size = demo_store.index.size
    with pytest.raises((Misuse, Refusal), match=problem):
        waived(demo_store, acting(who), request_id, rules, expires)
    assert demo_store.index.size == size


def test_a_waiver_written_past_the_command_counts_only_as_the_policy_allows(
    demo_store: OpenStore, acting: As, request_id: str
) -> None:
    """Signed by hand: by a person without the role, and for longer than allowed."""
    from dataclasses import replace

    from store.errors import StoreRefused

    approved(demo_store, acting, request_id)
    state = demo_store.state()
    sheet = review_sheet(demo_store, find_request(demo_store, request_id, state), state)
    draft = draft_waiver(demo_store, acting("rik"), sheet, RULES)
    with pytest.raises(StoreRefused, match="does not hold the role"):
        waive(demo_store, acting("vera"), sheet, draft, "mine now")
    as_validator = replace(draft, role="validator")
    waive(demo_store, acting("vera"), sheet, as_validator, "in another role")
    assert exit_code(tree(demo_store)) == 1
    bytes_too = replace(draft, rules=("bytes-unchanged", *RULES))
    for_ever = replace(bytes_too, until=draft.until + timedelta(days=9_000))
    waive(demo_store, acting("rik"), sheet, for_ever, "for ever")
    assert "bytes-unchanged" not in str(leaf(demo_store, "bytes-unchanged").observed)
    assert exit_code(tree(demo_store)) == 0
    now = demo_store.clock()
    demo_store.clock = lambda: now + timedelta(days=29)
    assert leaf(demo_store, RULES[0]).verdict is Verdict.YES
    demo_store.clock = lambda: now + timedelta(days=31)
    assert leaf(demo_store, RULES[0]).verdict is Verdict.NO


def test_a_stage_counts_from_the_promotion_that_put_the_version_there(
    demo_store: OpenStore, acting: As
) -> None:
    text = demo_store.objects.get(
        next(
            p.digest
            for p in demo_store.policies(demo_store.state())
            if p.id == "diabetes-production"
        )
    ).replace(b'to = ["production"]', b'to = ["serving"]')
    settled = (
        b'[[rules]]\nid = "settled"\nkind = "time_in_stage"\n'
        b'stage = "production"\ndays = 7\n\n[[approvals]]'
    )
    text = text.replace(b"[[approvals]]", settled, 1).replace(
        b'id = "diabetes-production"', b'id = "diabetes-serving"'
    )
    activate_policy(demo_store, acting("dana"), text)
    reference = f"model:{MODEL}@6"
    made = request_transition(
        demo_store,
        acting("ana"),
        find_version(demo_store, reference),
        "serving",
        "default",
        "a week went well",
    )
    approved(demo_store, acting, made.appended.statement_id)
    found = gate(demo_store, reference, "serving", "default").tree
    assert exit_code(found) == 1
    assert next(n for n in found.leaves() if n.rule == "settled").observed == "0.0 days"
    now = demo_store.clock()
    demo_store.clock = lambda: now + timedelta(days=8)
    assert exit_code(gate(demo_store, reference, "serving", "default").tree) == 0
