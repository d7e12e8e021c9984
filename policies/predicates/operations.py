"""Statements about what is run: launches and deployments, each begun and ended."""

from dataclasses import dataclass
from enum import StrEnum

from policies.predicates.forms import (
    Digest,
    Flag,
    Identifier,
    Key,
    LongName,
    Name,
    Note,
    OptionalDigest,
    RoleName,
    Time,
)
from policies.predicates.sign_off import Decision, OutcomeKind


@dataclass(frozen=True, slots=True)
class LaunchIntent:
    """About to launch a pipeline, or to let one go that was held."""

    launch: Identifier
    """Names the launch at the orchestrator too, so that trying twice launches once."""
    pipeline: LongName
    definition: Digest
    """Of the plan: exactly what is sent."""
    parameters: Digest
    environment: Name
    cause: Note
    """What it is for: a person, a schedule, an alert, a retry."""
    policy: OptionalDigest
    """Digest of the policy that decided; empty: none is for it."""
    root: Digest
    verdict: Digest
    judged_at: Time
    held: Flag
    """Whether it waits, once it is there, for people to release it."""
    takes_over: OptionalDigest
    """Statement id of the earlier intent for the same launch, or empty."""
    evidence: Digest
    """What the verdict rests on that neither plan nor log says: what was known of the
    commit."""


@dataclass(frozen=True, slots=True)
class LaunchRelease:
    """Somebody lets a held launch go, or says that it must not."""

    intent: Digest
    launch: Identifier
    pipeline: LongName
    environment: Name
    definition: Digest
    policy: Digest
    decision: Decision
    role: RoleName
    reason: Digest


@dataclass(frozen=True, slots=True)
class LaunchOutcome:
    """What the orchestrator showed after a launch."""

    intent: Digest
    pipeline: LongName
    environment: Name
    outcome: OutcomeKind
    run: Note
    read_back: Note


class CancelResult(StrEnum):
    """What came of asking a place to end something, as it was read back there."""

    CANCELLED = "cancelled"
    WAS_CANCELLED = "was-cancelled"
    """It was cancelled when it was asked for; by whom, the place does not say."""
    ENDED = "ended"
    """It had ended by itself before it could be."""
    GONE = "gone"
    """Its place answers, and has nothing of it."""
    UNKNOWN = "unknown"
    """The place did not say; something of it may be left."""

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled, now or before."""
        return self in (CancelResult.CANCELLED, CancelResult.WAS_CANCELLED)


@dataclass(frozen=True, slots=True)
class LaunchCancellation:
    """Somebody had a launch ended, or a run of a schedule, and saw what came of it."""

    intent: Digest
    """Of the launch, as it was declared last."""
    launch: Identifier
    run: LongName
    """What was ended: the launch itself, or one run of it if it is a schedule."""
    pipeline: LongName
    environment: Name
    result: CancelResult
    read_back: Note
    reason: OptionalDigest
    """Of the words, or empty: none is asked for to end what runs."""

    @property
    def is_of_all(self) -> bool:
        """Whether the launch itself was asked to end, and not one run of a schedule."""
        return self.run == self.launch

    @property
    def ends_it(self) -> bool:
        """Whether it says that the launch itself was cancelled."""
        return self.is_of_all and self.result.is_cancelled


@dataclass(frozen=True, slots=True)
class DeploymentIntent:
    """About to change what is served somewhere."""

    promotion: Digest
    """Statement id of the promotion intent that allows it."""
    model: Key
    version: Key
    manifest: Digest
    environment: Name
    target: LongName
    verdict: Digest
    judged_at: Time
    takes_over: OptionalDigest


@dataclass(frozen=True, slots=True)
class DeploymentOutcome:
    """What the cluster showed after a deployment."""

    intent: Digest
    model: Key
    version: Key
    environment: Name
    outcome: OutcomeKind
    target: LongName
    read_back: Note
