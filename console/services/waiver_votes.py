"""Waivers as the judge of a request counts them: with their signers' standing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from console.services.founding import printed_name
from console.services.opened import OpenStore, parse_time
from policies.document import Policy
from policies.predicates import Decision
from policies.rules.people import Vote
from policies.rules.waiving import WaiverVote
from policies.trust_state import TrustState
from policies.workflow import Entry, RequestRecord
from store.identifiers import split_key

if TYPE_CHECKING:
    from policies.predicates.records import Waiver


@dataclass(frozen=True, slots=True)
class Moment:
    """At which position and time waivers are counted, and by whose standing."""

    state: TrustState
    """The state below `position`."""
    known: TrustState
    """The state that says which keys were stolen, and who signed a later waiver."""
    position: int
    now: datetime
    counts_later: bool = False
    """Whether a waiver at or after `position` counts: a renewal after a promotion."""


def waiver_votes(
    store: OpenStore, record: RequestRecord, policy: Policy, stale: str, moment: Moment
) -> list[WaiverVote]:
    """Every waiver of a request, as a vote. One that ended is stale.

    A waiver ends at the time that its signer set, or after the longest time that the
    policy allows, whichever is first; also after the promotion that rests on it.
    """
    if policy.waivers is None:
        return []
    return [
        _vote(store, entry, waiver, record, policy, stale, moment)
        for entry, waiver in record.waivers
        if entry.index < moment.position or moment.counts_later
    ]


def waiver_ends(entry: Entry, waiver: Waiver, policy: Policy) -> datetime:
    """When a waiver ends under a policy."""
    ends = parse_time(waiver.expires)
    if policy.waivers is None:
        return ends
    longest = timedelta(days=policy.waivers.longest_days)
    return min(ends, parse_time(entry.statement.at) + longest)


def _vote(
    store: OpenStore,
    entry: Entry,
    waiver: Waiver,
    record: RequestRecord,
    policy: Policy,
    stale: str,
    moment: Moment,
) -> WaiverVote:
    is_later = entry.index >= moment.position
    person = (moment.known if is_later else moment.state).people.get(entry.statement.by)
    ends = waiver_ends(entry, waiver, policy)
    until = f"{ends:%Y-%m-%d %H:%M} UTC"
    if waiver.policy != record.request.policy:
        stale = "waived under another policy"
    if moment.now >= ends:
        stale = f"the waiver ended {until}"
    if moment.known.is_suspect(entry.key, entry.index):
        stale = "signed with a key that was stolen by then"
    request = record.request
    return WaiverVote(
        rules=waiver.rules,
        until=until,
        vote=Vote(
            person=entry.statement.by,
            name=entry.statement.by
            if person is None
            else printed_name(store, person.profile, person.id),
            role=waiver.role,
            holds_role=person is not None
            and person.holds(
                waiver.role,
                split_key(request.model)[1][-1],
                request.transition.environment,
            ),
            decision=Decision.APPROVE,
            index=entry.index,
            expires=None,
            stale=stale,
        ),
    )
