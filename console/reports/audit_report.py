"""The audit report as data: every number in every other format comes from here.

A pure function of a log and its objects, so that whoever holds those can make it again
and compare.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from console.reports.launches import launches_told
from console.reports.whole_log import ModelHistory, WholeLog
from console.services.founding import printed_name
from console.services.opened import OpenStore, parse_time
from console.services.words import ERASED, MISSING, erasure_of, read_words
from policies.document_reading import read_policy
from policies.predicates import Approval
from policies.trust_root import Person
from policies.trust_state import TrustState
from policies.workflow import Entry, RequestRecord
from store.identifiers import split_key

SCHEMA = "countersign/audit-report/v1"
NON_CLAIMS = (
    "This file documents; it certifies compliance with nothing.",
    "It proves what was recorded, rendered and signed, not that somebody read it.",
    "Times are what signers claimed. Only a witness or a time stamp proves when.",
    "It is complete up to the log size it names. Nothing in it proves that no later "
    "entry exists; compare with a head obtained elsewhere (--head).",
    "Batches of facts that could not be taken in are named as its maker found them; "
    "the file does not hold them.",
    "Model bytes are as their readers found them when evidence was frozen.",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report is about; the log in the file is always whole."""

    model: str = ""
    since: str = ""
    until: str = ""

    def covers(self, model_key: str, at: str) -> bool:
        """Whether something about a model, claimed at a time, belongs in it."""
        source, name = split_key(model_key)[1]
        if self.model and self.model not in (name, f"{source}/{name}"):
            return False
        return self.covers_time(at)

    def covers_time(self, at: str) -> bool:
        """Whether something claimed at a time belongs in it."""
        moment = parse_time(at)
        return (not self.since or moment >= parse_time(self.since)) and (
            not self.until or moment < parse_time(self.until)
        )


@dataclass(frozen=True, slots=True)
class UnusableBatch:
    """A batch of facts that whoever made the report could not take in, and why."""

    entry: int
    digest: str
    reason: str


def build_report(
    log: WholeLog,
    scope: Scope,
    created_at: str,
    unusable_batches: Sequence[UnusableBatch] = (),
) -> dict[str, Any]:
    """The report over everything in the log.

    Promotions are judged again from their own evidence, policy, people and time.
    """
    store, state, models = log.store, log.state, log.models
    head = store.log.head()
    return {
        "schema": SCHEMA,
        "created_at": created_at,
        "scope": {"model": scope.model, "since": scope.since, "until": scope.until},
        "log": {"origin": store.origin, "size": head.size, "root": head.root},
        "first_trust_root": store.first_root,
        "trust_root": {
            "digest": state.root_digest,
            "version": state.root.version if state.root else 0,
            "expires": state.root.expires if state.root else "",
            "demo": bool(state.root and state.root.is_demo),
        },
        "non_claims": list(NON_CLAIMS),
        "people": [_person(store, state, person) for person in state.people.values()],
        "keys_no_longer_in_force": [
            {
                "id": period.key.id,
                "owner": period.owner,
                "until_entry": period.until,
                "stolen_since_entry": state.suspect_since.get(period.key.id),
            }
            for period in state.periods
            if period.until is not None
        ],
        "services": [
            {"id": s.id, "kind": s.kind.value, "keys": [k.id for k in s.keys]}
            for s in state.services.values()
        ],
        "policies": _policies(store),
        "erasures": _erasures(store),
        "unusable_batches": [
            {"entry": b.entry, "object": b.digest, "reason": b.reason}
            for b in unusable_batches
        ],
        "promotions": [
            _promotion(model, history, slot, position)
            for model, history in models.items()
            for slot, held in sorted(history.record.holders.items())
            for position, holder in enumerate(held)
            if scope.covers(model, holder.intent.statement.at)
        ],
        "requests": [
            _request(store, state, request)
            for model, history in models.items()
            for request in history.record.requests.values()
            if scope.covers(model, request.entry.statement.at)
        ],
        "launches": [
            told
            for told in launches_told(log, created_at)
            if scope.covers_time(told["at"])
        ]
        if not scope.model
        else [],
        "entries": [
            {
                "index": e.index,
                "standing": e.judgement.standing.value,
                "reason": e.judgement.reason,
                "type": e.judgement.predicate_type,
                "signer": e.judgement.signer,
                "statement": e.judgement.statement_id,
                "leaf": e.leaf.hex(),
            }
            for e in log.indexed
        ],
    }


def _person(store: OpenStore, state: TrustState, person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": printed_name(store, person.profile, "(erased)"),
        "enrolled_at_entry": state.enrolled_at.get(person.id, -1),
        "keys": [
            {
                "id": key.id,
                "algorithm": key.algorithm.value,
                "spki": base64.b64encode(key.spki).decode(),
            }
            for key in person.keys
        ],
        "identities": list(person.identities),
        "grants": [
            {
                "role": grant.role,
                "models": list(grant.models),
                "environments": list(grant.environments),
            }
            for grant in person.grants
        ],
    }


