"""Who signed a commit, by the trust root at one position of the log.

A key counts for a commit if it was in force when the log first told of the signature,
or is now, and nobody else may have held it by then. The time that a commit claims
counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from policies.commit_signature import NOT_VERIFIABLE, GoodSignature, verify_commit
from policies.errors import MalformedStatement
from policies.evidence_code import SignedCommitUse
from policies.trust_root import Person
from policies.trust_state import TrustState
from store.git_commit import SignatureForm


class Signed(StrEnum):
    """How a commit is signed."""

    BY_PERSON = "person"
    BY_SERVICE = "service"
    BY_STRANGER = "stranger"
    """By a key that nobody in the trust root holds."""
    BY_LOST_KEY = "lost"
    """By a key that does not count, or that somebody else may have used."""
    UNVERIFIABLE = "unverifiable"
    """In a form that is only told, such as OpenPGP."""
    BAD = "bad"
    NOT = "none"


@dataclass(frozen=True, slots=True)
class CommitSigner:
    """How one commit is signed, and by whom as far as the trust root says."""

    sha: str
    signed: Signed
    person: str
    """Person id, where the key is or was one's; empty otherwise."""
    fingerprint: str
    said: str
    """In words, about the signature."""

    @property
    def is_authenticated(self) -> bool:
        """Whether a person's key that counts made it."""
        return self.signed is Signed.BY_PERSON


def signature_in_words(sha: str, use: SignedCommitUse | None) -> str:
    """A signature by its bytes alone, whoever holds the key that made it."""
    judged = _by_bytes(sha, use)
    if isinstance(judged, GoodSignature):
        return f"good, by the key {judged.fingerprint}"
    return judged.said


def signer_of(
    sha: str,
    use: SignedCommitUse | None,
    state: TrustState,
    known: TrustState | None = None,
) -> CommitSigner:
    """How a commit is signed, judged with what the trust state holds.

    `known` says which keys were stolen; by default the same state.
    """
    judged = _by_bytes(sha, use)
    if isinstance(judged, CommitSigner):
        return judged
    assert use is not None  # noqa: S101 - what is good was told
    return _owned(sha, judged, use.entry, state, known or state)


def _by_bytes(sha: str, use: SignedCommitUse | None) -> CommitSigner | GoodSignature:
    if use is None:
        return CommitSigner(sha, Signed.NOT, "", "", "not signed")
    if use.problem:
        said = f"signed, and not verifiable: {use.problem}"
        return CommitSigner(sha, Signed.BAD, "", "", said)
    form = SignatureForm(use.form) if use.form in set(SignatureForm) else None
    if form is not SignatureForm.SSH:
        said = NOT_VERIFIABLE[form or SignatureForm.UNKNOWN]
        return CommitSigner(sha, Signed.UNVERIFIABLE, "", "", said)
    try:
        return verify_commit(sha, use.whole)
    except MalformedStatement as problem:
        return CommitSigner(sha, Signed.BAD, "", "", f"badly signed: {problem}")


def _owned(
    sha: str, good: GoodSignature, entry: int, state: TrustState, known: TrustState
) -> CommitSigner:
    key, fingerprint = good.key, good.fingerprint
    periods = [
        period
        for period in state.periods
        if period.key.id == key.id and period.key.ssh == key.ssh
    ]
    if not periods:
        said = f"signed by a key that nobody in the trust root holds: {fingerprint}"
        return CommitSigner(sha, Signed.BY_STRANGER, "", fingerprint, said)
    counting = [p for p in periods if p.until is None or p.covers(entry)]
    owner = (counting or periods)[-1].owner
    person = owner if isinstance(state.signer(owner), Person) else ""
    if known.is_suspect(key.id, entry):
        since = known.suspect_since[key.id]
        said = f"signed with a key stolen since entry {since}: {fingerprint}"
        return CommitSigner(sha, Signed.BY_LOST_KEY, person, fingerprint, said)
    if not counting:
        said = f"signed with a key that is no longer in force: {fingerprint}"
        return CommitSigner(sha, Signed.BY_LOST_KEY, person, fingerprint, said)
    if owner in state.services:
        said = f"signed by the service {owner}: {fingerprint}"
        return CommitSigner(sha, Signed.BY_SERVICE, "", fingerprint, said)
    if not person:
        said = f"signed with a key of somebody who is no longer here: {fingerprint}"
        return CommitSigner(sha, Signed.BY_LOST_KEY, "", fingerprint, said)
    said = f"signed with {fingerprint}"
    if (until := counting[-1].until) is not None:
        said += f", a key that counted until entry {until}"
    return CommitSigner(sha, Signed.BY_PERSON, person, fingerprint, said)
