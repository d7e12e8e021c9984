"""The sign-off of one transition: request, review, approve or reject, withdraw."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from console.services.currency import require_current
from console.services.gathering import Incumbent, gather, policy_before
from console.services.hopes import require_hope, require_signers
from console.services.judging import evidence_of, model_record
from console.services.opened import OpenStore, rfc3339
from console.services.problems import Misuse, Refusal
from console.services.reviewing import ReviewSheet, find_request, roles_to_answer
from console.services.selecting import Wanted, policy_for
from console.services.signing import Acting, Appended, append
from console.services.words import put_words
from policies.document import Policy
from policies.evidence import Evidence, EvidenceManifest, ItemReference, item_bytes
from policies.evidence_reading import read_manifest
from policies.permissions import WITHDRAWABLE, withdrawn_under
from policies.predicates import (
    Approval,
    Decision,
    EvidenceCheck,
    Request,
    Transition,
    Withdrawal,
)
from policies.review import ReviewSubject, render_review
from policies.rules import evaluate_facts
from policies.verdict import Node
from policies.workflow import Holder, RequestRecord, RequestState
from store.errors import UnknownReference
from store.objects import sha256_hex
from store.queries.models import ModelVersion, list_versions
from store.references import Reference, ReferenceKind, parse_reference

MEANINGS = {Decision.APPROVE: "approval", Decision.REJECT: "rejection"}
APPROVAL_LIFETIME = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Requested:
    """A request that was made, and how its rules stand."""

    appended: Appended
    policy: Policy
    facts: Node


def request_transition(
    store: OpenStore,
    acting: Acting,
    version: ModelVersion,
    to_stage: str,
    environment: str,
    reason: str,
    *,
    allows_failing: bool = False,
) -> Requested:
    """Freeze the evidence and ask for a transition.

    With `allows_failing` rules may be unmet that the policy lets people waive.

    Raises:
        Refusal: the request is open already.
        Hopeless: it could never be granted as things are; nothing was logged.
        MalformedPolicy: no policy covers it.
    """
    if not reason.strip():
        raise Misuse("a request has a reason", hint="--reason TEXT")
    store.require_known_types()
    state = store.state()
    record = model_record(store, version.model_key, state)
    holder = record.holder(environment, to_stage)
    if holder is not None and holder.version == version.key:
        raise Refusal(f"{version.reference} holds {to_stage} in {environment} already")
    transition = Transition(
        _stage_of(record.holders, version.key, environment), to_stage, environment
    )
    standing = record.open_request(version.key, transition)
    if standing is not None:
        raise Refusal(
            f"request:{standing.id[:12]} asks for this already",
            hint="Approve it, or withdraw it first.",
        )
    policy = policy_for(
        store, Wanted(version.model_key, version.key, transition, acting.id), state
    )
    evidence = gather(store, version, Incumbent.of(holder))
    facts = evaluate_facts(policy, evidence)
    require_hope(policy, facts, allows_failing=allows_failing)
    where = (version.model, environment)
    require_signers(store, state, policy, evidence, where, acting.id)
    manifest = _freeze(store, acting.id, evidence)
    request_id = secrets.token_hex(16)
    subject = ReviewSubject(
        request_id, acting.id, reason, transition, state.root_digest
    )
    earlier = policy_before(store, evidence)
    review = render_review(subject, evidence, policy, facts, earlier)
    request = Request(
        request_id=request_id,
        model=version.model_key,
        version=version.key,
        manifest=evidence.model.manifest,
        transition=transition,
        policy=policy.digest,
        root=state.root_digest,
        evidence=store.objects.put(manifest.to_bytes()),
        review=store.objects.put(review.encode()),
        reason=put_words(store, reason),
    )
    appended = append(
        store, acting, request, (version.reference, evidence.model.manifest)
    )
    return Requested(appended, policy, facts)


def _stage_of(
    holders: dict[tuple[str, str], list[Holder]], version: str, environment: str
) -> str:
    """The stage a version holds in an environment now, or none."""
    for (where, stage), held in holders.items():
        if (
            where == environment
            and held[-1].ended is None
            and held[-1].version == version
        ):
            return stage
    return ""


def _freeze(store: OpenStore, reader: str, evidence: Evidence) -> EvidenceManifest:
    now = rfc3339(store.clock())
    return EvidenceManifest(
        tuple(
            ItemReference(
                kind,
                store.objects.put(item_bytes(item)),
                evidence.model.source,
                reader,
                now,
            )
            for kind, item in evidence.items().items()
        )
    )


def answer_request(
    store: OpenStore,
    acting: Acting,
    sheet: ReviewSheet,
    decision: Decision,
    reason: str,
    *,
    role: str = "",
) -> Appended:
    """Approve or reject, bound to the review text and the evidence as re-read here.

    Raises:
        Refusal: the evidence changed, or the signer may not answer.
    """
    approval = bind_answer(
        store,
        acting,
        sheet,
        decision,
        reason,
        role,
        lambda: reread(store, sheet.record, acting.id),
    )
    return append(store, acting, approval, (approval.version, approval.manifest))


def bind_answer(
    store: OpenStore,
    acting: Acting,
    sheet: ReviewSheet,
    decision: Decision,
    reason: str,
    role: str,
    read_again: Callable[[], tuple[EvidenceCheck, ...]],
) -> Approval:
    """What somebody who may answer a request signs.

    Raises:
        Refusal: the evidence changed, or the signer may not answer.
    """
    if not reason.strip():
        raise Misuse("a decision has a reason", hint="--reason TEXT")
    store.require_known_types()
    state, request = store.state(), sheet.record.request
    if sheet.record.state is not RequestState.OPEN:
        raise Refusal(f"the request is {sheet.record.state.value}, not open")
    roles = roles_to_answer(sheet, state, acting.id)
    chosen = role or (roles[0] if roles else "")
    if not chosen or chosen not in roles:
        wanted = ", ".join(quorum.role for quorum in sheet.policy.quorums)
        raise Refusal(
            f"you hold none of the roles this policy asks for here ({wanted})"
            if not role
            else f"you do not hold the role {role!r} here, or it is not asked for",
            hint="Ask an enroller for the role.",
        )
    if decision is Decision.APPROVE and acting.id == sheet.record.entry.statement.by:
        raise Refusal(
            "who asks for a transition cannot approve it",
            hint="Somebody else with the role must decide.",
        )
    if decision is Decision.APPROVE:
        require_current(store, sheet.record, "an approval")
    checks = read_again()
    return Approval(
        request=sheet.record.id,
        model=request.model,
        version=request.version,
        manifest=request.manifest,
        transition=request.transition,
        policy=request.policy,
        root=request.root,
        evidence=request.evidence,
        review=sheet.digest,
        decision=decision,
        role=chosen,
        meaning=MEANINGS[decision],
        reason=put_words(store, reason),
        expires=rfc3339(store.clock() + APPROVAL_LIFETIME),
        checks=checks,
    )


def reread(
    store: OpenStore, record: RequestRecord, reader: str
) -> tuple[EvidenceCheck, ...]:
    """Read the evidence again on this machine and compare item by item.

    Raises:
        Refusal: an item is not what the request froze.
    """
    request = record.request
    frozen = evidence_of(store, record)
    store.projection.catch_up()
    with store.projection.reading() as connection:
        versions = list_versions(connection, key=request.version)
    holding = _holding(store, record, frozen.incumbent.version_key)
    again = gather(store, versions[0], holding) if versions else None
    checks, changed = [], []
    for item in read_manifest(store.objects.get(request.evidence)).items:
        result = "no-access"
        if again is not None and _was_reached(item.kind, again):
            digest = sha256_hex(item_bytes(again.items()[item.kind]))
            is_same = digest == item.digest
            result = "same" if is_same else _difference(item.kind, frozen, again)
        if result == "changed":
            changed.append(item.kind)
        checks.append(EvidenceCheck(item.kind, item.digest, result))
    if changed:
        raise Refusal(
            f"evidence changed since the request: {', '.join(changed)}"
            + _changed_files(again),
            hint="Do not sign. Ask for a new request on the evidence as it is.",
        )
    return tuple(checks)


def _was_reached(kind: str, again: Evidence) -> bool:
    """Whether this machine could read the artifact, if that is what is read again."""
    return kind != "artifact" or again.artifact.is_readable


def _difference(kind: str, frozen: Evidence, again: Evidence) -> str:
    """What it means that an item was read otherwise than it was frozen.

    A repository that one of the two machines could not reach tells nothing.
    """
    both = (frozen.code_changes, again.code_changes)
    is_out_of_reach = not all(changes.is_readable for changes in both)
    return "no-access" if kind == "code_changes" and is_out_of_reach else "changed"


def _holding(store: OpenStore, record: RequestRecord, version_key: str) -> Incumbent:
    """What the log says here about the version that held the stage."""
    asked = record.request.transition
    told = model_record(store, record.request.model, store.state())
    for holder in reversed(told.holders.get((asked.environment, asked.to_stage), [])):
        if holder.version == version_key:
            return Incumbent.of(holder)
    return Incumbent(version_key)


def _changed_files(evidence: Evidence | None) -> str:
    paths = [c.path for c in evidence.artifact.changes] if evidence else []
    return f" ({', '.join(paths[:5])})" if paths else ""


def withdraw(store: OpenStore, acting: Acting, text: str, reason: str) -> Appended:
    """Take back a request or an answer of one's own.

    Raises:
        StoreRefused: it is somebody else's.
    """
    if not reason.strip():
        raise Misuse("a withdrawal has a reason", hint="--reason TEXT")
    state = store.state()
    reference: Reference = parse_reference(text, default_kind=ReferenceKind.REQUEST)
    if reference.kind is ReferenceKind.REQUEST:
        record = find_request(store, text, state)
        statement, model = record.id, record.request.model
    else:
        found = [
            entry for entry in store.index.statements_starting(reference.name.lower())
        ]
        if len(found) != 1:
            raise UnknownReference(f"{text} names {len(found)} statements, not one")
        _, said = store.entry(found[0].index)
        if said.type not in WITHDRAWABLE:
            raise Misuse(
                "only requests, decisions, waivers and releases can be withdrawn"
            )
        statement = found[0].judgement.statement_id
        model = withdrawn_under(said)
    withdrawal = Withdrawal(statement, model, put_words(store, reason))
    return append(store, acting, withdrawal, ("statement", statement))
