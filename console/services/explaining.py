"""What must be true for a version to reach a stage, and how each part stands now."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from console.services.explained import Explained, Point, Question, Standing
from console.services.gathering import Incumbent, gather
from console.services.judging import (
    FROZEN,
    Judged,
    judge_request,
    judge_standing,
    model_record,
)
from console.services.named_versions import find_version
from console.services.next_steps import step_of_check, step_of_quorum, step_of_rule
from console.services.opened import OpenStore
from console.services.policy_history import document
from console.services.problems import Refusal
from console.services.selecting import Wanted, policy_for
from console.services.signers_known import with_role
from policies.authoring.changes import policy_changes
from policies.document import Policy, Quorum
from policies.evidence import Evidence
from policies.predicates import Transition
from policies.rules import evaluate_facts
from policies.rules.kinds import RULE_KINDS
from policies.rules.people import quorum_name
from policies.trust_root import BuiltInRole
from policies.verdict import Node, Verdict
from store.queries.models import ModelVersion

_STANDING = {
    Verdict.YES: Standing.MET,
    Verdict.NO: Standing.NOT_MET,
    Verdict.UNKNOWN: Standing.UNKNOWN,
}


def explain(store: OpenStore, text: str, to_stage: str, environment: str) -> Explained:
    """Everything a transition needs, and how it stands now.

    Raises:
        UnknownReference: there is no such version.
        MalformedPolicy: no policy in force covers it, or several do equally.
        Refusal: the version's bytes are unknown.
    """
    question, tree = _ask(store, find_version(store, text), to_stage, environment)
    points = tuple(_points(question, tree) if tree else _points_before(question))
    return Explained(
        version=question.version.reference,
        transition=str(question.transition),
        policy=f"{question.policy.id} version {question.policy.version}",
        request=question.asked,
        is_held=question.is_held,
        policy_changes=_policy_changes(question),
        points=points,
        gaps=question.evidence.lineage.gaps,
        next_step=_next_of_all(question, points),
    )


def _ask(
    store: OpenStore, version: ModelVersion, to_stage: str, environment: str
) -> tuple[Question, Node | None]:
    """What is asked and the verdict on it, or no verdict while nobody has asked."""
    state = store.state()
    record = model_record(store, version.model_key, state)
    holder = record.holder(environment, to_stage)
    transition = Transition("", to_stage, environment)
    if holder is not None and holder.version == version.key:
        judged = judge_standing(store, record, holder, store.clock())
        policy, evidence = _settled(judged)
        held = record.requests.get(holder.request)
        return (
            Question(store, state, version, transition, held, True, evidence, policy),
            judged.tree,
        )
    incumbent = Incumbent.of(holder)
    request = record.open_request(version.key, transition)
    if request is not None:
        judged = judge_request(
            store,
            request,
            incumbent.version_key,
            state,
            now=store.clock(),
            position=store.index.size,
        )
        policy, evidence = _settled(judged)
        return (
            Question(
                store, state, version, transition, request, False, evidence, policy
            ),
            judged.tree,
        )
    policy = policy_for(
        store, Wanted(version.model_key, version.key, transition), state
    )
    evidence = gather(store, version, incumbent)
    return (
        Question(store, state, version, transition, None, False, evidence, policy),
        None,
    )


def _settled(judged: Judged) -> tuple[Policy, Evidence]:
    if judged.policy is None or judged.evidence is None:
        raise Refusal(judged.tree.observed, hint=judged.tree.why)
    return judged.policy, judged.evidence


def _policy_changes(question: Question) -> tuple[str, ...]:
    if not _is_stale(question) or question.request is None:
        return ()
    then = document(question.store, question.request.request.policy)
    return tuple(str(change) for change in policy_changes(then, question.policy))


def _is_stale(question: Question) -> bool:
    """Whether another document is in force than the one that was asked under."""
    request = question.request
    return request is not None and request.request.policy != question.policy.digest


def _points_before(question: Question) -> Iterator[Point]:
    """The points while nobody has asked."""
    yield from _points(question, evaluate_facts(question.policy, question.evidence))
    for rule in question.policy.rules:
        kind = RULE_KINDS[rule.kind]
        if kind.at_position is not None:
            yield Point(
                rule.id, Standing.LATER, kind.asks(rule), "nobody has asked yet", "", ""
            )
    for quorum in question.policy.quorums:
        node = Node(quorum_name(quorum), Verdict.NO, "nobody has asked yet")
        yield _approval(question, node, quorum)


def _points(question: Question, tree: Node) -> Iterator[Point]:
    rules = {rule.id: rule for rule in question.policy.rules}
    quorums = {quorum_name(quorum): quorum for quorum in question.policy.quorums}
    for node in _judged_nodes(tree, rules):
        if node.rule in rules:
            rule = rules[node.rule]
            asks = RULE_KINDS[rule.kind].asks(rule)
            yield _point(node, asks, rule.why, step_of_rule(question, node))
        elif node.rule in quorums:
            yield _approval(question, node, quorums[node.rule])
        else:
            yield _point(node, node.wanted, "", step_of_check(question, node))


def _judged_nodes(tree: Node, rules: Collection[str]) -> Iterator[Node]:
    """What is judged as one: a rule is, even where it has parts."""
    if tree.rule in rules or not tree.children:
        yield tree
        return
    for child in tree.children:
        yield from _judged_nodes(child, rules)


def _point(node: Node, asks: str, why: str, next_step: str) -> Point:
    is_met = node.verdict is Verdict.YES
    return Point(
        name=node.rule,
        standing=_STANDING[node.verdict],
        asks=asks,
        found=node.observed or _lacking(node),
        why=why,
        next_step="" if is_met else next_step,
    )


def _lacking(node: Node) -> str:
    """Which parts of a rule are not met, and what was found of each."""
    return "; ".join(
        f"{leaf.wanted}: {leaf.observed}"
        for leaf in node.leaves()
        if leaf is not node and leaf.verdict is not Verdict.YES
    )


def _approval(question: Question, node: Node, quorum: Quorum) -> Point:
    asks = f"{quorum.count} of the role {quorum.role}"
    if quorum.exclude:
        asks += f", not the {' or '.join(quorum.exclude)}"
    if node.verdict is Verdict.YES or question.is_held:
        return _point(node, asks, "", "")
    step, could = step_of_quorum(question, node, quorum)
    return Point(
        node.rule, _STANDING[node.verdict], asks, node.observed, "", step, could
    )


def _next_of_all(question: Question, points: tuple[Point, ...]) -> str:
    """The next command for the transition as a whole."""
    if question.is_held:
        return f"countersign gate {question.target}"
    if question.request is None:
        return f"countersign request {question.target} --reason TEXT"
    if _is_stale(question) or any(
        p.name in FROZEN and p.standing is not Standing.MET for p in points
    ):
        return f"countersign withdraw {question.asked} --reason TEXT, then ask anew"
    if all(point.standing is Standing.MET for point in points):
        promoters = with_role(
            question.store,
            question.state,
            BuiltInRole.PROMOTER,
            question.version.model,
            question.transition.environment,
        )
        by = f"   ({', '.join(promoters)} may)" if promoters else ""
        return f"countersign promote {question.asked}{by}"
    return f"countersign review {question.asked}"
