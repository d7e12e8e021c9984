"""Judging a request, or a standing promotion, at one position of the log.

Everything is read as bytes by digest or by index and verified again; the projection
has no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from console.services.artifact_check import check_artifact
from console.services.cosigned import heads_of
from console.services.makers import context_of
from console.services.opened import OpenStore, parse_time
from console.services.readings import readings_of
from console.services.selecting import Wanted, policy_for
from console.services.stage_history import stages_held
from console.services.votes import votes_on
from console.services.waiver_votes import Moment, waiver_votes
from policies.document import OWNER, Policy
from policies.errors import MalformedPolicy, UnknownSelection
from policies.evidence import Evidence
from policies.evidence_reading import load_evidence, read_manifest
from policies.predicates import Transition
from policies.rules import evaluate
from policies.topics import model_topic
from policies.trust_state import TrustState
from policies.verdict import Node, Verdict, all_of
from policies.workflow import (
    Entry,
    Holder,
    ModelRecord,
    RequestRecord,
    RunningRecord,
    read_model_record,
)
from store.identifiers import split_key

_IN_FILE = frozenset({"model_record", "findings", "observation", "canary"})
"""Kinds of rule that look into the model's file."""
FROZEN = (
    "the evidence is about the version asked for",
    "the stage is held as it was when the evidence was frozen",
)
"""What must not have changed since a request was made."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict with what it was reached on."""

    tree: Node
    policy: Policy | None
    evidence: Evidence | None
    position: int
    judged_at: datetime


@dataclass(frozen=True, slots=True)
class Copy:
    """Where the copy that serves lies."""

    source: str
    location: str


def _copy_of(holder: Holder) -> Copy | None:
    if not holder.placed:
        return None
    return Copy(split_key(holder.placed)[1][0], holder.placed_at)


def model_record(store: OpenStore, model_key: str, state: TrustState) -> ModelRecord:
    """Everything decided about a model, signatures verified again."""
    return read_model_record(store.verified_entries(model_topic(model_key), state))


def evidence_of(store: OpenStore, record: RequestRecord) -> Evidence:
    """The evidence frozen for a request."""
    manifest = read_manifest(store.objects.get(record.request.evidence))
    return load_evidence(manifest, store.objects.get)


def judge_request(
    store: OpenStore,
    record: RequestRecord,
    holder_key: str,
    state: TrustState,
    *,
    now: datetime,
    position: int,
    artifact_folder: str = "",
    reads_artifact: bool = True,
    copy: Copy | None = None,
    known: TrustState | None = None,
    waivers_until: datetime | None = None,
    head: str | None = None,
    evidence: Evidence | None = None,
    instead: Sequence[Policy] | None = None,
) -> Judged:
    """The verdict on a request: its policy, evidence, votes, and its bytes now.

    `state`, `holder_key` and `position` belong together: the log before `position`.
    Without `reads_artifact` the bytes count as they were when evidence was frozen;
    with a `copy` they are read there.
    `known` is the state that says which keys were stolen; by default `state`. With
    `waivers_until` the waivers it rests on, or their renewals, must last until then.
    `head` is the cosigned head that a promotion kept; None: the newest there is.
    `evidence` is the request's, to callers that have read it already. `instead` stands
    for the policies in force, as if it had when the request was made: nobody has
    endorsed it, and answers given under another policy count.
    """
    request, known = record.request, known or state
    evidence = evidence or evidence_of(store, record)
    name = split_key(request.model)[1][-1]
    try:
        policy = policy_for(
            store,
            Wanted.of(record),
            state,
            position=position,
            known=known,
            among=instead,
        )
    except MalformedPolicy as problem:
        is_open = isinstance(problem, UnknownSelection)
        verdict = Verdict.UNKNOWN if is_open else Verdict.NO
        tree = Node("a policy in force", verdict, str(problem), "one", problem.hint)
        return Judged(tree, None, evidence, position, now)
    if reads_artifact:
        artifact = check_artifact(
            store,
            evidence.model,
            folder=artifact_folder,
            source=copy.source if copy else "",
            location=copy.location if copy else "",
        )
        evidence = replace(evidence, artifact=artifact)
    asked_under = request.policy if instead is None else policy.digest
    stale = _staleness(asked_under, evidence, policy, holder_key)
    votes = votes_on(store, record, (state, known), position, stale, policy)
    context = replace(
        context_of(record, evidence, state, now, known),
        readings=readings_of(store, record, policy, (state, known), position),
        held=stages_held(store, record, policy, known, position),
        request_entry=record.entry.index,
        cosigned=heads_of(store, policy, head),
    )
    if _asks_for_file(policy):
        from console.services.record_facts import with_record

        context = with_record(context, store, record, (state, known), position)
    waivers = waiver_votes(
        store, record, policy, stale, Moment(state, known, position, now)
    )
    judged = evaluate(policy, evidence, votes, context, waivers)
    lasting: list[Node] = []
    if waivers_until is not None and waivers:
        until = Moment(state, known, position, waivers_until, counts_later=True)
        renewed = waiver_votes(store, record, policy, stale, until)
        again = evaluate(policy, evidence, votes, context, renewed)
        lasting.append(_waivers_last(judged, again))
    documents = (state.root_digest, *(() if instead else (policy.digest,)))
    tree = all_of(
        f"{name} {evidence.model.version}: {request.transition}",
        [
            _root_in_force(state, now),
            _no_stolen_key([record.entry], documents, known),
            *_frozen_checks(record, evidence, policy, holder_key),
            *judged.children,
            *lasting,
        ],
        wanted=f"policy {policy.id} version {policy.version}",
    )
    return Judged(tree, policy, evidence, position, now)


