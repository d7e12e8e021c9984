"""What a verdict depends on besides policy, evidence and votes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policies.commit_signers import CommitSigner
from policies.evidence import Metric
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
class ModelStanding:
    """The record of the model, as it stands at the position."""

    owner: str
    """Printed name, or the id where nobody has it any more."""
    is_owner_in_force: bool
    tier: str
    vendor_parts: tuple[str, ...]
    review_by: datetime | None
    owner_id: str = ""
    """Person id of the owner."""


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding about the model or the version that is not closed."""

    id: str
    severity: str
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Observed:
    """What was measured of a version where it runs, over a window."""

    entry: int
    version: str
    manifest: str
    environment: str
    target: str
    since: datetime
    until: datetime
    numbers: tuple[Metric, ...]
    units: tuple[tuple[str, str], ...] = ()
    baseline: str = ""
    """Version that took the rest of the traffic, or empty."""
    baseline_numbers: tuple[Metric, ...] = ()
    baseline_units: tuple[tuple[str, str], ...] = ()
    is_by_service: bool = False


@dataclass(frozen=True, slots=True)
class CosignedHead:
    """A head of the log that a witness cosigned, verified, and of this history."""

    witness: str
    """The witness's verifier key, as text."""
    size: int
    at: datetime
    """When the witness says it saw it."""


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
    model: ModelStanding | None = None
    """The model's record, if it has one."""
    findings: tuple[OpenFinding, ...] = ()
    """Findings that are open at the position."""
    observations: tuple[Observed, ...] = ()
    """What was observed of the model's versions below the position."""
    request_entry: int = 0
    """Entry of the request that is judged."""
    cosigned: tuple[CosignedHead, ...] = ()
    """Heads by the witnesses that the policy names."""
    signers: tuple[CommitSigner, ...] = ()
    """How each commit is signed, by the trust root at the position."""
    addressed: frozenset[str] = frozenset()
    """Person ids of those whose addresses the commits name."""
