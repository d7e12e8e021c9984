"""Who read a request's evidence and when, as far as each reader signed it."""

from __future__ import annotations

from console.services.opened import OpenStore, parse_time
from policies.document import Policy
from policies.errors import MalformedStatement
from policies.evidence_reading import read_manifest
from policies.predicates import Decision
from policies.rules.readings import Reading
from policies.trust_state import TrustState
from policies.workflow import Entry, RequestRecord
from store.identifiers import split_key

_KINDS = frozenset({"evidence_age", "evidence_by"})


def readings_of(
    store: OpenStore,
    record: RequestRecord,
    policy: Policy,
    states: tuple[TrustState, TrustState],
    position: int,
) -> tuple[Reading, ...]:
    """What the requester read, and what approvers before a position read again; nothing
    unless a rule of the policy asks.

    `states` are the one at that position and the one that says which keys were stolen.
    Items that the manifest says somebody else read are left out: nobody signed that.
    Whoever no longer holds a role reads without it.
    """
    if not any(rule.kind in _KINDS for rule in policy.rules):
        return ()
    state, known = states
    items = read_manifest(store.objects.get(record.request.evidence)).items
    requester = record.entry.statement.by
    readings = [
        _reading(record, record.entry, state, item.kind, item.read_at)
        for item in items
        if item.read_by == requester
    ]
    frozen = {(item.kind, item.digest) for item in items}
    for entry, approval in record.answers:
        if entry.index >= position or approval.decision is not Decision.APPROVE:
            continue
        if known.is_suspect(entry.key, entry.index):
            continue
        readings += [
            _reading(record, entry, state, check.kind, entry.statement.at)
            for check in approval.checks
            if check.result == "same" and (check.kind, check.digest) in frozen
        ]
    return tuple(readings)


def _reading(
    record: RequestRecord, entry: Entry, state: TrustState, kind: str, moment: str
) -> Reading:
    reader = entry.statement.by
    person = state.people.get(reader)
    request = record.request
    model, environment = split_key(request.model)[1][-1], request.transition.environment
    roles = {
        grant.role
        for grant in (person.grants if person else ())
        if person and person.holds(grant.role, model, environment)
    }
    try:
        read_at = parse_time(moment)
    except (ValueError, MalformedStatement):
        read_at = None
    is_requester = reader == record.entry.statement.by
    return Reading(kind, reader, frozenset(roles), is_requester, read_at)
