"""Waivers: rules that are not met, and for which enough people answer by name.

A waiver makes nothing true. The node of a waived rule still says what was observed and
wanted, and that it was not met; it counts as met until the waiver ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from policies.document import Policy, Quorum, WaiverTerms
from policies.rules.context import Context
from policies.rules.people import Vote, count_votes
from policies.verdict import Node, Verdict


@dataclass(frozen=True, slots=True)
class WaiverVote:
    """One person's waiver of some rules, as a vote for letting them be."""

    rules: tuple[str, ...]
    vote: Vote
    until: str
    """When it ends, for a person."""


def with_waivers(
    policy: Policy,
    nodes: Sequence[Node],
    waivers: Sequence[WaiverVote],
    context: Context,
) -> tuple[Node, ...]:
    """The nodes of a policy's rules, those replaced that enough people waived."""
    terms = policy.waivers
    if terms is None:
        return tuple(nodes)
    return tuple(
        _waived(node, terms, waivers, context)
        if node.rule in terms.rules and node.verdict is not Verdict.YES
        else node
        for node in nodes
    )


def unwaived(policy: Policy, nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Nodes of rules that are not met and that the policy lets nobody waive."""
    may_be = policy.waivers.rules if policy.waivers else ()
    return tuple(
        node
        for node in nodes
        if node.verdict is not Verdict.YES and node.rule not in may_be
    )


def _waived(
    node: Node, terms: WaiverTerms, waivers: Sequence[WaiverVote], context: Context
) -> Node:
    quorum = Quorum(terms.role, terms.count, terms.exclude, terms.longest_days)
    naming = [waiver for waiver in waivers if node.rule in waiver.rules]
    counted, remarks = count_votes(quorum, [w.vote for w in naming], context)
    if not naming:
        return replace(node, why=_asks(node, terms))
    said = "; ".join(
        [
            *(
                f"waived by {w.vote.name} until {w.until}"
                for w in naming
                if w.vote.person in counted
            ),
            *remarks,
        ]
    )
    if len(counted) < terms.count:
        return replace(node, observed=_and(node.observed, said), why=_asks(node, terms))
    return Node(
        node.rule,
        Verdict.YES,
        _and(f"NOT MET ({node.verdict.value}): {_seen(node)}", said),
        node.wanted,
        node.why,
    )


def _seen(node: Node) -> str:
    """What was observed, of a node with parts by its parts that are not met."""
    if node.observed and not node.children:
        return node.observed
    return "; ".join(
        f"{leaf.rule}: {leaf.observed}"
        for leaf in node.leaves()
        if leaf.verdict is not Verdict.YES
    )


def _and(first: str, second: str) -> str:
    return f"{first}; {second}" if first else second


def _asks(node: Node, terms: WaiverTerms) -> str:
    who = f"{terms.count} of the role {terms.role} may waive it: countersign waive"
    return f"{node.why} {who}".strip()
