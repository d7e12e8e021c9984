"""Statements about what is run: launches and deployments, each begun and ended."""

from dataclasses import dataclass

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
