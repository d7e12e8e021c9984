"""The people behind a request and its evidence, by their outside identities."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from policies.commit_signers import CommitSigner, signer_of
from policies.evidence import Evidence
from policies.rules import Context
from policies.trust_state import TrustState
from policies.workflow import RequestRecord


def context_of(
    record: RequestRecord,
    evidence: Evidence,
    state: TrustState,
    now: datetime,
    known: TrustState | None = None,
) -> Context:
    """Who asked, trained, wrote and signed the code, and when it is judged."""
    trainers, unknown_trainers = people_of_identities(evidence.lineage.trainers, state)
    authors, unknown_authors = people_of_identities(
        tuple(a for c in evidence.lineage.commits for a in c.authors), state
    )
    signers = commit_signers(evidence, state, known)
    return Context(
        requester=record.entry.statement.by,
        trainers=trainers,
        authors=authors | {one.person for one in signers if one.person},
        unknown_trainers=unknown_trainers,
        unknown_authors=unknown_authors,
        now=now,
        signers=signers,
        addressed=authors,
    )


def commit_signers(
    evidence: Evidence, state: TrustState, known: TrustState | None = None
) -> tuple[CommitSigner, ...]:
    """How each commit of a version is signed, by a trust state."""
    uses = {use.sha: use for use in evidence.code.signatures}
    return tuple(
        signer_of(commit.sha, uses.get(commit.sha), state, known)
        for commit in evidence.lineage.commits
    )


def people_of_identities(
    identities: Sequence[str], state: TrustState
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Ids of the people who list them, and the identities that nobody lists."""
    known: set[str] = set()
    unknown: list[str] = []
    for identity in identities:
        person = state.person_of_identity(identity)
        if person is None:
            unknown.append(identity)
        else:
            known.add(person.id)
    return frozenset(known), tuple(dict.fromkeys(unknown))
