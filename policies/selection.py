"""Which policy decides: the one that is the most specific for what is asked.

What a policy may select by besides names comes from the log and never from whoever
asks. What the log does not say is unknown, and a policy that would turn on it refuses
rather than leaves the decision to a laxer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policies.document import Applies, Policy
from policies.errors import MalformedPolicy, UnknownSelection
from policies.patterns import matches
from policies.predicates import Transition
from policies.verdict import Verdict

Rank = tuple[tuple[int, ...], ...]
"""How narrowly a policy names what is asked: names, from, tier, owner."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A transition, as policies select by it."""

    model: str
    """The model's name."""
    transition: Transition
    """Its `from` is what somebody said, and counts for nothing here."""
    stages: frozenset[str] = frozenset()
    """Stages that the version has in the environment, by the log."""
    tier: str = ""
    """By the model's record; empty: not known."""
    owner: str = ""
    """Person id, by the model's record; empty: not known."""
    why_unknown: str = "the model has no record"
    """Why the tier or the owner is not known, if so."""


def covers(applies: Applies, asked: Asked) -> Verdict:
    """Whether a transition is one of those a policy is for."""
    target = asked.transition
    certain = (
        _fits(applies.models, asked.model),
        _fits(applies.to, target.to_stage),
        _fits(applies.environments, target.environment),
        "*" in applies.from_stages
        or any(_fits(applies.from_stages, stage) for stage in asked.stages),
        not asked.tier or _fits(applies.tiers, asked.tier),
        not asked.owner or _fits(applies.owners, asked.owner),
    )
    if not all(certain):
        return Verdict.NO
    turns = [
        (applies.tiers, asked.tier),
        (applies.owners, asked.owner),
    ]
    is_open = any(not known and "*" not in patterns for patterns, known in turns)
    return Verdict.UNKNOWN if is_open else Verdict.YES


def rank(applies: Applies, asked: Asked) -> Rank:
    """How narrowly a policy that covers a transition names it; larger is narrower."""
    target = asked.transition
    return (
        (
            _narrowness(applies.models, asked.model),
            _narrowness(applies.to, target.to_stage),
            _narrowness(applies.environments, target.environment),
        ),
        (max((_narrowness(applies.from_stages, s) for s in asked.stages), default=0),),
        (_narrowness(applies.tiers, asked.tier),),
        (_narrowness(applies.owners, asked.owner),),
    )


def is_as_narrow(one: Rank, other: Rank) -> bool:
    """Whether one policy is at least as narrow as another in every respect."""
    return all(mine >= theirs for mine, theirs in zip(one, other, strict=True))


def select_policy(policies: Sequence[Policy], asked: Asked) -> Policy:
    """The one most specific policy for a transition.

    Raises:
        UnknownSelection: one turns on what the log does not say.
        MalformedPolicy: none covers it, or no one of them is the narrowest.
    """
    what = f"{asked.model}: {asked.transition}"
    found = {policy.id: covers(policy.applies, asked) for policy in policies}
    unsure = sorted(p for p, verdict in found.items() if verdict is Verdict.UNKNOWN)
    if unsure:
        raise UnknownSelection(
            f"whether {', '.join(unsure)} applies is not known: {asked.why_unknown}",
            hint=f"Have somebody else set it: countersign model set {asked.model} "
            "--tier TIER --owner PERSON",
        )
    covering = [policy for policy in policies if found[policy.id] is Verdict.YES]
    if not covering:
        raise MalformedPolicy(
            f"no policy in force covers {what}",
            hint="No policy means no. Write one and activate it: "
            "countersign policy activate FILE",
        )
    ranks = {policy.id: rank(policy.applies, asked) for policy in covering}
    chosen = [
        policy
        for policy in covering
        if all(is_as_narrow(ranks[policy.id], other) for other in ranks.values())
    ]
    if len(chosen) != 1:
        names = ", ".join(sorted(p.id for p in chosen or covering))
        raise MalformedPolicy(
            f"several policies are for {what}, and none is the narrowest: {names}",
            hint="Narrow the [applies] of one in every respect, or of all but one.",
        )
    return chosen[0]


def needs_record(policies: Sequence[Policy]) -> bool:
    """Whether a policy selects by what a model's record says."""
    return any(
        "*" not in patterns
        for policy in policies
        for patterns in (policy.applies.tiers, policy.applies.owners)
    )


def needs_stages(policies: Sequence[Policy]) -> bool:
    """Whether a policy selects by the stage that a version has."""
    return any("*" not in policy.applies.from_stages for policy in policies)


def _fits(patterns: tuple[str, ...], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


def _narrowness(patterns: tuple[str, ...], name: str) -> int:
    fitting = [p for p in patterns if matches(p, name)]
    return max(
        (10_000 if "*" not in p else len(p.replace("*", "")) for p in fitting),
        default=0,
    )
