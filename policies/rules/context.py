"""What a verdict depends on besides policy, evidence and votes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policies.rules.readings import Reading


@dataclass(frozen=True, slots=True)
class Held:
    """A stage that the version had, by the log."""

    environment: str
    stage: str
    since: datetime
    """When its promotion was done, as its signer claimed."""
    until: datetime | None
    """When another version took the stage or it was taken out; None: it has it."""


@dataclass(frozen=True, slots=True)
class Context:
    """People, time and what the log held at the position that is judged."""

    requester: str
    """Person id."""
    trainers: frozenset[str]
    """Person ids of who ran the training."""
    authors: frozenset[str]
    """Person ids of who wrote the commits."""
    unknown_trainers: tuple[str, ...]
    """Outside identities that map to nobody."""
    unknown_authors: tuple[str, ...]
    now: datetime
    readings: tuple[Reading, ...] = ()
    """Who read the evidence, and when."""
    held: tuple[Held, ...] = ()
    """Stages that the version had below the position."""
