"""What follows from a stolen key: which keys and statements stop counting.

A thief may have used a key to enrol others and to revoke others. Both are undone, by
log position and never by a claimed time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policies.keys import PublicKey
from policies.predicates import Enrolment, Revocation, RevocationCause, RevokedKind


@dataclass(frozen=True, slots=True)
class EnrolmentRecord:
    """An accepted enrolment, and the key its enroller signed with."""

    index: int
    signed_with: str
    enrolment: Enrolment
    key: PublicKey


@dataclass(frozen=True, slots=True)
class RevocationRecord:
    """An accepted revocation, and the key it was signed with."""

    index: int
    signed_with: str
    revocation: Revocation
    keys: tuple[str, ...]
    """Ids of the keys it names, or that its person held."""

    def takes(self, owner: str, key_id: str) -> bool:
        """Whether it takes a key of an owner out of force."""
        if self.revocation.target is RevokedKind.PERSON:
            return self.revocation.id == owner
        return key_id in self.keys


def effective_revocations(
    revocations: Sequence[RevocationRecord], enrolments: Sequence[EnrolmentRecord]
) -> tuple[RevocationRecord, ...]:
    """Revocations that no thief may have signed, in log order.

    A later one can undo an earlier one, so they are weighed from the newest back.
    """
    effective: list[RevocationRecord] = []
    for record in sorted(revocations, key=lambda r: r.index, reverse=True):
        suspects = suspect_keys(effective, enrolments)
        if record.index < suspects.get(record.signed_with, record.index + 1):
            effective.append(record)
    return tuple(reversed(effective))


def suspect_keys(
    revocations: Iterable[RevocationRecord], enrolments: Sequence[EnrolmentRecord]
) -> dict[str, int]:
    """Key id -> the first entry that somebody else may have signed with it.

    Keys that were enrolled with a suspect key are suspect from their first entry.
    """
    suspects: dict[str, int] = {}
    for record in revocations:
        if record.revocation.cause is RevocationCause.COMPROMISED:
            for key_id in record.keys:
                since = record.revocation.since or 0
                suspects[key_id] = min(since, suspects.get(key_id, since))
    has_grown = True
    while has_grown:
        has_grown = False
        for enrolled in enrolments:
            by = suspects.get(enrolled.signed_with)
            if by is None or enrolled.index < by:
                continue
            if suspects.get(enrolled.key.id, enrolled.index + 1) > enrolled.index:
                suspects[enrolled.key.id] = enrolled.index
                has_grown = True
    return suspects
