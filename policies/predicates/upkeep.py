"""Statements about the store itself: what was erased, what a backup brought back."""

from dataclasses import dataclass
from enum import StrEnum

from policies.predicates.forms import Count, Digest, OptionalDigest


class ErasedKind(StrEnum):
    """What may be erased: words and names, never what a verdict rests on."""

    PROFILE = "profile"
    REASON = "reason"
    REVIEW = "review"
    """The text that was shown to approvers; it repeats the request's reason."""
    COMMENT = "comment"
    ATTACHMENT = "attachment"
    LINEAGE_BATCH = "lineage-batch"
    """Only together with a batch that replaces it."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """An object is let go; verification says so instead of `missing`."""

    object: Digest
    kind: ErasedKind
    replacement: OptionalDigest
    """For a lineage batch: the batch without some rows."""
    reason: Digest


@dataclass(frozen=True, slots=True)
class Recovery:
    """The store was restored from a backup that lacks entries machines have seen."""

    restored_size: Count
    """Entries that the backup and the lost log have in common."""
    restored_root: Digest
    lost_size: Count
    """Entries that the largest known head of the lost log covers."""
    lost_root: Digest
    reason: Digest
