"""Requests and the text that is signed: found, rendered anew, and who answered."""

from __future__ import annotations

from dataclasses import dataclass

from console.services.founding import printed_name
from console.services.gathering import policy_before
from console.services.judging import evidence_of, model_record
from console.services.opened import OpenStore
from console.services.problems import Misuse, Refusal
from console.services.waiver_votes import Moment, waiver_votes
from console.services.words import ERASED, read_words
from policies.document import Policy
from policies.document_reading import read_policy
from policies.predicates import (
    Decision,
)
from policies.review import ReviewSubject, render_review
from policies.rules import evaluate_facts
from policies.trust_state import TrustState
from policies.workflow import RequestRecord
from store.errors import UnknownReference
from store.identifiers import split_key
from store.objects import sha256_hex
from store.references import ReferenceKind, parse_reference


@dataclass(frozen=True, slots=True)
class ReviewSheet:
    """What an approver reads: the text to sign, and what stands outside it."""

    record: RequestRecord
    text: str
    digest: str
    short_code: str
    """The beginning of the digest, to be read aloud between two machines."""
    policy: Policy
    pending: tuple[str, ...]
    """Roles that still lack approvals, in words."""


def find_request(store: OpenStore, text: str, state: TrustState) -> RequestRecord:
    """The request that a person typed by the beginning of its statement id.

    Raises:
        UnknownReference: none or several begin so.
    """
    reference = parse_reference(text, default_kind=ReferenceKind.REQUEST)
    if reference.kind is not ReferenceKind.REQUEST:
        raise Misuse(f"{text} is no request", hint="Write request:ID.")
    records = all_requests(store, state)
    matching = [r for r in records if r.id.startswith(reference.name.lower())]
    if len(matching) == 1:
        return matching[0]
    near = [f"request:{r.id[:12]}" for r in (matching or records)][-8:]
    raise UnknownReference(
        f"{reference} names {'several requests' if matching else 'no request'}",
        candidates=tuple(near),
        hint=f"Known: {', '.join(near)}" if near else "There are no requests yet.",
    )


def all_requests(store: OpenStore, state: TrustState) -> list[RequestRecord]:
    """Every request in the log, oldest first."""
    found: list[RequestRecord] = []
    for topic in store.index.topics_starting("decision:"):
        record = model_record(store, topic.removeprefix("decision:"), state)
        found += record.requests.values()
    return sorted(found, key=lambda record: record.entry.index)


def review_sheet(
    store: OpenStore, record: RequestRecord, state: TrustState
) -> ReviewSheet:
    """Render the review anew and hold it against the digest that was frozen.

    Raises:
        Refusal: what this machine renders is not what was frozen.
    """
    request = record.request
    evidence = evidence_of(store, record)
    policy = read_policy(store.objects.get(request.policy))
    subject = ReviewSubject(
        request.request_id,
        record.entry.statement.by,
        read_words(store, request.reason),
        request.transition,
        request.root,
    )
    facts, earlier = evaluate_facts(policy, evidence), policy_before(store, evidence)
    text = render_review(subject, evidence, policy, facts, earlier)
    digest = sha256_hex(text.encode())
    if digest != request.review and read_words(store, request.reason) == ERASED:
        raise Refusal(
            "the words of this request were erased, so its review cannot be shown",
            hint="Withdraw it and make a new one.",
        )
    if digest != request.review:
        raise Refusal(
            "the review text rendered here is not the one the request froze",
            hint="Do not sign. The request was made with other evidence or by another "
            "program; ask for a new one.",
        )
    return ReviewSheet(
        record, text, digest, digest[:10], policy, _pending(record, policy)
    )


def _pending(record: RequestRecord, policy: Policy) -> tuple[str, ...]:
    waiting = []
    for quorum in policy.quorums:
        people = {
            entry.statement.by
            for entry, approval in record.answers
            if approval.role == quorum.role and approval.decision is Decision.APPROVE
        }
        if len(people) < quorum.count:
            waiting.append(f"{quorum.count - len(people)} x {quorum.role}")
    return tuple(waiting)


def roles_to_answer(
    sheet: ReviewSheet, state: TrustState, person_id: str
) -> tuple[str, ...]:
    """Roles in which a person could answer a request."""
    person, request = state.people.get(person_id), sheet.record.request
    if person is None:
        return ()
    name = split_key(request.model)[1][-1]
    return tuple(
        quorum.role
        for quorum in sheet.policy.quorums
        if person.holds(quorum.role, name, request.transition.environment)
    )


def signers_of(
    store: OpenStore, record: RequestRecord, state: TrustState
) -> list[tuple[str, str, str, str]]:
    """Who answered a request: name, role, decision, time claimed."""
    found: list[tuple[str, str, str, str]] = []
    for entry, approval in record.answers:
        person = state.people.get(entry.statement.by)
        name = (
            printed_name(store, person.profile, person.id)
            if person
            else entry.statement.by
        )
        found.append((name, approval.role, approval.decision.value, entry.statement.at))
    return found


def waivers_of(
    store: OpenStore, record: RequestRecord, policy: Policy, state: TrustState
) -> list[str]:
    """Waivers of a request that were not withdrawn, each as a sentence."""
    moment = Moment(state, state, store.index.size, store.clock())
    return [
        f"{', '.join(found.rules)} waived by {found.vote.name} as {found.vote.role} "
        f"until {found.until}" + (f": {found.vote.stale}" if found.vote.stale else "")
        for found in waiver_votes(store, record, policy, "", moment)
    ]
