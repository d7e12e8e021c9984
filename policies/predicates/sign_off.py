"""Statements about what is asked for, decided and done; and facts that came in."""

from dataclasses import dataclass
from enum import StrEnum

from policies.predicates.forms import (
    Count,
    Digest,
    Key,
    LongName,
    Name,
    Note,
    OptionalDigest,
    OptionalKey,
    OptionalLongName,
    OptionalName,
    OptionalTime,
    RoleName,
    Time,
)


class Decision(StrEnum):
    """What an approver decided."""

    APPROVE = "approve"
    REJECT = "reject"


class OutcomeKind(StrEnum):
    """How something that was begun ended."""

    DONE = "done"
    FAILED = "failed"
    RECORDED_ONLY = "recorded-only"
    """No registry is configured; the log alone says so."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The part of the log a signer had verified: it testifies to that history."""

    origin: LongName
    size: Count
    root: Digest


@dataclass(frozen=True, slots=True)
class Transition:
    """The change of stage that is asked for."""

    from_stage: OptionalName
    to_stage: Name
    environment: Name

    def __str__(self) -> str:
        start = self.from_stage or "no stage"
        return f"{start} -> {self.to_stage} in {self.environment}"


@dataclass(frozen=True, slots=True)
class LineageBatch:
    """Facts that a source told, as one Parquet object."""

    source: LongName
    collector: OptionalLongName
    batch: Digest
    rows: Count
    observed_at: Time


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asks for a transition, on frozen evidence, under a policy."""

    request_id: Name
    """128 random bits in hex."""
    model: Key
    """Key of the registered model."""
    version: Key
    """Key of the model version."""
    manifest: Digest
    transition: Transition
    policy: Digest
    root: Digest
    evidence: Digest
    review: Digest
    reason: Digest


@dataclass(frozen=True, slots=True)
class EvidenceCheck:
    """What an approver found on reading one evidence item again."""

    kind: Name
    digest: Digest
    result: Name
    """`same` or `no-access`; a changed item refuses the signature."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's decision on one request, bound to what they saw."""

    request: Digest
    model: Key
    version: Key
    manifest: Digest
    transition: Transition
    policy: Digest
    root: Digest
    evidence: Digest
    review: Digest
    decision: Decision
    role: RoleName
    meaning: LongName
    reason: Digest
    expires: OptionalTime
    checks: tuple[EvidenceCheck, ...]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A signer takes back a request or a decision of their own."""

    statement: Digest
    model: Key
    """Of a decision about a launch: the key of its pipeline."""
    reason: Digest


@dataclass(frozen=True, slots=True)
class PromotionIntent:
    """About to change a registry: the verdict that allows it."""

    request: Digest
    model: Key
    version: Key
    manifest: Digest
    transition: Transition
    policy: Digest
    root: Digest
    verdict: Digest
    judged_at: Time
    takes_over: OptionalDigest
    """Statement id of an abandoned intent, or empty."""
    head: OptionalDigest
    """The cosigned head that the verdict rests on, or empty if none was asked for."""


@dataclass(frozen=True, slots=True)
class PromotionOutcome:
    """What reading the registry back showed."""

    intent: Digest
    model: Key
    version: Key
    transition: Transition
    outcome: OutcomeKind
    registry: Note
    read_back: Note
    placed: OptionalKey
    """Key of the copy that a registry of another source got, or empty."""
    placed_at: OptionalKey
    """Where that copy's files lie, or empty."""
