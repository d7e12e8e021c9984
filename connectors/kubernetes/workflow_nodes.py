"""The steps of a Workflow of Argo as its status tells them: a tree of nodes.

Which of them are the steps of the whole is what its first template declares; what ran
within one is below it. A status that does not hold the nodes is said to be such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.kubernetes.client import Json
from connectors.kubernetes.states import moment
from connectors.kubernetes.workflows import declared_steps
from connectors.parsing import text_of

_GROUPS = ("StepGroup", "TaskGroup")
_DEEPEST = 20
_EXIT_HANDLER = ".onExit"


@dataclass(frozen=True, slots=True)
class Node:
    """One node: a pod, or what holds others together."""

    name: str
    phase: str
    """The controller's word; empty: there is no such node yet."""
    started: datetime | None = None
    ended: datetime | None = None
    exit_status: int | None = None
    nodes: tuple[Node, ...] = ()


def nodes_of(found: Json) -> tuple[Node, ...]:
    """The declared steps of a Workflow, each with what ran within it."""
    status = found.get("status") or {}
    told = {text_of(key): node for key, node in (status.get("nodes") or {}).items()}
    tree = _Tree(told, _by_boundary(told))
    root = text_of(found["metadata"]["name"])
    declared = declared_steps(found.get("spec") or {})
    if (told.get(root) or {}).get("type") == "Pod":
        steps = tuple(tree.node(root, name) for name in declared)
    else:
        steps = tuple(tree.declared(root, name) for name in declared)
    handlers = [
        tree.node(key, tree.called(key))
        for key, node in told.items()
        if text_of(node.get("name")) == root + _EXIT_HANDLER
    ]
    return (*steps, *handlers)


def missing_nodes(found: Json) -> str:
    """Why the nodes are not in the status; empty: they are."""
    status = found.get("status") or {}
    if text_of(status.get("offloadNodeStatusVersion")):
        return "its steps are offloaded to the controller's database"
    if text_of(status.get("compressedNodes")):
        return "its steps are compressed in its status"
    return ""


@dataclass(frozen=True, slots=True)
class _Tree:
    told: Mapping[str, Json]
    inner: Mapping[str, list[str]]
    """What ran within each node, in the order in which it began."""

    def called(self, key: str) -> str:
        return text_of(self.told[key].get("displayName"))

    def declared(self, root: str, name: str) -> Node:
        """A step of the whole: one node, or several that come of one declaration."""
        inner = self.inner.get(root, [])
        alike = [key for key in inner if self.called(key) == name]
        several = tuple(
            self.node(key, self.called(key))
            for key in inner
            if self.called(key).startswith(f"{name}(")
        )
        if alike:
            node = self.node(alike[0], name)
            return replace(node, nodes=(*node.nodes, *several))
        return Node(
            name,
            _together(node.phase for node in several),
            min((node.started for node in several if node.started), default=None),
            nodes=several,
        )

    def node(self, key: str, name: str, depth: int = 0) -> Node:
        """A node with what ran within it, as deep as anybody would look."""
        node = self.told[key]
        code = text_of((node.get("outputs") or {}).get("exitCode"))
        inner = self.inner.get(key, []) if depth < _DEEPEST else []
        return Node(
            name,
            text_of(node.get("phase")),
            moment(node.get("startedAt")),
            moment(node.get("finishedAt")),
            int(code) if code.isascii() and code.isdigit() else None,
            tuple(self.node(one, self.called(one), depth + 1) for one in inner),
        )


def _by_boundary(told: Mapping[str, Json]) -> dict[str, list[str]]:
    """The nodes of each template's execution, without those that only group others."""
    inner: dict[str, list[str]] = {}
    for key in sorted(told, key=lambda key: (text_of(told[key].get("startedAt")), key)):
        boundary = text_of(told[key].get("boundaryID"))
        if boundary != key and text_of(told[key].get("type")) not in _GROUPS:
            inner.setdefault(boundary, []).append(key)
    return inner


def _together(phases: Iterable[str]) -> str:
    found = set(phases)
    for phase in ("Running", "Pending", "Error", "Failed", "Succeeded"):
        if phase in found:
            return phase
    return ""
