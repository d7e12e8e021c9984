"""One walk over a policy: each kind of rule has one function, and all are total."""

from __future__ import annotations

from collections.abc import Sequence

from policies.document import Policy
from policies.evidence import Evidence
from policies.rules.agreement import judge_approvals
from policies.rules.context import Context
from policies.rules.kinds import RULE_KINDS
from policies.rules.people import Vote
from policies.rules.waiving import WaiverVote, with_waivers
from policies.verdict import Node, all_of

__all__ = ["Context", "Vote", "evaluate", "evaluate_facts"]


def evaluate_facts(policy: Policy, evidence: Evidence) -> Node:
    """The rules about frozen evidence: what the signed text shows."""
    return all_of(
        f"rules of {policy.id} version {policy.version}",
        (
            judge(rule, evidence)
            for rule in policy.rules
            if (judge := RULE_KINDS[rule.kind].on_evidence) is not None
        ),
    )


def evaluate_circumstances(
    policy: Policy, evidence: Evidence, context: Context
) -> tuple[Node, ...]:
    """The rules about the time and about what the log held at the position judged."""
    return tuple(
        judge(rule, evidence, context)
        for rule in policy.rules
        if (judge := RULE_KINDS[rule.kind].at_position) is not None
    )


def evaluate(
    policy: Policy,
    evidence: Evidence,
    votes: Sequence[Vote],
    context: Context,
    waivers: Sequence[WaiverVote] = (),
) -> Node:
    """The whole policy: evidence, circumstances, then approvals."""
    approvals = judge_approvals(policy, votes, context)
    facts = evaluate_facts(policy, evidence)
    parts = [all_of(facts.rule, with_waivers(policy, facts.children, waivers, context))]
    circumstances = evaluate_circumstances(policy, evidence, context)
    if circumstances:
        parts.append(
            all_of(
                "circumstances at this position",
                with_waivers(policy, circumstances, waivers, context),
            )
        )
    return all_of(f"policy {policy.id} version {policy.version}", [*parts, approvals])
