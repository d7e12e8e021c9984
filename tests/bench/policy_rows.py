"""How fast a policy is judged once its evidence is in memory, tree and all."""

from __future__ import annotations

import time
from decimal import Decimal

from policies.document import Policy
from policies.evidence import Evidence
from policies.rules import evaluate
from policies.verdict import Node, Verdict
from tests.bench.table import Row
from tests.unit.policies.test_rules import BOTH, CONTEXT, GOOD, RULES, policy

EVALUATIONS = 5_000


def policy_rows() -> list[Row]:
    """Every kind of rule once, against comparing one number in plain Python."""
    whole, small = policy(*RULES), policy("metric")
    many, few = _rate(whole), _rate(small)
    plain = _plain(GOOD)
    return [
        Row(
            f"a policy judged, {len(RULES)} rules",
            "",
            f"{many:,.0f}/s",
            f"{many * _nodes(whole):,.0f} nodes/s, each with observed and wanted",
        ),
        Row(
            "a policy judged, 1 threshold and 2 quorums",
            "",
            f"{few:,.0f}/s",
            f"comparing the number alone {plain:,.0f}/s",
        ),
    ]


def _rate(judged: Policy) -> float:
    def once() -> Node:
        return evaluate(judged, GOOD, BOTH, CONTEXT)

    if once().verdict is not Verdict.YES:
        raise SystemExit("the sample evidence does not meet its own policy")
    started = time.perf_counter()
    for _ in range(EVALUATIONS):
        once()
    return EVALUATIONS / (time.perf_counter() - started)


def _nodes(judged: Policy) -> int:
    def count(node: Node) -> int:
        return 1 + sum(count(child) for child in node.children)

    return count(evaluate(judged, GOOD, BOTH, CONTEXT))


def _plain(evidence: Evidence) -> float:
    bound = Decimal(55)
    started = time.perf_counter()
    for _ in range(EVALUATIONS):
        metric = evidence.measured.find("rmse")
        if metric is None or Decimal(metric.value) > bound:
            raise SystemExit("the sample evidence lacks its metric")
    return EVALUATIONS / (time.perf_counter() - started)