def judge_standing(
    store: OpenStore,
    record: ModelRecord,
    holder: Holder,
    now: datetime,
    *,
    artifact_folder: str = "",
    reads_artifact: bool = True,
    as_recorded: bool = False,
    before: Callable[[int], ModelRecord] | None = None,
) -> Judged:
    """Whether a promotion that was made still stands: judged as it was then, plus
    the bytes as they are now, without what was signed with keys stolen by then, with
    waivers only as long as they last, and only until the model's next review is due.

    `as_recorded` leaves out what became known of stolen keys later. `before` gives the
    model's record below an index to callers that have read it already.
    """
    intent = holder.promoted_by
    request = record.requests[holder.request]
    position = holder.intent.index
    earlier = (before or _read_before(store, intent.model))(position)
    then = store.state(before=position)
    known = then if as_recorded else store.state()
    incumbent = earlier.holder(
        intent.transition.environment, intent.transition.to_stage
    )
    judged = judge_request(
        store,
        replace(
            earlier.requests[holder.request],
            answers=tuple(a for a in request.answers if a[0].index < position),
            waivers=request.waivers,
        )
        if holder.request in earlier.requests
        else request,
        incumbent.version if incumbent else "",
        then,
        now=parse_time(intent.judged_at),
        position=position,
        artifact_folder=artifact_folder,
        reads_artifact=reads_artifact,
        copy=_copy_of(holder),
        known=known,
        waivers_until=None if as_recorded else now,
        head=intent.head,
    )
    tree = all_of(
        judged.tree.rule,
        [
            Node(
                "a promotion in the log",
                Verdict.YES,
                f"entries {holder.intent.index} and {holder.outcome.index}, "
                f"{holder.outcome_kind.value}",
                "an intent and its outcome",
            ),
            _no_stolen_key([holder.intent, holder.outcome], (), known),
            *judged.tree.children,
            *([] if as_recorded else _in_time(store, judged, holder, known, now)),
        ],
        wanted=judged.tree.wanted,
    )
    return replace(judged, tree=tree, judged_at=now)


def _in_time(
    store: OpenStore, judged: Judged, holder: Holder, known: TrustState, now: datetime
) -> list[Node]:
    """Whether the model's next review is still ahead, if its policy asked for one."""
    policy = judged.policy
    if policy is None or not any(
        rule.kind == "model_record" and "review_by" in rule.names("require")
        for rule in policy.rules
    ):
        return []
    from console.services.record_facts import review_still_ahead

    model, position = holder.promoted_by.model, holder.intent.index
    return review_still_ahead(store, model, known, position, now)


