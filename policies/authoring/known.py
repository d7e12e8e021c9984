"""What a store knows, as far as policies name it; and transitions that they cover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from policies.document import Applies, Policy
from policies.predicates import Transition
from policies.selection import Asked, covers
from policies.trust_root import Person
from policies.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Record:
    """What a store knows, as far as a policy names it."""

    models: frozenset[str]
    metrics: frozenset[str]
    slices: frozenset[str]
    """As `column:value`."""
    datasets: frozenset[str]
    environments: frozenset[str]
    people: tuple[Person, ...]
    """Those who have keys that count."""
    trainers: Mapping[str, frozenset[str]]
    """Model -> ids of people who trained its newest version."""
    authors: Mapping[str, frozenset[str]]
    """Model -> ids of people who wrote the code of its newest version."""
    in_force: tuple[Policy, ...]
    owners: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Model -> id of who owns it, by its record."""
    signers: frozenset[str] = frozenset()
    """Ids of people and services that are enrolled."""
    keys: frozenset[str] = frozenset()
    """Key ids that are in force."""

    @property
    def columns(self) -> frozenset[str]:
        """What metrics were sliced by."""
        return frozenset(name.partition(":")[0] for name in self.slices)


def places(policy: Policy, record: Record) -> list[tuple[str, str]]:
    """Models and environments that a policy covers; one unnamed place if none."""
    stages = [example(pattern) for pattern in policy.applies.to]
    found = [
        (model, where)
        for model, where, stage in product(
            sorted(record.models), sorted(record.environments), stages
        )
        if covers(policy.applies, asked_example(policy.applies, model, stage, where))
        is Verdict.YES
    ]
    return found or [("", "")]


def asked_example(applies: Applies, model: str, stage: str, where: str) -> Asked:
    """A transition that fits what a policy selects by besides names."""
    return Asked(
        model,
        Transition("", stage, where),
        frozenset(map(example, applies.from_stages)),
        tier=example(applies.tiers[0]),
        owner=example(applies.owners[0]),
    )


def example(pattern: str) -> str:
    """A name that fits a pattern."""
    return pattern.replace("*", "any")
