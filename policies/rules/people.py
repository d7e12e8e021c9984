"""Rules about people: quorums by role, and who may not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from policies.document import Quorum
from policies.predicates import Decision
from policies.rules.context import Context
from policies.verdict import Node, Verdict

REJECTIONS = "no rejection stands"
"""What the judgement on rejections is called in a verdict."""


@dataclass(frozen=True, slots=True)
class Vote:
    """A decision on the request, with its signer's standing at this log position."""

    person: str
    name: str
    """What a person calls them, for display."""
    role: str
    """The role they signed in."""
    holds_role: bool
    """Whether they hold it now, for this model and environment."""
    decision: Decision
    index: int
    expires: datetime | None
    stale: str = ""
    """Why the approval no longer stands, or empty."""


def judge_quorum(quorum: Quorum, votes: Sequence[Vote], context: Context) -> Node:
    """Enough distinct people approved in the role, and nobody's rejection stands."""
    wanted = f"{quorum.count} of the role {quorum.role}, not the requester"
    wanted += "".join(f", not the {name}" for name in quorum.exclude)
    counted, remarks = count_votes(quorum, votes, context)
    observed = ", ".join([*counted.values(), *remarks]) or "nobody"
    rule = quorum_name(quorum)
    if len(counted) < quorum.count:
        missing = quorum.count - len(counted)
        return Node(
            rule,
            Verdict.NO,
            observed,
            wanted,
            f"{missing} more must sign: countersign approve",
        )
    unknown = strangers(quorum, context)
    if unknown:
        return Node(
            rule,
            Verdict.UNKNOWN,
            f"{observed}; {', '.join(unknown)} maps to nobody in the trust root",
            wanted,
            "Enrol the person with that identity, so that separation can be judged.",
        )
    return Node(rule, Verdict.YES, observed, wanted)


def quorum_name(quorum: Quorum) -> str:
    """What a quorum is called in a verdict."""
    return f"approval by {quorum.count} x {quorum.role}"


def count_votes(
    quorum: Quorum, votes: Sequence[Vote], context: Context
) -> tuple[dict[str, str], list[str]]:
    """Names of who counts, by person id; and why each of the others does not."""
    counted: dict[str, str] = {}
    remarks: list[str] = []
    for vote in _latest(votes):
        if vote.role != quorum.role or vote.decision is Decision.REJECT:
            continue
        reason = _disqualified(vote, quorum, context)
        if reason:
            remarks.append(f"{vote.name}: {reason}")
        else:
            counted[vote.person] = vote.name
    return counted, remarks


def judge_rejections(votes: Sequence[Vote], context: Context) -> Node:
    """A rejection that stands blocks, whoever else approved."""
    rejecting = [
        vote.name
        for vote in _latest(votes)
        if vote.decision is Decision.REJECT and vote.holds_role
    ]
    return Node(
        REJECTIONS,
        Verdict.NO if rejecting else Verdict.YES,
        f"rejected by {', '.join(rejecting)}" if rejecting else "none",
        "none",
        "A rejection stands until its signer withdraws it or decides anew.",
    )


def _latest(votes: Sequence[Vote]) -> list[Vote]:
    """The last vote of each person in each role, in log order."""
    last: dict[tuple[str, str], Vote] = {}
    for vote in sorted(votes, key=lambda v: v.index):
        last[vote.person, vote.role] = vote
    return sorted(last.values(), key=lambda v: v.index)


def _disqualified(vote: Vote, quorum: Quorum, context: Context) -> str:
    if vote.person == context.requester:
        return "is the requester"
    if "trainer" in quorum.exclude and vote.person in context.trainers:
        return "ran the training"
    if "author" in quorum.exclude and vote.person in context.authors:
        return "wrote the code"
    if "owner" in quorum.exclude and vote.person == _owner(context):
        return "owns the model"
    if not vote.holds_role:
        return f"does not hold the role {vote.role} now"
    if vote.stale:
        return f"STALE, {vote.stale}"
    if vote.expires is not None and context.now >= vote.expires:
        return f"expired {vote.expires:%Y-%m-%d %H:%M} UTC"
    return ""


def _owner(context: Context) -> str:
    """Person id of the model's owner, or empty where nobody recorded one."""
    return context.model.owner_id if context.model else ""


def strangers(quorum: Quorum, context: Context) -> tuple[str, ...]:
    """Whom a quorum leaves out and nobody can be told apart from."""
    found: tuple[str, ...] = ()
    if "trainer" in quorum.exclude:
        found += context.unknown_trainers
        if not context.trainers and not context.unknown_trainers:
            found += ("whoever ran the training (not recorded)",)
    if "author" in quorum.exclude:
        found += context.unknown_authors
        if not context.authors and not context.unknown_authors:
            found += ("whoever wrote the code (not recorded)",)
    if "owner" in quorum.exclude and not _owner(context):
        found += ("whoever owns the model (no record)",)
    return found
