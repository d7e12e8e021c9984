"""How commits are signed and who made them, by what imports told and the trust root.

An address in a commit is a claim. A signature by a person's own key is more: it is
verified here, over the commit's bytes, whatever git or a source says of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from console.services.founding import printed_name
from console.services.opened import OpenStore
from console.services.problems import Misuse
from policies.allowed_signers import LARGEST_BYTES, read_allowed_signers
from policies.commit_signature import commit_bytes
from policies.commit_signers import CommitSigner, Signed, signer_of
from policies.errors import MalformedStatement
from policies.evidence import Gap, LineageItem
from policies.evidence_code import SignedCommitUse
from policies.trust_state import TrustState
from store.git_commit import LARGEST_SIGNED_BYTES
from store.queries.commits import (
    ToldCommit,
    ToldSignature,
    commits_told,
    signatures_told,
)

if TYPE_CHECKING:
    import duckdb


_MOST_REPOSITORIES = 20
_LONGEST_WHOLE, _LONGEST_WORD = 2 * LARGEST_SIGNED_BYTES, 200
_ROLES = ((), ("author and committer",), ("author", "committer"))
_SIGN = "sign with an enrolled key: git config gpg.format ssh, commit -S"
GAPS = {
    Signed.NOT: ("commit-not-signed", _SIGN),
    Signed.BY_STRANGER: (
        "commit-signed-by-stranger",
        "enrol the key, if it is a person's: countersign key enrol",
    ),
    Signed.UNVERIFIABLE: ("commit-signature-not-verifiable", _SIGN),
    Signed.BY_LOST_KEY: ("commit-signed-with-lost-key", _SIGN),
    Signed.BAD: ("commit-badly-signed", _SIGN),
}
"""What a signature leaves open, by how the commit is signed."""


def allowed_signers(store: OpenStore) -> Mapping[str, str]:
    """Fingerprint -> whose key it is, by the configured file of allowed signers.

    Raises:
        Misuse: the file cannot be read, or is none.
    """
    named = store.configuration.allowed_signers
    if not named:
        return {}
    try:
        with Path(named).expanduser().open("rb") as stream:
            data = stream.read(LARGEST_BYTES + 1)
        return read_allowed_signers(data, store.clock())
    except OSError as cause:
        raise Misuse(f"cannot read {named}: {cause.strerror}") from cause
    except MalformedStatement as cause:
        raise Misuse(f"{named}: {cause}", hint=cause.hint) from cause


_COUNTED = {
    Signed.BY_PERSON: "signed by a person of the trust root",
    Signed.BY_SERVICE: "signed by a service",
    Signed.BY_STRANGER: "signed by a key that nobody in the trust root holds",
    Signed.BY_LOST_KEY: "signed with a key that does not count",
    Signed.UNVERIFIABLE: "signed in a form that is not verified here",
    Signed.BAD: "badly signed",
    Signed.NOT: "not signed",
}


class Standing(StrEnum):
    """How far it is known that somebody made a commit."""

    AUTHENTICATED = "authenticated"
    """Their own key signed it."""
    CLAIMED = "claimed"
    """The commit names their address; anybody could have written that."""
    UNKNOWN = "unknown"
    """Nobody in the trust root lists the address."""


@dataclass(frozen=True, slots=True)
class Maker:
    """An author or committer, and who that is by the trust root."""

    identity: str
    person: str
    """Printed name, or empty."""
    standing: Standing

    def __str__(self) -> str:
        if self.standing is Standing.UNKNOWN:
            return f"{self.identity} (nobody in the trust root)"
        return f"{self.identity} = {self.person} ({self.standing.value})"


@dataclass(frozen=True, slots=True)
class CommitOrigin:
    """Who made a commit and how it is signed."""

    makers: tuple[Maker, ...]
    signer: CommitSigner
    signed_by: str
    """Printed name of the person whose key signed it, or empty."""

    @property
    def signature(self) -> str:
        """In words."""
        by = f" by {self.signed_by}" if self.signed_by else ""
        return f"{self.signer.said}{by}"


def signature_uses(
    connection: duckdb.DuckDBPyConnection, shas: Iterable[str]
) -> dict[str, SignedCommitUse]:
    """The signature of each commit that has one, as the log first told of it."""
    found: dict[str, list[ToldSignature]] = {}
    for told in signatures_told(connection, sorted(set(shas))):
        found.setdefault(told.sha, []).append(told)
    return {sha: _use(told) for sha, told in found.items()}


def _use(told: list[ToldSignature]) -> SignedCommitUse:
    """The first account that holds the commit's own bytes, else the first there is."""
    chosen = next((one for one in told if _is_own(one)), told[0])
    is_too_large = len(chosen.whole) > _LONGEST_WHOLE
    return SignedCommitUse(
        sha=chosen.sha,
        form=chosen.form[:_LONGEST_WORD],
        problem="it is too large" if is_too_large else chosen.problem[:_LONGEST_WORD],
        whole="" if is_too_large else chosen.whole,
        entry=chosen.entry,
    )


