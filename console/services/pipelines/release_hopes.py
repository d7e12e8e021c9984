"""Whether enough people could ever release a launch, before it is declared.

A verdict counts who signed. Whom it could count at all is said here, so that nobody is
asked to sign what cannot be released.
"""

from __future__ import annotations

from console.services.opened import OpenStore
from console.services.pipelines.launch_judging import JudgedLaunch
from console.services.pipelines.release_votes import could_count
from console.services.signers_known import holders_of
from policies.launch_permissions import pipeline_subject
from policies.rules.people import quorum_name, strangers


def undivided(judged: JudgedLaunch) -> str:
    """Why no release could count, whoever signs: the policy leaves somebody out whom
    nobody can be told apart from. Empty: it does not."""
    if judged.policy is None or judged.context is None:
        return ""
    for quorum in judged.policy.quorums:
        unknown = strangers(quorum, judged.context)
        if unknown:
            left_out = " and the ".join(quorum.exclude)
            return (
                f"no release could count: {quorum_name(quorum)} leaves the {left_out} "
                f"out, and {', '.join(unknown)} maps to nobody in the trust root, so "
                "that nobody can be told apart from them"
            )
    return ""


def too_few(
    store: OpenStore, judged: JudgedLaunch, pipeline: str, environment: str
) -> str:
    """Why too few people could release it as things are; empty: enough could."""
    if judged.policy is None or judged.context is None:
        return ""
    state, subject = store.state(), pipeline_subject(pipeline)
    for quorum in judged.policy.quorums:
        able = sum(
            could_count(judged, quorum, person.id)
            for person in holders_of(state, quorum.role, subject, environment)
        )
        if able < quorum.count:
            whom = "".join(f" and the {name}" for name in quorum.exclude)
            return (
                f"the policy wants {quorum.count} of the role {quorum.role}; "
                f"{able or 'nobody'} could sign, whoever launches{whom} aside"
            )
    return ""
