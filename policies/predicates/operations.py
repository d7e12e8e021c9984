"""Statements about what is run: launches and deployments, each begun and ended."""

from dataclasses import dataclass

from policies.predicates.forms import (
    Digest,
    Identifier,
    Key,
    LongName,
    Name,
    Note,
    OptionalDigest,
    Time,
)
from policies.predicates.sign_off import OutcomeKind


@dataclass(frozen=True, slots=True)
class LaunchIntent:
    """About to launch a pipeline."""

    launch: Identifier
    """Names the launch at the orchestrator too, so that trying twice launches once."""
    pipeline: LongName
    definition: Digest
    parameters: Digest
    environment: Name
    takes_over: OptionalDigest
    """Statement id of an abandoned intent, or empty."""


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
