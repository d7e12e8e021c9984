"""Answers to a request as votes: who signed, in which role, and whether it counts."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.services.founding import printed_name
from console.services.opened import OpenStore, parse_time
from policies.document import Policy
from policies.predicates import Approval
from policies.rules import Vote
from policies.trust_state import TrustState
from policies.workflow import Entry, RequestRecord
from store.identifiers import split_key


def votes_on(
    store: OpenStore,
    record: RequestRecord,
    states: tuple[TrustState, TrustState],
    position: int,
    stale: str,
    policy: Policy,
) -> list[Vote]:
    """Every answer to a request below a position, with its signer's standing there.

    `states` are the one at that position and the one that says which keys were stolen;
    `stale` says why none of them counts any more, or is empty.
    """
    votes = []
    for entry, approval in record.answers:
        if entry.index >= position:
            continue
        state, known = states
        distrust = stale
        if known.is_suspect(entry.key, entry.index):
            distrust = "signed with a key that was stolen by then"
        votes.append(_vote(store, entry, approval, record, state, distrust, policy))
    return votes


def _vote(
    store: OpenStore,
    entry: Entry,
    approval: Approval,
    record: RequestRecord,
    state: TrustState,
    stale: str,
    policy: Policy,
) -> Vote:
    request, person = record.request, state.people.get(entry.statement.by)
    bound = (approval.evidence, approval.review, approval.policy)
    if not stale and bound != (request.evidence, request.review, request.policy):
        stale = "it is bound to other evidence than the request"
    name = split_key(request.model)[1][-1]
    holds = person is not None and person.holds(
        approval.role, name, request.transition.environment
    )
    return Vote(
        person=entry.statement.by,
        name=entry.statement.by
        if person is None
        else printed_name(store, person.profile, person.id),
        role=approval.role,
        holds_role=holds,
        decision=approval.decision,
        index=entry.index,
        expires=_expiry(entry, approval, policy),
        stale=stale,
    )


def _expiry(entry: Entry, approval: Approval, policy: Policy) -> datetime | None:
    """The earlier of what the approver set and what the policy allows."""
    limits = [
        parse_time(entry.statement.at) + timedelta(days=quorum.expires_after_days)
        for quorum in policy.quorums
        if quorum.role == approval.role
    ]
    if approval.expires:
        limits.append(parse_time(approval.expires))
    return min(limits, default=None)