def _asks_for_file(policy: Policy) -> bool:
    """Whether anything in a policy turns on the model's file."""
    barring = [q.exclude for q in policy.quorums]
    barring += [policy.waivers.exclude] if policy.waivers else []
    return any(rule.kind in _IN_FILE for rule in policy.rules) or any(
        OWNER in exclude for exclude in barring
    )


def _waivers_last(then: Node, now: Node) -> Node:
    """Whether every rule that was waived when it was promoted is waived still."""
    ended = [
        later
        for part, part_now in zip(then.children, now.children, strict=True)
        for earlier, later in zip(part.children, part_now.children, strict=True)
        if earlier.verdict is Verdict.YES and later.verdict is not Verdict.YES
    ]
    return Node(
        "the waivers that it rests on last",
        Verdict.NO if ended else Verdict.YES,
        "; ".join(f"{node.rule}: {node.observed}" for node in ended) or "they do",
        "none has ended",
        "Waive anew, or promote a version that meets the rules.",
    )


def _read_before(store: OpenStore, model_key: str) -> Callable[[int], ModelRecord]:
    entries = store.verified_entries(model_topic(model_key), store.state())
    return RunningRecord(entries).before


def _root_in_force(state: TrustState, now: datetime) -> Node:
    root = state.root
    expires = parse_time(root.expires) if root else now
    return Node(
        "the trust root has not expired",
        Verdict.YES if now < expires else Verdict.NO,
        f"expires {expires:%Y-%m-%d}",
        "a trust root in force",
        "Sign the next trust root.",
    )


def _no_stolen_key(
    entries: Sequence[Entry], documents: Sequence[str], known: TrustState
) -> Node:
    """Whether thieves can have signed what a verdict rests on, votes aside."""
    what = "the request, policy and trust root" if documents else "the promotion"
    suspect = [
        f"entry {entry.index}"
        for entry in entries
        if known.is_suspect(entry.key, entry.index)
    ]
    suspect += [
        f"document {digest[:16]}"
        for digest in documents
        if known.lacks_endorsements(digest)
    ]
    return Node(
        f"nobody else can have signed {what}",
        Verdict.NO if suspect else Verdict.YES,
        f"signed with a stolen key: {', '.join(suspect)}" if suspect else "none known",
        "no key that was stolen by then",
        "Have it signed anew by people whose keys are their own.",
    )


def _frozen_checks(
    record: RequestRecord, evidence: Evidence, policy: Policy, holder_key: str
) -> list[Node]:
    """What must not have changed since the request was made."""
    request = record.request
    current = evidence.incumbent.version_key
    return [
        Node(
            FROZEN[0],
            Verdict.YES
            if (evidence.model.version_key, evidence.model.manifest)
            == (request.version, request.manifest)
            else Verdict.NO,
            evidence.model.manifest[:16],
            request.manifest[:16],
        ),
        Node(
            FROZEN[1],
            Verdict.YES if current == holder_key else Verdict.NO,
            f"now {_short(holder_key)}",
            f"then {_short(current)}",
            "Withdraw this request and make a new one.",
        ),
    ]


def _short(version_key: str) -> str:
    return "@".join(split_key(version_key)[1][-2:]) if version_key else "empty"


def _staleness(
    asked_under: str, evidence: Evidence, policy: Policy, holder_key: str
) -> str:
    if policy.digest != asked_under:
        return f"the policy is now {policy.id} version {policy.version}"
    if evidence.incumbent.version_key != holder_key:
        return "the stage is held by another version now"
    return ""


def no_request(transition: Transition, reference: str) -> Node:
    """The verdict where nobody asked for the transition."""
    return all_of(
        f"{reference}: {transition}",
        [
            Node(
                "a request for this transition",
                Verdict.NO,
                "none is open",
                "one",
                f"Ask for it: countersign request {reference} --to "
                f"{transition.to_stage} --reason TEXT",
            )
        ],
    )
