"""A lineage closure as text: an indented tree, DOT, Mermaid, or a list in Markdown.

In DOT and Mermaid every arrow points the way that data flows: from what was used to
what came of it. A label is whatever a source named: none of it is markup.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from console.rendering import markdown_cell, one_line, shorten
from store.facts import Relation, Strength
from store.queries.lineage import Closure, Edge, Node

LONGEST_LABEL = 120
_SAFE_IN_MERMAID = frozenset(" -_./,")
_PASSIVE = {
    Relation.READ.value: "read by",
    Relation.USED.value: "used by",
    Relation.SERVES.value: "served by",
}
"""Relations whose object goes into the subject, as the arrow reads them."""
_DOT_SHAPES = {
    "dataset-version": "cylinder",
    "dataset": "cylinder",
    "commit": "note",
    "model-version": "box3d",
    "run": "box",
}
_MERMAID_SHAPES = {
    "dataset-version": ("[(", ")]"),
    "dataset": ("[(", ")]"),
    "commit": ("([", "])"),
    "model-version": ("[[", "]]"),
}


def tree_lines(closure: Closure) -> list[str]:
    """The closure as an indented tree; what was shown before is only named again."""
    return _tree(closure, one_line)


def markdown_lines(closure: Closure) -> list[str]:
    """The tree as a list in Markdown, for a ticket."""
    lines = _tree(closure, markdown_cell)
    return [
        " " * (len(line) - len(line.lstrip(" "))) + f"- {line.lstrip(' ')}"
        for line in lines
    ]


def _tree(closure: Closure, safe: Callable[[str], str]) -> list[str]:
    links: dict[str, list[tuple[str, str]]] = {}
    for edge in closure.edges:
        for key in (edge.subject, edge.object):
            other = edge.neighbour(key)
            if closure.depth.get(other, 0) > closure.depth.get(key, 0):
                label = edge.relation + (f" {edge.context}" if edge.context else "")
                links.setdefault(key, []).append((label, other))
    lines = [f"{closure.start.kind} {safe(closure.start.label)}"]
    seen = {closure.start.key}
    stack = [
        (1, relation, key)
        for relation, key in sorted(links.get(closure.start.key, ()), reverse=True)
    ]
    while stack:
        depth, relation, key = stack.pop()
        node = closure.nodes[key]
        again = " (above)" if key in seen and key in links else ""
        lines.append(
            f"{'  ' * depth}{safe(relation)}: {node.kind} {safe(node.label)}{again}"
        )
        if key not in seen:
            seen.add(key)
            stack += [
                (depth + 1, *pair)
                for pair in sorted(set(links.get(key, ())), reverse=True)
            ]
    return lines


@dataclass(frozen=True, slots=True)
class _Arrow:
    """An edge turned the way that data flows."""

    start: str
    label: str
    end: str
    is_inferred: bool


def _arrow(edge: Edge) -> _Arrow:
    is_inferred = edge.strength == Strength.INFERRED.value
    passive = _PASSIVE.get(edge.relation)
    if passive is None:
        return _Arrow(edge.subject, edge.relation, edge.object, is_inferred)
    return _Arrow(edge.object, passive, edge.subject, is_inferred)


def graph_text(closure: Closure, form: str) -> str:
    """The closure as `dot` or `mermaid`; a guessed link is dashed."""
    numbers = {key: f"n{position}" for position, key in enumerate(closure.nodes)}
    arrows = sorted(
        {_arrow(edge) for edge in closure.edges},
        key=lambda a: (numbers[a.start], numbers[a.end], a.label),
    )
    if form == "dot":
        return "\n".join(_dot(closure, numbers, arrows))
    return "\n".join(_mermaid(closure, numbers, arrows))


def _dot(closure: Closure, numbers: dict[str, str], arrows: list[_Arrow]) -> list[str]:
    lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    for key, node in closure.nodes.items():
        marked = ", penwidth=2" if key == closure.start.key else ""
        shape = _DOT_SHAPES.get(node.kind, "box")
        label = dot_text(_label(node))
        lines.append(f"  {numbers[key]} [label={label}, shape={shape}{marked}];")
    for arrow in arrows:
        style = ", style=dashed" if arrow.is_inferred else ""
        lines.append(
            f"  {numbers[arrow.start]} -> {numbers[arrow.end]} "
            f"[label={dot_text(arrow.label)}{style}];"
        )
    return [*lines, "}"]


def _mermaid(
    closure: Closure, numbers: dict[str, str], arrows: list[_Arrow]
) -> list[str]:
    lines = ["graph LR"]
    for key, node in closure.nodes.items():
        before, after = _MERMAID_SHAPES.get(node.kind, ("[", "]"))
        lines.append(f"  {numbers[key]}{before}{mermaid_text(_label(node))}{after}")
    for arrow in arrows:
        line = "-.->" if arrow.is_inferred else "-->"
        lines.append(
            f"  {numbers[arrow.start]} {line}|{mermaid_text(arrow.label)}| "
            f"{numbers[arrow.end]}"
        )
    return [*lines, f"  style {numbers[closure.start.key]} stroke-width:3px"]


def _label(node: Node) -> str:
    return f"{node.kind} {shorten(one_line(node.label), LONGEST_LABEL)}"


def dot_text(text: str) -> str:
    """A string of DOT that graphviz shows as it is: no escapes, no entities."""
    safe = one_line(text).replace("&", "&amp;").replace("\\", "\\\\")
    return '"' + safe.replace('"', '\\"') + '"'


def mermaid_text(text: str) -> str:
    """A string of Mermaid that is shown as it is: no markup, no HTML, no keyword."""
    safe = "".join(
        character
        if character.isalnum() or character in _SAFE_IN_MERMAID
        else f"#{ord(character)};"
        for character in one_line(text)
    )
    return f'"{safe}"'
