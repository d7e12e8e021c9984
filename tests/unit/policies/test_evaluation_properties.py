"""What must hold of every verdict, whatever the policy, the facts and the votes."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.authoring.lint import implies
from policies.document import Policy, Rejection, Rule
from policies.evidence import DatasetUse, Evidence, FileChange, FileDigest, item_bytes
from policies.evidence_origins import Derivation, Known
from policies.predicates import Decision
from policies.rules import Context, Vote, evaluate, evaluate_facts
from policies.rules.kinds import RULE_KINDS
from policies.strict_json import parse
from policies.verdict import Node, Verdict, exit_code
from tests.unit.policies import naive_evaluation as naive
from tests.unit.policies.random_policies import (
    random_context,
    random_evidence,
    random_votes,
    read_random,
)

EVERY_KIND = tuple(RULE_KINDS)
ABOUT_EVIDENCE = tuple(name for name, kind in RULE_KINDS.items() if kind.on_evidence)
chances = st.integers(0, 2**32).map(Random)


def given_all(
    chance: Random, kinds: tuple[str, ...] = EVERY_KIND
) -> tuple[Policy, Evidence, list[Vote], Context]:
    _, policy = read_random(chance, kinds)
    return (
        policy,
        random_evidence(chance),
        random_votes(chance),
        random_context(chance),
    )


def is_yes(
    policy: Policy, evidence: Evidence, votes: list[Vote], context: Context
) -> bool:
    return exit_code(evaluate(policy, evidence, votes, context)) == 0


def plain_facts(evidence: Evidence) -> dict[str, Any]:
    return {
        kind: parse(item_bytes(item), what=kind)
        for kind, item in evidence.items().items()
    }


def plain_votes(votes: list[Vote]) -> list[dict[str, Any]]:
    names = ("person", "role", "holds_role", "index", "expires", "stale")
    return [
        {name: getattr(vote, name) for name in names}
        | {"decision": vote.decision.value}
        for vote in votes
    ]


def plain_context(context: Context) -> dict[str, Any]:
    names = ("requester", "trainers", "authors", "unknown_trainers", "unknown_authors")
    owner = context.model.owner_id if context.model else ""
    return {name: getattr(context, name) for name in (*names, "now")} | {"owner": owner}


def answers(node: Node) -> list[str]:
    return [child.verdict.value for child in node.children]


def test_a_second_evaluator_agrees_on_two_thousand_random_policies() -> None:
    chance = Random(20260301)  # noqa: S311 - a repeatable test, no secret
    seen: dict[str, int] = {}
    for _ in range(2000):
        text, policy = read_random(chance, tuple(naive.KINDS))
        while not all(map(naive.understands, tomllib.loads(text)["rules"])):
            text, policy = read_random(chance, tuple(naive.KINDS))
        evidence, votes = random_evidence(chance), random_votes(chance)
        context, raw = random_context(chance), tomllib.loads(text)
        facts = plain_facts(evidence)
        wanted_rules = [naive.KINDS[r["kind"]](r, facts) for r in raw["rules"]]
        wanted_people = naive.approvals(raw, plain_votes(votes), plain_context(context))
        found = evaluate(policy, evidence, votes, context)
        assert answers(found.children[0]) == wanted_rules, text
        assert answers(found.children[-1]) == wanted_people, text
        whole = naive.all_of([*wanted_rules, *wanted_people])
        assert found.verdict.value == whole
        for answer in (*wanted_rules, f"whole {whole}"):
            seen[answer] = seen.get(answer, 0) + 1
    assert min(seen[a] for a in ("yes", "no", "unknown")) > 100
    assert min(seen[f"whole {a}"] for a in ("yes", "no", "unknown")) >= 5, seen


@given(chances)
def test_yes_needs_every_rule_and_unknown_never_passes(chance: Random) -> None:
    policy, evidence, votes, context = given_all(chance)
    found = evaluate(policy, evidence, votes, context)
    nodes = [node for part in found.children for node in part.children]
    assert len(nodes) >= len(policy.rules) + len(policy.quorums)
    everything_met = all(node.verdict is Verdict.YES for node in nodes)
    assert (exit_code(found) == 0) is everything_met
    assert (found.verdict is Verdict.YES) is everything_met


def mixed(value: Any, shuffle: Any) -> Any:
    """The same facts, with every list of facts in another order."""
    if isinstance(value, tuple):
        inner = [mixed(one, shuffle) for one in value]
        shuffle.shuffle(inner)
        return tuple(inner)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {
            part.name: mixed(getattr(value, part.name), shuffle)
            for part in dataclasses.fields(value)
            if part.name not in KEPT_IN_ORDER
        }
        return replace(value, **parts)
    return value


KEPT_IN_ORDER = ("params",)
"""Pairs of name and value, whose two parts are no facts of their own."""


@given(chances, st.randoms(use_true_random=False))
def test_no_order_matters(chance: Random, shuffle: Any) -> None:
    policy, evidence, votes, context = given_all(chance)
    before = evaluate(policy, evidence, votes, context)
    after = evaluate(
        replace(
            policy,
            rules=tuple(shuffle.sample(policy.rules, len(policy.rules))),
            quorums=tuple(shuffle.sample(policy.quorums, len(policy.quorums))),
        ),
        mixed(evidence, shuffle),
        shuffle.sample(votes, len(votes)),
        context,
    )
    assert after.verdict is before.verdict
    assert exit_code(after) == exit_code(before)


FAILING: dict[str, Callable[[Evidence], Evidence]] = {
    "a dirty tree": lambda e: replace(e, lineage=replace(e.lineage, is_dirty=True)),
    "a broken run": lambda e: replace(
        e, lineage=replace(e.lineage, run_status="FAILED")
    ),
    "no signature": lambda e: replace(e, model=replace(e.model, has_signature=False)),
    "a weak dataset": lambda e: replace(
        e,
        lineage=replace(
            e.lineage,
            datasets=(
                *e.lineage.datasets,
                DatasetUse("more", "md5:1", "training", "inferred"),
            ),
        ),
    ),
    "a changed file": lambda e: replace(
        e,
        artifact=replace(e.artifact, changes=(FileChange("f", "1" * 64, "2" * 64),)),
    ),
    "an unreachable artifact": lambda e: replace(
        e, artifact=replace(e.artifact, is_readable=False, found="", changes=())
    ),
    "a file that runs code": lambda e: replace(
        e,
        model=replace(
            e.model, files=(*e.model.files, FileDigest("x.pkl", "1" * 64, 5000))
        ),
    ),
    "only inferred origins": lambda e: replace(
        e,
        origins=replace(
            e.origins,
            accounts=tuple(
                replace(account, known=Known.INFERRED) for account in e.origins.accounts
            ),
        ),
    ),
    "more upstream than is kept": lambda e: replace(
        e, origins=replace(e.origins, is_cut=True)
    ),
    "one source of both sides": lambda e: replace(
        e,
        origins=replace(
            e.origins,
            derivations=(
                *e.origins.derivations,
                Derivation("a", ("sha256:" + "9" * 64,), ("sha256:" + "5" * 64,)),
                Derivation("b", ("sha256:" + "9" * 64,), ("sha256:" + "6" * 64,)),
            ),
        ),
    ),
    "no metrics": lambda e: replace(e, measured=replace(e.measured, metrics=())),
    "no lock": lambda e: replace(e, lineage=replace(e.lineage, lock_digest="")),
    "no evaluation dataset": lambda e: replace(
        e, lineage=replace(e.lineage, evaluation_dataset="")
    ),
}


@pytest.mark.parametrize("name", FAILING)
@given(chances)
def test_a_failing_fact_never_turns_a_refusal_into_a_pass(
    name: str, chance: Random
) -> None:
    policy, evidence, votes, context = given_all(chance)
    worse = FAILING[name](evidence)
    if name == "an unreachable artifact" and evidence.artifact.changes:
        return
    assert not is_yes(policy, worse, votes, context) or is_yes(
        policy, evidence, votes, context
    )


@given(chances)
def test_taking_somebody_s_approval_away_never_turns_a_refusal_into_a_pass(
    chance: Random,
) -> None:
    policy, evidence, votes, context = given_all(chance, ("run_finished",))
    evidence = replace(
        evidence, lineage=replace(evidence.lineage, run_status="FINISHED")
    )
    before = is_yes(policy, evidence, votes, context)
    for person in {vote.person for vote in votes}:
        kept = [
            vote
            for vote in votes
            if vote.person != person or vote.decision is Decision.REJECT
        ]
        assert before or not is_yes(policy, evidence, kept, context)


@given(chances)
def test_a_rejection_never_turns_a_refusal_into_a_pass(chance: Random) -> None:
    policy, evidence, votes, context = given_all(chance, ("run_finished",))
    evidence = replace(
        evidence, lineage=replace(evidence.lineage, run_status="FINISHED")
    )
    for vote in votes:
        rejection = replace(vote, decision=Decision.REJECT, index=99, holds_role=True)
        after = is_yes(policy, evidence, [*votes, rejection], context)
        before = is_yes(policy, evidence, votes, context)
        assert not after or (before and policy.rejection is Rejection.OUTVOTED)


@given(chances)
def test_a_barred_person_more_never_turns_a_refusal_into_a_pass(
    chance: Random,
) -> None:
    policy, evidence, votes, context = given_all(chance)
    if not context.trainers:
        return
    barred = replace(context, trainers=context.trainers | {"validator-1"})
    assert not is_yes(policy, evidence, votes, barred) or is_yes(
        policy, evidence, votes, context
    )


@given(chances)
def test_a_rule_that_lint_calls_implied_is_met_whenever_the_other_is(
    chance: Random,
) -> None:
    kind = chance.choice(ABOUT_EVIDENCE)
    rules: list[Rule] = []
    while len(rules) < 6:
        rules += read_random(chance, (kind,))[1].rules
    policy = read_random(chance, (kind,))[1]
    for _ in range(5):
        evidence = random_evidence(chance)
        for one in rules:
            for other in rules:
                if not implies(one, other):
                    continue
                first, second = (
                    evaluate_facts(replace(policy, rules=(rule,)), evidence).verdict
                    for rule in (one, other)
                )
                assert first is not Verdict.YES or second is Verdict.YES