def _erasures(store: OpenStore) -> list[dict[str, Any]]:
    """Objects that were let go, and on whose word."""
    from policies.predicates.upkeep import Erasure

    found = []
    for entry in store.index.on_topics("upkeep"):
        _, statement = store.entry(entry.index)
        if isinstance(statement.predicate, Erasure):
            found.append(
                {
                    "entry": entry.index,
                    "by": statement.by,
                    "at": statement.at,
                    "object": statement.predicate.object,
                    "kind": statement.predicate.kind.value,
                    "replacement": statement.predicate.replacement,
                    "reason": read_words(store, statement.predicate.reason),
                }
            )
    return found


def _policies(store: OpenStore) -> list[dict[str, Any]]:
    found = []
    for entry in store.index.on_topics("policy"):
        _, statement = store.entry(entry.index)
        digest = getattr(statement.predicate, "digest", "")
        data = store.objects.get(digest)
        policy = read_policy(data)
        found.append(
            {
                "id": policy.id,
                "version": policy.version,
                "digest": digest,
                "endorsed_by": statement.by,
                "entry": entry.index,
                "text": data.decode(),
            }
        )
    return found


def _answers(
    store: OpenStore, state: TrustState, request: RequestRecord
) -> list[dict[str, Any]]:
    return [_answer(store, state, e, a) for e, a in request.answers]


def _answer(
    store: OpenStore, state: TrustState, entry: Entry, approval: Approval
) -> dict[str, Any]:
    return {
        "entry": entry.index,
        "statement": entry.id,
        "person": entry.statement.by,
        "name": _name(store, state, entry.statement.by),
        "at": entry.statement.at,
        "decision": approval.decision.value,
        "meaning": approval.meaning,
        "role": approval.role,
        "reason": read_words(store, approval.reason),
        "review": approval.review,
        "evidence": approval.evidence,
        "expires": approval.expires,
        "reread": {check.kind: check.result for check in approval.checks},
    }


def _name(store: OpenStore, state: TrustState, person_id: str) -> str:
    person = state.people.get(person_id)
    return printed_name(store, person.profile, "(erased)") if person else person_id


def _request(
    store: OpenStore, state: TrustState, record: RequestRecord
) -> dict[str, Any]:
    request = record.request
    return {
        "entry": record.entry.index,
        "statement": record.id,
        "state": record.state.value,
        "model": "/".join(split_key(request.model)[1]),
        "version": split_key(request.version)[1][-1],
        "manifest": request.manifest,
        "from": request.transition.from_stage,
        "to": request.transition.to_stage,
        "environment": request.transition.environment,
        "requested_by": record.entry.statement.by,
        "requester": _name(store, state, record.entry.statement.by),
        "at": record.entry.statement.at,
        "reason": read_words(store, request.reason),
        "policy": request.policy,
        "evidence": request.evidence,
        "review": request.review,
        "answers": _answers(store, state, record),
        "waivers": _waivers(store, state, record),
    }


def _waivers(
    store: OpenStore, state: TrustState, request: RequestRecord
) -> list[dict[str, Any]]:
    """Who took responsibility for rules that are not met, as they signed it."""
    return [
        {
            "entry": entry.index,
            "statement": entry.id,
            "person": entry.statement.by,
            "name": _name(store, state, entry.statement.by),
            "at": entry.statement.at,
            "role": waiver.role,
            "rules": list(waiver.rules),
            "reason": read_words(store, waiver.reason),
            "expires": waiver.expires,
        }
        for entry, waiver in request.waivers
    ]


def _promotion(
    model: str, history: ModelHistory, slot: tuple[str, str], position: int
) -> dict[str, Any]:
    store, state, record = history.store, history.state, history.record
    holder = record.holders[slot][position]
    request = record.requests[holder.request]
    judged = history.judged(holder, as_recorded=True)
    today = history.judged(holder, as_recorded=False)
    outcome = holder.outcome.statement.predicate
    return {
        "model": "/".join(split_key(model)[1]),
        "version": split_key(holder.version)[1][-1],
        "manifest": holder.manifest,
        "environment": slot[0],
        "stage": slot[1],
        "is_current": position == len(record.holders[slot]) - 1
        and holder.ended is None,
        "intent": {"entry": holder.intent.index, "statement": holder.intent.id},
        "outcome": {
            "entry": holder.outcome.index,
            "kind": holder.outcome_kind.value,
            "registry": getattr(outcome, "registry", ""),
            "read_back": getattr(outcome, "read_back", ""),
        },
        "promoted_by": holder.intent.statement.by,
        "promoter": _name(store, state, holder.intent.statement.by),
        "at": holder.intent.statement.at,
        "request": request.id,
        "stands_with_what_is_known_now": today.tree.verdict.value,
        "verdict_judged_again": judged.tree.to_json(),
        "answers": [
            answer
            for answer in _answers(store, state, request)
            if answer["entry"] < holder.intent.index
        ],
        "waivers": [
            waiver
            for waiver in _waivers(store, state, request)
            if waiver["entry"] < holder.intent.index
        ],
        "review_text": _text(store, request.request.review),
    }


def _text(store: OpenStore, digest: str) -> str:
    data = store.objects.find(digest)
    if data is not None:
        return data.decode()
    return MISSING if erasure_of(store, digest) is None else ERASED
