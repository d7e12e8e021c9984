"""Statements that accompany a model through its life."""

from dataclasses import dataclass
from enum import StrEnum

from policies.predicates.forms import (
    Count,
    Digest,
    Identifier,
    Key,
    LongName,
    Name,
    Names,
    Note,
    OptionalDigest,
    OptionalLongName,
    OptionalName,
    OptionalTime,
    RoleName,
    Time,
)
from policies.predicates.sign_off import Transition


class FindingStatus(StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Waiver:
    """Somebody takes responsibility for named rules that a request does not satisfy."""

    request: Digest
    model: Key
    version: Key
    manifest: Digest
    transition: Transition
    policy: Digest
    rules: Names
    role: RoleName
    reason: Digest
    expires: Time


@dataclass(frozen=True, slots=True)
class Demotion:
    """A version was taken out of a stage."""

    promotion: Digest
    """Statement id of the intent that put it there."""
    model: Key
    version: Key
    environment: Name
    stage: Name
    goes_to: OptionalName
    """The stage it has now, or empty."""
    reason: Digest
    registry: Note
    read_back: Note
    restores: OptionalDigest
    """Statement id of the intent that put the version there which takes the stage
    again, or empty."""


@dataclass(frozen=True, slots=True)
class ModelRecordChange:
    """Owner, purpose, tier and limits of a model, from now on."""

    model: Key
    owner: Identifier
    """Id of a person."""
    tier: Name
    purpose: Digest
    limits: Digest
    vendor_parts: Names
    review_by: OptionalTime


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be remedied about a model, or that it was."""

    finding: Identifier
    model: Key
    version: OptionalLongName
    """Key of the version, or empty for the model."""
    status: FindingStatus
    severity: Name
    role: RoleName
    """The role in which the signer says so."""
    text: Digest
    due: OptionalTime


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that belongs to a model's record."""

    model: Key
    version: OptionalLongName
    name: Digest
    """Digest of the salted object that holds the file's name."""
    content: Digest
    media_type: LongName
    size: Count
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A remark; it decides nothing."""

    model: Key
    statement: OptionalDigest
    """The statement it is about, or empty."""
    text: Digest


@dataclass(frozen=True, slots=True)
class Export:
    """An auditor's file was made."""

    file: Digest
    model: OptionalLongName
    """What the report in it is limited to, or empty."""
    since: OptionalTime
    until: OptionalTime
