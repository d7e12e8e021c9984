"""Approvals together: in order, by different people, under a condition, outvoted."""

from __future__ import annotations

import pytest

from policies.document import Policy
from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.predicates import Decision
from policies.review import render_review
from policies.rules import Vote, evaluate, evaluate_facts
from policies.verdict import Node, Verdict
from tests.unit.policies.test_rules import CONTEXT, GOOD, HEAD, SUBJECT, vote

RULE = '[[rules]]\nid = "ran"\nkind = "run_finished"\n'
VALIDATOR = '[[approvals]]\nrole = "validator"\ncount = 1\n'
RISK = '[[approvals]]\nrole = "risk"\ncount = 1\n'


def policy(*parts: str) -> Policy:
    return read_policy((HEAD + RULE + "".join(parts)).encode())


def judged(read: Policy, *votes: Vote) -> Node:
    return evaluate(read, GOOD, votes, CONTEXT)


def leaf(node: Node, rule: str) -> Node:
    return next(found for found in node.leaves() if found.rule.startswith(rule))


def test_one_person_in_two_roles_counts_once_unless_the_policy_says_otherwise() -> None:
    both = [vote("a", "validator", index=1), vote("a", "risk", index=2)]
    found = judged(policy(VALIDATOR, RISK), *both)
    assert found.verdict is Verdict.NO
    assert leaf(found, "different people").verdict is Verdict.NO
    more = judged(policy(VALIDATOR, RISK), *both, vote("b", "risk"))
    assert more.verdict is Verdict.YES
    allowed = "[decisions]\ndifferent_people = false\n"
    assert judged(policy(VALIDATOR, RISK, allowed), *both).verdict is Verdict.YES


def test_people_are_counted_where_they_are_needed() -> None:
    """Only a may validate; b and c hold the other role; three seats, three people."""
    two = '[[approvals]]\nrole = "risk"\ncount = 2\n'
    votes = [vote(who, "risk") for who in "abc"] + [vote("a", "validator")]
    assert judged(policy(VALIDATOR, two), *votes).verdict is Verdict.YES
    assert judged(policy(VALIDATOR, two), *votes[:2], votes[3]).verdict is Verdict.NO


def test_who_signs_too_early_does_not_count_and_is_told() -> None:
    ordered = policy(VALIDATOR, RISK + 'after = ["validator"]\n')
    early = judged(ordered, vote("r", "risk", index=3), vote("v", "validator", index=7))
    assert early.verdict is Verdict.NO
    observed = leaf(early, "approval by 1 x risk").observed
    assert "signed before validator had approved" in observed
    late = [vote("v", "validator", index=7), vote("r", "risk", index=8)]
    assert judged(ordered, *late).verdict is Verdict.YES
    again = vote("v", "validator", index=9)
    assert judged(ordered, *late, again).verdict is Verdict.YES


def test_an_order_waits_for_every_person_of_the_quorum_before() -> None:
    two = '[[approvals]]\nrole = "validator"\ncount = 2\n'
    ordered = policy(two, RISK + 'after = ["validator"]\n')
    votes = [
        vote("v", "validator", index=1),
        vote("r", "risk", index=2),
        vote("w", "validator", index=3),
    ]
    assert judged(ordered, *votes).verdict is Verdict.NO
    assert judged(ordered, *votes, vote("r", "risk", index=4)).verdict is Verdict.YES


def test_a_rejection_blocks_unless_the_policy_lets_it_be_outvoted() -> None:
    votes = [
        vote("v", "validator"),
        vote("x", "validator", decision=Decision.REJECT, index=9),
    ]
    assert judged(policy(VALIDATOR), *votes).verdict is Verdict.NO
    lenient = policy(VALIDATOR, '[decisions]\nrejection = "outvoted"\n')
    found = judged(lenient, *votes)
    assert found.verdict is Verdict.YES
    assert "outvoted" in leaf(found, "no rejection").observed
    assert judged(lenient, votes[1]).verdict is Verdict.NO


def test_order_and_conditions_stand_in_the_text_that_is_signed() -> None:
    read = policy(
        VALIDATOR + 'condition = "I tried it on patients of my own."\n',
        RISK + 'after = ["validator"]\n',
    )
    text = render_review(SUBJECT, GOOD, read, evaluate_facts(read, GOOD))
    assert "by signing they confirm: I tried it on patients of my own." in text
    assert "1 of the role risk, not the requester, after validator" in text


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ((VALIDATOR, RISK + 'after = ["validatr"]\n'), "did you mean 'validator'"),
        ((RISK + 'after = ["risk"]\n',), "after itself"),
        (
            (VALIDATOR + 'after = ["risk"]\n', RISK + 'after = ["validator"]\n'),
            "after itself",
        ),
        ((RISK + "after = []\n",), "list of texts"),
        ((RISK + 'condition = ""\n',), "not empty"),
        ((RISK, '[decisions]\nrejection = "counts"\n'), '"blocks" or "outvoted"'),
        ((RISK, '[decisions]\ndifferent_people = "no"\n'), "true or false"),
        ((RISK, "[decisions]\nrejections = 1\n"), "did you mean 'rejection'"),
        ((RISK, "[[decisions]]\n"), "must be a table"),
    ],
)
def test_malformed_options_are_told(parts: tuple[str, ...], what: str) -> None:
    with pytest.raises(MalformedPolicy, match=what):
        policy(*parts)
