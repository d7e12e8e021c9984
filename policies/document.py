"""Policy documents: TOML, closed and typed; what a committee writes and signs.

Reading one says file, line and what is wrong. Numbers are decimal strings, so that
what was signed is what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from policies.errors import MalformedPolicy
from policies.patterns import matches
from policies.predicates import Transition

FieldValue = str | int | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as written."""

    id: str
    kind: str
    why: str
    fields: Mapping[str, FieldValue]

    def text(self, name: str, default: str = "") -> str:
        """A field as text."""
        return str(self.fields.get(name, default))

    def number(self, name: str) -> Decimal | None:
        """A field as an exact number."""
        value = self.fields.get(name)
        return None if value is None else Decimal(str(value))

    def count(self, name: str) -> int:
        """A field as a whole number, 0 when absent."""
        return int(str(self.fields.get(name, 0)))

    def names(self, name: str) -> tuple[str, ...]:
        """A field as a list of words."""
        value = self.fields.get(name, ())
        return value if isinstance(value, tuple) else ()


@dataclass(frozen=True, slots=True)
class Quorum:
    """How many distinct people must approve in a role. The requester never counts."""

    role: str
    count: int
    exclude: tuple[str, ...]
    """`trainer`, `author`: people whose part in the model bars them."""
    expires_after_days: int
    after: tuple[str, ...] = ()
    """Roles that must have approved before: what was signed earlier does not count."""
    condition: str = ""
    """What approvers confirm by signing, shown in the text that they sign."""


class Rejection(StrEnum):
    """What a rejection does that stands."""

    BLOCKS = "blocks"
    OUTVOTED = "outvoted"


@dataclass(frozen=True, slots=True)
class WaiverTerms:
    """Which rules may be waived, by how many people of which role, for how long."""

    rules: tuple[str, ...]
    role: str
    count: int
    exclude: tuple[str, ...]
    longest_days: int


@dataclass(frozen=True, slots=True)
class Applies:
    """Which transitions a policy is for."""

    models: tuple[str, ...]
    to: tuple[str, ...]
    environments: tuple[str, ...]

    def covers(self, model: str, transition: Transition) -> bool:
        """Whether a transition of a model is one of them."""
        return (
            any(matches(pattern, model) for pattern in self.models)
            and any(matches(pattern, transition.to_stage) for pattern in self.to)
            and any(
                matches(pattern, transition.environment)
                for pattern in self.environments
            )
        )

    def specificity(self, model: str, transition: Transition) -> tuple[int, int, int]:
        """How narrowly it names them; the larger is the more specific."""
        return (
            _narrowness(self.models, model),
            _narrowness(self.to, transition.to_stage),
            _narrowness(self.environments, transition.environment),
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a policy, read and checked."""

    id: str
    version: int
    description: str
    applies: Applies
    rules: tuple[Rule, ...]
    quorums: tuple[Quorum, ...]
    digest: str
    """SHA-256 of the exact bytes."""
    waivers: WaiverTerms | None = None
    """None: no rule may be waived."""
    rejection: Rejection = Rejection.BLOCKS
    wants_different_people: bool = True
    """Whether one person counts in one quorum only."""


def select_policy(
    policies: Sequence[Policy], model: str, transition: Transition
) -> Policy:
    """The one most specific policy for a transition.

    Raises:
        MalformedPolicy: none covers it, or two are equally specific.
    """
    covering = [p for p in policies if p.applies.covers(model, transition)]
    if not covering:
        raise MalformedPolicy(
            f"no policy in force covers {model}: {transition}",
            hint="No policy means no. Write one and activate it: "
            "countersign policy activate FILE",
        )
    best = max(p.applies.specificity(model, transition) for p in covering)
    chosen = [p for p in covering if p.applies.specificity(model, transition) == best]
    if len(chosen) > 1:
        names = ", ".join(sorted(p.id for p in chosen))
        raise MalformedPolicy(
            f"several policies are equally specific for {model}: {transition}: {names}",
            hint="Narrow the [applies] of all but one.",
        )
    return chosen[0]


def _narrowness(patterns: tuple[str, ...], name: str) -> int:
    fitting = [p for p in patterns if matches(p, name)]
    return max(
        (10_000 if "*" not in p else len(p.replace("*", "")) for p in fitting),
        default=0,
    )
