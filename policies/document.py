"""Policy documents: TOML, closed and typed; what a committee writes and signs.

Reading one says file, line and what is wrong. Numbers are decimal strings, so that
what was signed is what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

OWNER = "owner"
"""Excludes from a quorum whoever owns the model, by its record."""
PIPELINE_PREFIX = "pipeline/"
"""Stands before a pipeline's name where grants and policies name models."""
LAUNCH_STAGE = "launch"
"""Where policies for launches lead `to`."""
SCHEDULE_STAGE = "schedule"
"""The stage that launching again and again, under one decision, is judged as."""
LAUNCH_STAGES = frozenset({LAUNCH_STAGE, SCHEDULE_STAGE})
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
    """Which transitions a policy is for, as patterns (see policies.selection)."""

    models: tuple[str, ...]
    to: tuple[str, ...]
    environments: tuple[str, ...]
    from_stages: tuple[str, ...] = ("*",)
    """Stages of which the version has one, in the environment."""
    tiers: tuple[str, ...] = ("*",)
    """By the model's record."""
    owners: tuple[str, ...] = ("*",)
    """Person ids, by the model's record."""

    @property
    def is_for_launches(self) -> bool:
        """Whether it is for launches of pipelines, and for nothing else."""
        return LAUNCH_STAGES.issuperset(self.to) and all(
            name.startswith(PIPELINE_PREFIX) for name in self.models
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
