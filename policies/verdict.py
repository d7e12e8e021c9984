"""Verdict trees: rule, what was observed, what was wanted, and yes, no or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from policies.errors import MalformedStatement
from policies.strict_json import Fields, encode, parse

_SCHEMA = "countersign/verdict/v1"
_LARGEST_BYTES = 1024**2


class Verdict(StrEnum):
    """Three values: what is unknown never counts as yes."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Node:
    """The verdict on one rule, or on all the rules beneath it."""

    rule: str
    verdict: Verdict
    observed: str = ""
    wanted: str = ""
    why: str = ""
    """What the rule is for, or the next step when it is not met."""
    can_settle: bool = False
    """For an unknown: a source that answers, a newer version or a confirmed head
    could settle it. Otherwise the record lacks the fact, and the answer is no."""
    children: tuple[Node, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The tree as JSON values."""
        return {
            "rule": self.rule,
            "verdict": self.verdict.value,
            "observed": self.observed,
            "wanted": self.wanted,
            "why": self.why,
            "can_settle": self.can_settle,
            "children": [child.to_json() for child in self.children],
        }

    def to_bytes(self) -> bytes:
        """The tree as it is recorded."""
        return encode({"schema": _SCHEMA, "tree": self.to_json()})

    def leaves(self) -> Iterator[Node]:
        """The rules that were judged, in order."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def decides_as(self, other: Node) -> bool:
        """Whether the same rules come out the same; their words may differ, because a
        name in them may have been erased."""
        return (
            (self.rule, self.verdict) == (other.rule, other.verdict)
            and len(self.children) == len(other.children)
            and all(map(Node.decides_as, self.children, other.children))
        )


def read_tree(data: bytes) -> Node:
    """Read a tree as it was recorded.

    Raises:
        MalformedStatement: it is none.
    """
    what = "a recorded verdict"
    fields = Fields(parse(data, what=what, at_most=_LARGEST_BYTES), what=what)
    if fields.text("schema", 64) != _SCHEMA:
        raise MalformedStatement(f"{what}: another schema")
    tree = _read_node(fields.object("tree"))
    fields.end()
    return tree


def _read_node(fields: Fields) -> Node:
    longest = _LARGEST_BYTES
    node = Node(
        rule=fields.text("rule", longest),
        verdict=fields.choice("verdict", Verdict),
        observed=fields.text("observed", longest),
        wanted=fields.text("wanted", longest),
        why=fields.text("why", longest),
        can_settle=fields.flag("can_settle"),
        children=tuple(map(_read_node, fields.objects("children"))),
    )
    fields.end()
    return node


def all_of(rule: str, children: Iterable[Node], *, wanted: str = "") -> Node:
    """A node that is yes when everything beneath it is; no if anything is no."""
    nodes = tuple(children)
    verdicts = {node.verdict for node in nodes}
    if Verdict.NO in verdicts or not nodes:
        verdict = Verdict.NO
    elif Verdict.UNKNOWN in verdicts:
        verdict = Verdict.UNKNOWN
    else:
        verdict = Verdict.YES
    met = sum(node.verdict is Verdict.YES for node in nodes)
    return Node(rule, verdict, f"{met} of {len(nodes)} met", wanted, children=nodes)


def exit_code(node: Node) -> int:
    """0 yes; 1 no, or an unknown that only the record could settle; 3 otherwise."""
    if node.verdict is Verdict.YES:
        return 0
    leaves = [leaf for leaf in node.leaves() if leaf.verdict is not Verdict.YES]
    could_settle = leaves and all(
        leaf.verdict is Verdict.UNKNOWN and leaf.can_settle for leaf in leaves
    )
    return 3 if could_settle else 1


def tree_lines(node: Node, depth: int = 0) -> list[str]:
    """The tree as indented lines of plain text."""
    mark = {Verdict.YES: "yes    ", Verdict.NO: "NO     ", Verdict.UNKNOWN: "UNKNOWN"}
    indent = "  " * depth
    lines = [f"{mark[node.verdict]} {indent}{node.rule}"]
    pad = " " * 8 + indent + "  "
    if node.wanted:
        lines.append(f"{pad}wanted:   {node.wanted}")
    if node.observed and not node.children:
        lines.append(f"{pad}observed: {node.observed}")
    if node.why and node.verdict is not Verdict.YES:
        lines.append(f"{pad}why:      {node.why}")
    for child in node.children:
        lines += tree_lines(child, depth + 1)
    return lines
