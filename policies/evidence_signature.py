"""The signature that came with a model, as evidence for a decision."""

from dataclasses import dataclass

from policies.predicates.forms import Flag, OptionalDigest, Text, Texts


@dataclass(frozen=True, slots=True)
class EnrolledSigner:
    """A key of the trust root or an enrolment that made the signature, and whose."""

    key: OptionalDigest
    owner: Text


@dataclass(frozen=True, slots=True)
class ModelSignatureItem:
    """What a model's signature covers, and who made it as far as we know."""

    is_there: Flag = False
    """Whether the model has such a file at all."""
    problem: Text = ""
    """Why it could not be read, or empty."""
    signed_sha256: OptionalDigest = ""
    """SHA-256 of the bytes that the signature is over."""
    signature: Text = ""
    """In base64."""
    differing: Texts = ()
    """Files of the model that are not signed, or with another SHA-256."""
    absent: Texts = ()
    """Files that are signed and not in the model."""
    enrolled: tuple[EnrolledSigner, ...] = ()
