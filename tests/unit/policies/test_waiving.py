"""Waivers in the evaluation: what they change, and what they never do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.document import Policy
from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.evidence import Evidence, MetricsItem
from policies.predicates import Decision
from policies.rules import Vote, evaluate
from policies.rules.waiving import WaiverVote
from policies.verdict import Node, Verdict
from tests.unit.policies.test_rules import BOTH, CONTEXT, GOOD, HEAD, QUORUMS

RULES = """
[[rules]]
id = "small-error"
kind = "metric"
metric = "rmse"
at_most = "10"
[[rules]]
id = "bytes"
kind = "artifact_unchanged"
"""
TERMS = """
[waivers]
rules = ["small-error"]
role = "risk"
count = 2
longest_days = 30
"""


def written(terms: str = TERMS) -> Policy:
    return read_policy((HEAD + RULES + QUORUMS + terms).encode())


def waiver(person: str, *rules: str, role: str = "risk", stale: str = "") -> WaiverVote:
    vote = Vote(person, person, role, True, Decision.APPROVE, 9, None, stale)
    return WaiverVote(rules or ("small-error",), vote, "2027-01-01 00:00 UTC")


def judged(
    *waivers: WaiverVote, policy: Policy | None = None, evidence: Evidence = GOOD
) -> Node:
    return evaluate(policy or written(), evidence, BOTH, CONTEXT, waivers)


def test_enough_distinct_people_make_a_rule_count_as_met() -> None:
    assert judged().verdict is Verdict.NO
    assert judged(waiver("a")).verdict is Verdict.NO
    assert judged(waiver("a"), waiver("a")).verdict is Verdict.NO
    assert judged(waiver("a"), waiver("b")).verdict is Verdict.YES


@pytest.mark.parametrize(
    "second",
    [
        waiver(CONTEXT.requester),
        waiver("b", "another-rule"),
        waiver("b", "bytes"),
        waiver("b", role="validator"),
        waiver("b", stale="the waiver ended"),
    ],
)
def test_a_waiver_that_does_not_count_changes_nothing(second: WaiverVote) -> None:
    found = judged(waiver("a"), second)
    assert found.verdict is Verdict.NO
    assert found.children[0].children[0].verdict is Verdict.NO


def test_who_trained_it_is_barred_where_the_policy_says_so() -> None:
    (trainer,) = CONTEXT.trainers
    pair = (waiver("a"), waiver(trainer))
    assert judged(*pair).verdict is Verdict.YES
    strict = written(TERMS + 'exclude = ["trainer"]\n')
    assert judged(*pair, policy=strict).verdict is Verdict.NO


def test_what_is_unknown_may_be_waived_and_says_so() -> None:
    blank = replace(GOOD, measured=MetricsItem((), ()))
    assert judged(evidence=blank).verdict is Verdict.UNKNOWN
    found = judged(waiver("a"), waiver("b"), evidence=blank)
    assert found.verdict is Verdict.YES
    assert found.children[0].children[0].observed.startswith("NOT MET (unknown)")


def test_without_terms_nobody_waives_anything() -> None:
    assert judged(waiver("a"), waiver("b"), policy=written("")).verdict is Verdict.NO


def test_a_waiver_is_no_approval() -> None:
    alone = evaluate(written(), GOOD, [], CONTEXT, [waiver("a"), waiver("b")])
    assert alone.verdict is Verdict.NO


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('"small-error"]', '"small-eror"]', "did you mean 'small-error'"),
        ('"small-error"]', '"bytes"]', "cannot be waived"),
        ('"small-error"]', "]", "list of texts"),
        ("count = 2", "count = 0", "count"),
        ("longest_days = 30", "longest_days = 40000", "at most 36500"),
        ("longest_days = 30", "", "needs 'longest_days'"),
        ("longest_days = 30", "longest = 30", "did you mean"),
        ("[waivers]", "[[waivers]]", "must be a table"),
    ],
)
def test_malformed_terms_are_told_with_their_line(
    old: str, new: str, what: str
) -> None:
    with pytest.raises(MalformedPolicy, match=what):
        written(TERMS.replace(old, new))
