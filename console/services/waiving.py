"""Waiving: taking responsibility by name for rules that a request does not meet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from console.services.currency import require_current
from console.services.judging import evidence_of
from console.services.opened import OpenStore, parse_time, rfc3339
from console.services.problems import Misuse, Refusal
from console.services.reviewing import ReviewSheet
from console.services.signing import Acting, Appended, append
from console.services.words import put_words
from policies.document import WaiverTerms
from policies.predicates.records import Waiver
from policies.rules import evaluate_facts
from policies.rules.kinds import RULE_KINDS
from policies.verdict import Node, Verdict
from policies.workflow import RequestState
from store.identifiers import split_key

_CAN_BE_WAIVED = (RequestState.OPEN, RequestState.PROMOTING, RequestState.PROMOTED)


@dataclass(frozen=True, slots=True)
class WaiverDraft:
    """What somebody is about to take responsibility for."""

    rules: tuple[str, ...]
    asks: tuple[str, ...]
    """What each of the rules asks, in words."""
    role: str
    until: datetime


def waivable(store: OpenStore, sheet: ReviewSheet) -> tuple[Node, ...]:
    """Rules about evidence that are not met, and that the policy lets be waived."""
    terms = sheet.policy.waivers
    facts = evaluate_facts(sheet.policy, evidence_of(store, sheet.record))
    return tuple(
        node
        for node in facts.children
        if terms and node.rule in terms.rules and node.verdict is not Verdict.YES
    )


def draft_waiver(
    store: OpenStore,
    acting: Acting,
    sheet: ReviewSheet,
    rules: tuple[str, ...],
    *,
    expires: str = "",
    role: str = "",
) -> WaiverDraft:
    """Whether somebody may waive rules of a request, and for how long.

    Without `expires` it lasts as long as the policy lets it.

    Raises:
        Misuse: a rule or a time is none.
        Refusal: the policy or the signer's standing does not allow it.
    """
    policy, terms = sheet.policy, _terms(sheet, rules)
    if sheet.record.state not in _CAN_BE_WAIVED:
        raise Refusal(f"the request is {sheet.record.state.value}")
    if acting.id == sheet.record.entry.statement.by:
        raise Refusal(
            "who asks for a transition cannot waive a rule of it",
            hint="Somebody else with the role must decide.",
        )
    if role and role != terms.role:
        raise Refusal(f"the policy lets the role {terms.role!r} waive, not {role!r}")
    person = store.state().people.get(acting.id)
    request = sheet.record.request
    name = split_key(request.model)[1][-1]
    environment = request.transition.environment
    if person is None or not person.holds(terms.role, name, environment):
        raise Refusal(
            f"you do not hold the role {terms.role!r} here",
            hint=f"{terms.count} of that role may waive; see countersign trust show.",
        )
    if sheet.record.state is not RequestState.PROMOTED:
        require_current(store, sheet.record, "the waiver")
    met = {
        node.rule
        for node in evaluate_facts(policy, evidence_of(store, sheet.record)).children
        if node.verdict is Verdict.YES
    }
    for named in rules:
        if named in met:
            raise Misuse(f"{named} is met; there is nothing to waive")
    by_id = {rule.id: rule for rule in policy.rules}
    return WaiverDraft(
        rules=rules,
        asks=tuple(RULE_KINDS[by_id[name].kind].asks(by_id[name]) for name in rules),
        role=terms.role,
        until=_until(store, terms, expires),
    )


def waive(
    store: OpenStore,
    acting: Acting,
    sheet: ReviewSheet,
    draft: WaiverDraft,
    reason: str,
) -> Appended:
    """Sign a waiver as drafted.

    Raises:
        Misuse: there is no reason.
        Refusal: the log does not take it.
    """
    if not reason.strip():
        raise Misuse("a waiver has a reason", hint="--reason TEXT")
    store.require_known_types()
    request = sheet.record.request
    waiver = Waiver(
        request=sheet.record.id,
        model=request.model,
        version=request.version,
        manifest=request.manifest,
        transition=request.transition,
        policy=request.policy,
        rules=draft.rules,
        role=draft.role,
        reason=put_words(store, reason),
        expires=rfc3339(draft.until),
    )
    return append(store, acting, waiver, (request.version, request.manifest))


def _terms(sheet: ReviewSheet, rules: tuple[str, ...]) -> WaiverTerms:
    policy = sheet.policy
    if policy.waivers is None:
        raise Refusal(
            f"policy {policy.id} version {policy.version} lets nobody waive anything",
            hint="Remedy what is not met, or have the policy changed.",
        )
    known = {rule.id for rule in policy.rules}
    listed = ", ".join(policy.waivers.rules)
    for name in rules:
        if name not in known:
            raise Misuse(
                f"the policy has no rule {name!r}", hint=f"May be waived: {listed}"
            )
        if name not in policy.waivers.rules:
            raise Refusal(
                f"the rule {name!r} cannot be waived", hint=f"May be waived: {listed}"
            )
    if not rules or len(set(rules)) != len(rules):
        raise Misuse("a waiver names each rule once", hint=f"May be waived: {listed}")
    return policy.waivers


def _until(store: OpenStore, terms: WaiverTerms, expires: str) -> datetime:
    now = store.clock()
    longest = now + timedelta(days=terms.longest_days)
    if not expires:
        return longest
    try:
        until = parse_time(expires)
    except ValueError as cause:
        raise Misuse(
            f"{expires!r} is no time", hint="Write 2027-01-31 or 2027-01-31T12:00:00Z."
        ) from cause
    if until <= now:
        raise Misuse("a waiver ends in the future")
    if until > longest:
        raise Refusal(
            f"the policy lets a waiver last {terms.longest_days} days at most",
            hint=f"--expires {longest.astimezone(UTC):%Y-%m-%d} or earlier.",
        )
    return until
