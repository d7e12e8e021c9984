"""The graph: what a thing came from and what came of it, level by level.

Edges point as a sentence reads (a run read a dataset version). Upstream is towards
what a thing was made of. Walks are safe on cycles and bounded in nodes.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from store.adjacency.counting import Direction, Mark, moment_of
from store.adjacency.graph import Graph
from store.adjacency.opening import ask
from store.adjacency.reach import Reached, reach
from store.facts import Strength
from store.identifiers import kind_of
from store.queries.naming import label_of

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "Closure",
    "Direction",
    "Edge",
    "Node",
    "Reached",
    "describe",
    "everything",
    "neighbours",
    "walk",
]

MOST_NODES = 10_000


@dataclass(frozen=True, slots=True)
class Edge:
    """One link of the graph as recorded."""

    subject: str
    relation: str
    object: str
    strength: str
    context: str
    """What the source adds, such as `training`."""

    def neighbour(self, key: str) -> str:
        """The other end."""
        return self.object if key == self.subject else self.subject


@dataclass(frozen=True, slots=True)
class Node:
    """A thing in the graph with what a person calls it."""

    key: str
    kind: str
    label: str
    moment: datetime | None
    """When it began to exist, where that is known."""


@dataclass(frozen=True, slots=True)
class Closure:
    """What a walk reached. `is_cut` says that a bound stopped it."""

    start: Node
    nodes: dict[str, Node]
    edges: tuple[Edge, ...]
    depth: dict[str, int]
    is_cut: bool


def walk(
    connection: duckdb.DuckDBPyConnection,
    start: str,
    direction: Direction,
    *,
    depth: int = 20,
    as_of: datetime | None = None,
    most_nodes: int = MOST_NODES,
) -> Closure:
    """Everything up to `depth` links away in one direction.

    With `as_of`, things known to have begun later are left out.
    """

    def closure(graph: Graph) -> Closure:
        first = graph.number(start)
        levels = graph.levels(first, direction, depth=depth, most=most_nodes)
        nodes = {node.key: node for node in (_node(graph, t) for t in levels.of)}
        edges: dict[tuple[str, str, str], Edge] = {}
        followed = (t for t, level in levels.of.items() if level < levels.followed)
        for _, same_level in groupby(followed, key=levels.of.__getitem__):
            for _, edge in _links(graph, same_level, direction, levels.of):
                edges.setdefault((edge.subject, edge.relation, edge.object), edge)
        return Closure(
            nodes[start],
            nodes,
            tuple(edges.values()),
            dict(zip(nodes, levels.of.values(), strict=True)),
            levels.is_cut,
        )

    return ask(connection, closure, as_of=as_of)


def everything(
    connection: duckdb.DuckDBPyConnection,
    start: str,
    direction: Direction,
    *,
    depth: int,
    kind: str,
    ignored: Collection[Strength] = (),
) -> Reached:
    """All that a walk reaches, however much: counted by kind, one kind by name.

    Links known in an `ignored` way are not followed.
    """

    def reached(graph: Graph) -> Reached:
        return reach(graph, start, direction, depth=depth, kind=kind)

    return ask(connection, reached, ignored=ignored)


def neighbours(
    connection: duckdb.DuckDBPyConnection, keys: list[str], direction: Direction
) -> list[tuple[str, Edge]]:
    """Edges one step away, each with the key of `keys` it was reached from."""

    def found(graph: Graph) -> list[tuple[str, Edge]]:
        return _links(graph, map(graph.number, dict.fromkeys(keys)), direction)

    return ask(connection, found)


def describe(
    connection: duckdb.DuckDBPyConnection, keys: Iterable[str]
) -> dict[str, Node]:
    """Name each key as a person would; what no fact describes keeps its native id."""
    wanted = list(keys)

    def found(graph: Graph) -> dict[str, Node]:
        return {key: _node(graph, graph.number(key)) for key in wanted}

    return ask(connection, found) if wanted else {}


def _links(
    graph: Graph,
    things: Iterable[int],
    direction: Direction,
    within: Container[int] | None = None,
) -> list[tuple[str, Edge]]:
    """Links of some things, each with the key it was reached from, in order."""
    found = []
    for thing in things:
        origin = graph.key(thing)
        for other, number in graph.links(thing, direction):
            if within is not None and other not in within:
                continue
            mark, key = graph.mark(number), graph.key(other)
            is_subject = mark.is_subject(direction)
            subject, object_ = (origin, key) if is_subject else (key, origin)
            found.append((origin, subject, object_, mark))
    found.sort(key=_order)
    return [
        (
            origin,
            Edge(subject, mark.relation, object_, mark.strength, mark.context or ""),
        )
        for origin, subject, object_, mark in found
    ]


def _order(link: tuple[str, str, str, Mark]) -> tuple[str | bool, ...]:
    origin, subject, object_, mark = link
    is_bare = mark.context is None
    return (
        origin, subject, mark.relation, object_, mark.strength, is_bare,
        mark.context or "",
    )  # fmt: skip


def _node(graph: Graph, thing: int) -> Node:
    key = graph.key(thing)
    label, moment = graph.told(thing)
    return Node(key, kind_of(key), label_of(key, label), moment_of(moment))
