"""What to do about each point that is open: one command, or one sentence."""

from __future__ import annotations

from console.services.explained import Question
from console.services.signers_known import who_could_sign
from policies.document import Quorum
from policies.predicates import Decision
from policies.rules.people import REJECTIONS
from policies.verdict import Node, Verdict


def step_of_rule(question: Question, node: Node) -> str:
    """What to do about a rule that is not met."""
    if any(leaf.can_settle for leaf in node.leaves()):
        return f"countersign gate {question.target} --artifact DIR"
    terms = question.policy.waivers
    if question.request is not None and terms and node.rule in terms.rules:
        return (
            f"countersign waive {question.asked} --rule {node.rule} --role "
            f"{terms.role} --reason TEXT --expires TIME"
        )
    if node.verdict is Verdict.UNKNOWN:
        return "record it (docs/logging.md), then: countersign import SOURCE"
    return "only another version can meet it: countersign models"


def step_of_check(question: Question, node: Node) -> str:
    """What to do about something that every request needs."""
    request = question.request
    if node.rule != REJECTIONS or request is None:
        return node.why
    rejections = [
        f"countersign withdraw statement:{entry.id[:12]} --reason TEXT"
        for entry, answer in request.answers
        if answer.decision is Decision.REJECT
    ]
    return "whoever rejected it may withdraw that: " + ", ".join(rejections)


def step_of_quorum(
    question: Question, node: Node, quorum: Quorum
) -> tuple[str, tuple[str, ...]]:
    """What to do about an approval that is wanted, and who could give it."""
    grant = f"countersign key enrol OFFER --role {quorum.role}"
    if node.verdict is Verdict.UNKNOWN:
        return f"enrol who that is, by that identity: {grant}", ()
    could = who_could_sign(
        question.store,
        question.state,
        quorum,
        (question.version.model, question.transition.environment),
        question.evidence,
        question.request,
    )
    if not could:
        return f"nobody else may sign, so give somebody the role: {grant}", ()
    if question.request is None:
        return f"countersign request {question.target} --reason TEXT", could
    approve = f"countersign approve {question.asked} --role {quorum.role}"
    return f"{approve} --reason TEXT", could
