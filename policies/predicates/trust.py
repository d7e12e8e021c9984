"""Statements about who may decide: endorsements, enrolments, revocations."""

from dataclasses import dataclass
from enum import StrEnum

from policies.predicates.forms import (
    Digest,
    Encoded,
    Identifier,
    Name,
    Names,
    OptionalCount,
    OptionalName,
    RoleName,
    ShortNames,
    Version,
)


class DocumentKind(StrEnum):
    """What an endorsement can put in force."""

    TRUST_ROOT = "trust-root"
    POLICY = "policy"


class RevokedKind(StrEnum):
    """What a revocation takes away."""

    KEY = "key"
    PERSON = "person"


class RevocationCause(StrEnum):
    """Why."""

    LEFT = "left"
    """The person no longer decides here."""
    LOST = "lost"
    """The key cannot be used any more; nobody else has it."""
    REPLACED = "replaced"
    COMPROMISED = "compromised"
    """Somebody else may have signed with it, since an entry of the log."""


@dataclass(frozen=True, slots=True)
class Endorsement:
    """A signature under a document that several sign."""

    document: DocumentKind
    name: OptionalName
    """The policy's id; empty for a trust root."""
    version: Version
    digest: Digest


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and where it holds. `*` stands for everything."""

    role: RoleName
    models: Names = ("*",)
    environments: ShortNames = ("*",)


@dataclass(frozen=True, slots=True)
class KeyText:
    """A public key as documents and statements spell it."""

    algorithm: Name
    spki: Encoded
    """Base64 of the DER SubjectPublicKeyInfo."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A person with a key and roles, added by an enroller."""

    person: Identifier
    profile: Digest
    """Digest of the salted object that holds the printed name."""
    key: KeyText
    proof: Encoded
    """Base64 signature by the new key (see policies.trust_root.possession_bytes)."""
    identities: Names
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key, or every key of a person, counts no longer."""

    target: RevokedKind
    id: Identifier
    """Key id (SHA-256 of the SubjectPublicKeyInfo, hex) or person id."""
    cause: RevocationCause
    since: OptionalCount
    """For a compromise: the first entry that somebody else may have signed. What the
    key signed there and later supports no decision made after this statement."""
    reason: Digest
