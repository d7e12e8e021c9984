"""Whose releases of a launch count, and who could still release it, in which role."""

from __future__ import annotations

from collections.abc import Sequence

from console.services.opened import OpenStore
from console.services.pipelines.launch_judging import JudgedLaunch
from policies.document import Policy, Quorum
from policies.launch_permissions import pipeline_subject
from policies.predicates import Decision
from policies.rules import Vote
from policies.rules.people import count_votes
from policies.verdict import Verdict


def release_roles(
    store: OpenStore, policy: Policy, person: str, pipeline: str, environment: str
) -> list[str]:
    """The roles in which somebody could release a launch under a policy."""
    found = store.state().people.get(person)
    subject = pipeline_subject(pipeline)
    return [
        quorum.role
        for quorum in policy.quorums
        if found is not None and found.holds(quorum.role, subject, environment)
    ]


def roles_left(judged: JudgedLaunch, person: str, roles: Sequence[str]) -> list[str]:
    """Those of the roles that somebody holds in which they have not decided yet, and
    their release would count."""
    policy = judged.policy
    if policy is None or not judged.lacks_people_only:
        return []
    if judged.tree.verdict is Verdict.YES:
        return []
    return [
        quorum.role
        for quorum in policy.quorums
        if quorum.role in roles
        and standing_vote(judged, person, quorum.role) is None
        and could_count(judged, quorum, person)
    ]


def standing_vote(judged: JudgedLaunch, person: str, role: str) -> Vote | None:
    """What somebody decided in a role, if that still counts."""
    theirs = [v for v in judged.votes if (v.person, v.role) == (person, role)]
    last = max(theirs, key=lambda vote: vote.index, default=None)
    if last is None or judged.policy is None or judged.context is None:
        return None
    if last.decision is Decision.REJECT:
        return last if last.holds_role else None
    counts = any(
        count_votes(quorum, [last], judged.context)[0]
        for quorum in judged.policy.quorums
    )
    return last if counts else None


def could_count(judged: JudgedLaunch, quorum: Quorum, person: str) -> bool:
    """Whether a release by somebody who holds the role would count in a quorum."""
    if judged.context is None:
        return False
    would_be = Vote(person, person, quorum.role, True, Decision.APPROVE, 0, None)
    return bool(count_votes(quorum, [would_be], judged.context)[0])
