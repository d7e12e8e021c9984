"""One walk over a policy: each kind of rule has one function, and all are total."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from policies.document import Policy, Rule
from policies.evidence import Evidence
from policies.rules.numbers import (
    judge_comparison,
    judge_metric,
    judge_slice_comparison,
    judge_slice_gap,
)
from policies.rules.origins import (
    judge_artifact_unchanged,
    judge_independence,
    judge_provenance,
    judge_run_finished,
)
from policies.rules.people import Context, Vote, judge_quorum, judge_rejections
from policies.verdict import Node, all_of

__all__ = ["Context", "Vote", "evaluate", "evaluate_facts"]

_JUDGES: Mapping[str, Callable[[Rule, Evidence], Node]] = {
    "metric": judge_metric,
    "comparison": judge_comparison,
    "slice_gap": judge_slice_gap,
    "slice_comparison": judge_slice_comparison,
    "provenance": judge_provenance,
    "independence": judge_independence,
    "artifact_unchanged": judge_artifact_unchanged,
    "run_finished": judge_run_finished,
}


def evaluate_facts(policy: Policy, evidence: Evidence) -> Node:
    """The rules about the model itself, without anybody's approval."""
    return all_of(
        f"rules of {policy.id} version {policy.version}",
        (_JUDGES[rule.kind](rule, evidence) for rule in policy.rules),
    )


def evaluate(
    policy: Policy, evidence: Evidence, votes: Sequence[Vote], context: Context
) -> Node:
    """The whole policy: rules about the model, then approvals."""
    approvals = all_of(
        "approvals",
        [
            *(judge_quorum(quorum, votes, context) for quorum in policy.quorums),
            judge_rejections(votes, context),
        ],
    )
    return all_of(
        f"policy {policy.id} version {policy.version}",
        [evaluate_facts(policy, evidence), approvals],
    )
