"""What is said to whoever releases a launch: in which role they may, whether they
decided so before, and why the launch still waits."""

from __future__ import annotations

from console.services.pipelines.launch_judging import RELEASE_COMMAND, JudgedLaunch
from console.services.pipelines.release_votes import standing_vote
from console.services.problems import Refusal
from policies.document import Policy
from policies.launch_permissions import pipeline_subject
from policies.predicates import Decision
from policies.verdict import Verdict


def require_news(
    launch: str, judged: JudgedLaunch, person: str, decision: Decision, role: str
) -> None:
    """Refuse a decision that the same person has made in the same role.

    Raises:
        Refusal: it is, and that one still counts.
    """
    before = standing_vote(judged, person, role)
    if before is None or before.decision is not decision:
        return
    is_released = judged.tree.verdict is Verdict.YES
    raise Refusal(
        f"you signed to {decision.value} it as {role} before, entry {before.index}, "
        f"which counts ({judged.held_words})",
        hint=f"countersign pipeline release {launch} --start"
        if is_released
        else _next_steps(launch, judged),
    )


def not_yet(launch: str, judged: JudgedLaunch) -> str:
    """Why it still waits, and what to do about it."""
    said = f"it is not released yet: {judged.held_words}"
    return f"{said}. {_next_steps(launch, judged)}".strip()


def _next_steps(launch: str, judged: JudgedLaunch) -> str:
    command = f"{RELEASE_COMMAND} {launch} --reason TEXT"
    steps = [
        leaf.why.replace(RELEASE_COMMAND, command)
        for leaf in judged.tree.leaves()
        if leaf.verdict is not Verdict.YES and leaf.why
    ]
    return " ".join(
        step if step.endswith((".", "TEXT")) else f"{step}."
        for step in dict.fromkeys(steps)
    )


def role_to_release(policy: Policy, roles: list[str], named: str, pipeline: str) -> str:
    """The role in which somebody decides who could in some.

    Raises:
        Refusal: they could in none, or not in the one that they name.
    """
    wanted = [quorum.role for quorum in policy.quorums]
    if roles and named in ("", *roles):
        return named or roles[0]
    held = f"; you hold {', '.join(roles)}" if roles else ""
    if named and named not in wanted:
        raise Refusal(
            f"the role {named!r} is not wanted here; wanted: {', '.join(wanted)}{held}",
            hint=f"--role {roles[0]}" if roles else _ask_for(pipeline),
        )
    if roles:
        raise Refusal(
            f"you do not hold the role {named!r} here{held}",
            hint=f"--role {roles[0]}",
        )
    raise Refusal(
        f"you hold none of the roles that may release it here ({', '.join(wanted)})",
        hint=_ask_for(pipeline),
    )


def _ask_for(pipeline: str) -> str:
    return f"Ask an enroller for the role, for the model {pipeline_subject(pipeline)}."
