"""What statements say: one type each, and its exact fields, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NAMESPACE = "https://countersign.dev/attestation/"


class PredicateType(StrEnum):
    """The exact type of each statement."""

    ENDORSEMENT = NAMESPACE + "endorsement/v1"
    ENROLMENT = NAMESPACE + "enrolment/v1"
    LINEAGE_BATCH = NAMESPACE + "lineage-batch/v1"
    REQUEST = NAMESPACE + "request/v1"
    APPROVAL = NAMESPACE + "approval/v1"
    WITHDRAWAL = NAMESPACE + "withdrawal/v1"
    PROMOTION_INTENT = NAMESPACE + "promotion-intent/v1"
    PROMOTION_OUTCOME = NAMESPACE + "promotion-outcome/v1"

    @property
    def short(self) -> str:
        """The part between the namespace and the version."""
        return self.value.removeprefix(NAMESPACE).rpartition("/")[0]


class Decision(StrEnum):
    """What an approver decided."""

    APPROVE = "approve"
    REJECT = "reject"


class DocumentKind(StrEnum):
    """What an endorsement can put in force."""

    TRUST_ROOT = "trust-root"
    POLICY = "policy"


class OutcomeKind(StrEnum):
    """How a promotion ended."""

    DONE = "done"
    FAILED = "failed"
    RECORDED_ONLY = "recorded-only"
    """No registry is configured; the log alone says so."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The part of the log a signer had verified: it testifies to that history."""

    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Transition:
    """The change of stage that is asked for."""

    from_stage: str
    to_stage: str
    environment: str

    def __str__(self) -> str:
        start = self.from_stage or "no stage"
        return f"{start} -> {self.to_stage} in {self.environment}"


@dataclass(frozen=True, slots=True)
class Endorsement:
    """A signature under a document that several sign."""

    document: DocumentKind
    name: str
    """The policy's id; empty for a trust root."""
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and where it holds. `*` stands for everything."""

    role: str
    models: tuple[str, ...] = ("*",)
    environments: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A person with a key and roles, added by an enroller."""

    person: str
    profile: str
    """Digest of the salted object that holds the printed name."""
    algorithm: str
    spki: str
    proof: str
    """Base64 signature by the new key (see policies.trust_root.possession_bytes)."""
    identities: tuple[str, ...]
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class LineageBatch:
    """Facts that a source told, as one Parquet object."""

    source: str
    collector: str
    batch: str
    rows: int
    observed_at: str


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asks for a transition, on frozen evidence, under a policy."""

    request_id: str
    model: str
    """Key of the registered model."""
    version: str
    """Key of the model version."""
    manifest: str
    transition: Transition
    policy: str
    root: str
    evidence: str
    review: str
    reason: str


@dataclass(frozen=True, slots=True)
class EvidenceCheck:
    """What an approver found on reading one evidence item again."""

    kind: str
    digest: str
    result: str
    """`same` or `no-access`; a changed item refuses the signature."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's decision on one request, bound to what they saw."""

    request: str
    model: str
    version: str
    manifest: str
    transition: Transition
    policy: str
    root: str
    evidence: str
    review: str
    decision: Decision
    role: str
    meaning: str
    reason: str
    expires: str
    checks: tuple[EvidenceCheck, ...]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A signer takes back a request or an approval of their own."""

    statement: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class PromotionIntent:
    """About to change a registry: the verdict that allows it."""

    request: str
    model: str
    version: str
    manifest: str
    transition: Transition
    policy: str
    root: str
    verdict: str
    judged_at: str
    takes_over: str
    """Statement id of an abandoned intent, or empty."""


@dataclass(frozen=True, slots=True)
class PromotionOutcome:
    """What reading the registry back showed."""

    intent: str
    model: str
    version: str
    transition: Transition
    outcome: OutcomeKind
    registry: str
    read_back: str


Predicate = (
    Endorsement
    | Enrolment
    | LineageBatch
    | Request
    | Approval
    | Withdrawal
    | PromotionIntent
    | PromotionOutcome
)
