"""A lineage closure as a tree that can be folded."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from console.rendering import one_line, shorten
from store.queries.lineage import Closure

MOST_CHILDREN = 200


class LineageTree(Tree[str]):
    """What a thing came from, or what came of it."""

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(Text(title), id=id)
        self._title = title
        self.guide_depth = 2

    def show(self, closure: Closure) -> None:
        """Put a closure in place of what there was."""
        self.clear()
        label = one_line(f"{self._title}: {closure.start.label}")
        self.root.set_label(Text(label))
        links: dict[str, list[tuple[str, str]]] = {}
        for edge in closure.edges:
            for key in (edge.subject, edge.object):
                other = edge.neighbour(key)
                if closure.depth.get(other, 0) > closure.depth.get(key, 0):
                    words = f"{edge.relation} {edge.context}".strip()
                    links.setdefault(key, []).append((words, other))
        self._fill(self.root, closure, links, closure.start.key, {closure.start.key})
        if not closure.edges:
            self.root.add_leaf(Text("nothing recorded"))
        self.root.expand_all()

    def _fill(
        self,
        parent: TreeNode[str],
        closure: Closure,
        links: dict[str, list[tuple[str, str]]],
        key: str,
        seen: set[str],
    ) -> None:
        children = sorted(dict.fromkeys(links.get(key, ())))
        for words, other in children[:MOST_CHILDREN]:
            node = closure.nodes[other]
            label = Text(shorten(one_line(f"{words}: {node.kind} {node.label}"), 70))
            if other in seen or other not in links:
                parent.add_leaf(label, data=other)
                continue
            seen.add(other)
            self._fill(parent.add(label, data=other), closure, links, other, seen)
        if len(children) > MOST_CHILDREN:
            parent.add_leaf(Text(f"and {len(children) - MOST_CHILDREN} more"))
