"""Running cases: the policy judges the facts, and what comes out is compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.authoring.cases import Case
from policies.document import Policy
from policies.rules import evaluate
from policies.table_reading import nearest
from policies.verdict import Node, Verdict

WHOLE = "the whole"


@dataclass(frozen=True, slots=True)
class Difference:
    """A verdict that is not the one the case wants."""

    rule: str
    wanted: str
    """Empty: the policy has no such rule."""
    found: str
    observed: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one case."""

    name: str
    line: int
    differences: tuple[Difference, ...]
    verdicts: dict[str, str]
    """What came out, by the name of each rule and approval."""

    @property
    def has_passed(self) -> bool:
        """Whether every verdict is the one the case wants."""
        return not self.differences


def run_case(case: Case, policy: Policy) -> CaseResult:
    """Judge a case."""
    tree = evaluate(policy, case.evidence, case.votes, case.context, case.waivers)
    found = {name: n.verdict.value for name, n in verdicts_of(tree).items()}
    return CaseResult(case.name, case.line, tuple(_differences(case, tree)), found)


def never_refused(results: Sequence[CaseResult]) -> tuple[str, ...]:
    """Rules and approvals that are met in every case."""
    names = dict.fromkeys(name for result in results for name in result.verdicts)
    return tuple(
        name
        for name in names
        if all(result.verdicts[name] == Verdict.YES for result in results)
    )


def verdicts_of(tree: Node) -> dict[str, Node]:
    """The rules and approvals of a verdict by name; of two alike, the one not met."""
    found: dict[str, Node] = {}
    for part in tree.children:
        for node in part.children:
            if node.rule not in found or found[node.rule].verdict is Verdict.YES:
                found[node.rule] = node
    return found


def _differences(case: Case, tree: Node) -> Iterator[Difference]:
    if tree.verdict is not case.verdict:
        yield Difference(WHOLE, case.verdict.value, tree.verdict.value, tree.observed)
    found = verdicts_of(tree)
    for name, node in found.items():
        wanted = case.rules.get(name, Verdict.YES)
        if node.verdict is not wanted:
            yield Difference(name, wanted.value, node.verdict.value, told(node))
    yield from _strangers(case.rules, found)


def _strangers(
    wanted: Mapping[str, Verdict], found: Mapping[str, Node]
) -> Iterator[Difference]:
    for name in wanted:
        if name not in found:
            near = nearest(name, found)
            yield Difference(name, wanted[name].value, "", f"no such rule{near}")


def told(node: Node) -> str:
    """What was observed of a rule, or of those parts of it that are not met."""
    if node.observed or not node.children:
        return node.observed
    return "; ".join(
        f"{leaf.wanted}: {leaf.observed}"
        for leaf in node.leaves()
        if leaf.verdict is not Verdict.YES
    )
