"""What turns between two verdicts on the same request: the rules that say otherwise.

A pure comparison of verdict trees; it knows neither logs nor policies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from policies.verdict import Node, Verdict


class Turn(StrEnum):
    """What would become of a decision."""

    SAME = "same"
    REFUSED = "refused"
    """It passed, and would be refused."""
    PASSES = "passes"
    """It did not pass, and would."""
    UNTOLD = "could-not-tell"
    """What the other policy asks for was not collected then."""


@dataclass(frozen=True, slots=True)
class TurnedRule:
    """A rule that is met under one policy and not under the other."""

    rule: str
    before: Verdict | None
    """None: the rule was not asked."""
    after: Verdict | None
    observed: str
    wanted: str
    why: str


def turn_of(before: Node, after: Node) -> Turn:
    """What becomes of a decision: unknown never counts as yes."""
    if after.verdict is Verdict.UNKNOWN:
        return Turn.UNTOLD
    passed, passes = before.verdict is Verdict.YES, after.verdict is Verdict.YES
    if passed == passes:
        return Turn.SAME
    return Turn.PASSES if passes else Turn.REFUSED


def turned_rules(before: Node, after: Node) -> tuple[TurnedRule, ...]:
    """The rules that are met on one side alone, in the order of the second tree."""
    old = {leaf.rule: leaf for leaf in before.leaves()}
    new = {leaf.rule: leaf for leaf in after.leaves()}
    return tuple(
        _turned(rule, old.get(rule), new.get(rule))
        for rule in (*new, *(rule for rule in old if rule not in new))
        if _is_met(old.get(rule)) != _is_met(new.get(rule))
    )


def _is_met(leaf: Node | None) -> bool:
    """A rule that is not asked refuses nothing."""
    return leaf is None or leaf.verdict is Verdict.YES


def _turned(rule: str, before: Node | None, after: Node | None) -> TurnedRule:
    shown = after or before or Node(rule, Verdict.UNKNOWN)
    return TurnedRule(
        rule,
        before.verdict if before else None,
        after.verdict if after else None,
        shown.observed,
        shown.wanted,
        shown.why,
    )
