"""A lineage closure as text: an indented tree, DOT or Mermaid."""

from __future__ import annotations

from console.rendering import one_line
from store.queries.lineage import Closure


def tree_lines(closure: Closure) -> list[str]:
    """The closure as an indented tree; what was shown before is only named again."""
    links: dict[str, list[tuple[str, str]]] = {}
    for edge in closure.edges:
        for key in (edge.subject, edge.object):
            other = edge.neighbour(key)
            if closure.depth.get(other, 0) > closure.depth.get(key, 0):
                label = edge.relation + (f" {edge.context}" if edge.context else "")
                links.setdefault(key, []).append((label, other))
    lines = [f"{closure.start.kind} {one_line(closure.start.label)}"]
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
            f"{'  ' * depth}{one_line(relation)}: {node.kind} "
            f"{one_line(node.label)}{again}"
        )
        if key not in seen:
            seen.add(key)
            stack += [
                (depth + 1, *pair)
                for pair in sorted(set(links.get(key, ())), reverse=True)
            ]
    return lines


def graph_text(closure: Closure, form: str) -> str:
    numbers = {key: f"n{position}" for position, key in enumerate(closure.nodes)}
    lines = ["digraph lineage {" if form == "dot" else "graph LR"]
    for key, node in closure.nodes.items():
        label = "".join(
            c if c.isalnum() or c in " -_.@:/()" else "_" for c in node.label
        )
        text = f"{node.kind} {label}"
        lines.append(
            f'  {numbers[key]} [label="{text}"];'
            if form == "dot"
            else f'  {numbers[key]}["{text}"]'
        )
    for edge in closure.edges:
        start, end = numbers[edge.subject], numbers[edge.object]
        lines.append(
            f'  {start} -> {end} [label="{edge.relation}"];'
            if form == "dot"
            else f"  {start} -->|{edge.relation}| {end}"
        )
    return "\n".join([*lines, "}"] if form == "dot" else lines)