def _is_own(told: ToldSignature) -> bool:
    try:
        commit_bytes(told.sha, told.whole)
    except MalformedStatement:
        return False
    return True


def origin_of(
    store: OpenStore,
    state: TrustState,
    sha: str,
    identities: Iterable[str],
    use: SignedCommitUse | None,
    allowed: Mapping[str, str],
) -> CommitOrigin:
    """Who made a commit, as the trust root knows them now.

    `allowed` says whose keys others are, by a file of allowed signers.
    """
    signer = signer_of(sha, use, state)
    if signer.signed is Signed.BY_STRANGER and signer.fingerprint in allowed:
        listed = f"{signer.said}, listed as {allowed[signer.fingerprint]} among the "
        signer = replace(signer, said=f"{listed}allowed signers")
    return CommitOrigin(
        tuple(_maker(store, state, name, signer) for name in identities),
        signer,
        _name(store, state, signer.person),
    )


def _maker(
    store: OpenStore, state: TrustState, identity: str, signer: CommitSigner
) -> Maker:
    person = state.person_of_identity(identity)
    if person is None:
        return Maker(identity, "", Standing.UNKNOWN)
    is_theirs = signer.is_authenticated and signer.person == person.id
    standing = Standing.AUTHENTICATED if is_theirs else Standing.CLAIMED
    return Maker(identity, _name(store, state, person.id), standing)


def _name(store: OpenStore, state: TrustState, person_id: str) -> str:
    person = state.people.get(person_id)
    return printed_name(store, person.profile, person.id) if person else person_id


def commit_fields(
    connection: duckdb.DuckDBPyConnection, store: OpenStore, sha: str
) -> tuple[tuple[str, str], ...]:
    """A commit as a person reads it: what it says, where it is, who made it."""
    told = commits_told(connection, sha=sha, limit=_MOST_REPOSITORIES)
    if not told:
        return ()
    first = told[0]
    state = store.state()
    use = signature_uses(connection, [sha]).get(sha)
    allowed = allowed_signers(store)
    origin = origin_of(store, state, sha, first.identities, use, allowed)
    fields = [
        ("subject", first.subject),
        ("commit", first.sha),
        ("committed", _claimed(first)),
        *zip(_ROLES[len(origin.makers)], map(str, origin.makers), strict=True),
        ("signature", origin.signature),
    ]
    places = dict.fromkeys(f"{one.repository}, told by {one.source}" for one in told)
    return (*fields, *(("repository", place) for place in places))


def _claimed(told: ToldCommit) -> str:
    if told.committed is None:
        return "not told"
    return f"{told.committed:%Y-%m-%d %H:%M:%S} UTC (claimed)"


def commit_signatures(
    connection: duckdb.DuckDBPyConnection, store: OpenStore, lineage: LineageItem
) -> list[tuple[str, str, Gap | None]]:
    """Each known commit of a version, how it is signed, and what that leaves open.

    What is left open is information here: only a policy makes a demand of it.
    """
    known = {c.sha: c.authors for c in lineage.commits if c.is_known}
    uses, state = signature_uses(connection, known), store.state()
    found, allowed = [], allowed_signers(store)
    for sha, identities in known.items():
        origin = origin_of(store, state, sha, identities, uses.get(sha), allowed)
        gap = GAPS.get(origin.signer.signed)
        said = f"Commit {sha[:12]} is {origin.signer.said}."
        found.append((sha, origin.signature, gap and Gap(gap[0], said, gap[1])))
    return found


def catalogued(
    connection: duckdb.DuckDBPyConnection,
    store: OpenStore,
    limit: int,
    *,
    as_of: datetime | None = None,
) -> list[tuple[ToldCommit, CommitOrigin]]:
    """Commits, newest first, each with who made it and how it is signed; at `as_of`
    those made by then."""
    told = commits_told(connection, limit=limit, as_of=as_of)
    uses, state = signature_uses(connection, (one.sha for one in told)), store.state()
    allowed = allowed_signers(store)
    return [
        (
            one,
            origin_of(
                store, state, one.sha, one.identities, uses.get(one.sha), allowed
            ),
        )
        for one in told
    ]


def signed_in_words(store: OpenStore, shas: Iterable[str]) -> str:
    """How many of some commits are signed, and how; empty for no known commit."""
    counts: dict[Signed, int] = {}
    with store.projection.reading() as connection:
        known = [sha for sha in shas if commits_told(connection, sha=sha, limit=1)]
        uses, state = signature_uses(connection, known), store.state()
    for sha in known:
        how = signer_of(sha, uses.get(sha), state).signed
        counts[how] = counts.get(how, 0) + 1
    return ", ".join(
        f"{counts[how]} {_COUNTED[how]}" for how in Signed if how in counts
    )
