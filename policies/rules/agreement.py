"""Whether the people who approved are enough, together and in order.

Each quorum is judged over the same votes; an order between them and the wish for
different people are judged on top, so that no order of the votes in hand matters
except that of the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from policies.document import Policy, Quorum, Rejection
from policies.predicates import Decision
from policies.rules.context import Context
from policies.rules.people import (
    Vote,
    count_votes,
    judge_quorum,
    judge_rejections,
    quorum_name,
)
from policies.seating import seats_filled
from policies.verdict import Node, Verdict, all_of

_TOO_EARLY = "signed before {} had approved"


def judge_approvals(policy: Policy, votes: Sequence[Vote], context: Context) -> Node:
    """Every quorum, in order, by different people, and no rejection that stands."""
    ordered = _in_order(policy, votes, context)
    nodes = [
        judge_quorum(quorum, ordered[number], context)
        for number, quorum in enumerate(policy.quorums)
    ]
    if policy.wants_different_people and len(policy.quorums) > 1:
        nodes.append(_different_people(policy, ordered, context))
    rejections = judge_rejections(votes, context)
    if policy.rejection is Rejection.OUTVOTED and rejections.verdict is Verdict.NO:
        rejections = replace(
            rejections,
            verdict=Verdict.YES,
            observed=f"{rejections.observed}, and outvoted",
            wanted="rejections are outvoted by the quorums",
        )
    return all_of("approvals", [*nodes, rejections])


def _in_order(
    policy: Policy, votes: Sequence[Vote], context: Context
) -> Mapping[int, Sequence[Vote]]:
    """The votes as each quorum counts them: stale before those it comes after."""
    complete: dict[str, int | None] = {}
    found: dict[int, Sequence[Vote]] = {}
    waiting = list(enumerate(policy.quorums))
    while waiting:
        for number, quorum in list(waiting):
            roles = {other.role for _, other in waiting if other is not quorum}
            if any(role in roles for role in quorum.after):
                continue
            found[number] = _after(quorum, votes, complete)
            done = _completed_at(quorum, found[number], context)
            earlier = complete.get(quorum.role, -1)
            complete[quorum.role] = (
                None if done is None or earlier is None else max(done, earlier)
            )
            waiting.remove((number, quorum))
    return found


def _after(
    quorum: Quorum, votes: Sequence[Vote], complete: Mapping[str, int | None]
) -> Sequence[Vote]:
    late = [role for role in quorum.after if complete.get(role) is None]
    limit = max((complete.get(role) or -1 for role in quorum.after), default=-1)
    names = " and ".join(quorum.after)
    return [
        replace(vote, stale=vote.stale or _TOO_EARLY.format(names))
        if vote.role == quorum.role and (late or vote.index <= limit)
        else vote
        for vote in votes
    ]


def _completed_at(
    quorum: Quorum, votes: Sequence[Vote], context: Context
) -> int | None:
    """The entry at which a quorum had enough of the people who count.

    Of a person who approved again the first approval that still counts is taken, so
    that signing once more puts nobody else's approval before it.
    """
    counted, _ = count_votes(quorum, votes, context)
    places = sorted(
        _first_standing(person, quorum, votes, context) for person in counted
    )
    return places[quorum.count - 1] if len(places) >= quorum.count else None


def _first_standing(
    person: str, quorum: Quorum, votes: Sequence[Vote], context: Context
) -> int:
    theirs = [v for v in votes if (v.person, v.role) == (person, quorum.role)]
    rejected = max(
        (v.index for v in theirs if v.decision is Decision.REJECT), default=-1
    )
    return min(
        v.index
        for v in theirs
        if v.index > rejected and person in count_votes(quorum, [v], context)[0]
    )


def _different_people(
    policy: Policy, votes: Mapping[int, Sequence[Vote]], context: Context
) -> Node:
    """Whether nobody is needed in two quorums at once."""
    seats: list[set[str]] = []
    names: dict[str, str] = {}
    for number, quorum in enumerate(policy.quorums):
        counted, _ = count_votes(quorum, votes[number], context)
        names |= counted
        seats += [set(counted)] * min(quorum.count, len(counted))
    is_met = seats_filled(seats) == len(seats)
    wanted = sum(quorum.count for quorum in policy.quorums)
    return Node(
        "different people approved",
        Verdict.YES if is_met else Verdict.NO,
        ", ".join(sorted(names.values())) or "nobody",
        f"{wanted} different people, none counted in two of: "
        + ", ".join(quorum_name(quorum) for quorum in policy.quorums),
        "Somebody else with one of the roles must sign.",
    )
