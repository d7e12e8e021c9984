"""The graph: what a thing came from and what came of it, level by level.

Edges point as a sentence reads (a run read a dataset version). Upstream is towards
what a thing was made of. Walks are safe on cycles and bounded in nodes. What counts at
a past moment is decided in store.queries.presence.
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
from store.queries.presence import Certainty, presence

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
    certainty: Certainty | None = None
    """Whether it was there at the moment that was asked for."""

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
    certainty: Certainty | None = None
    """Whether it was there at the moment that was asked for."""


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

    With `as_of`, things and links known to have begun later are left out; a start that
    had not begun then stands alone.
    """

    def closure(graph: Graph) -> Closure:
        first = graph.number(start)
        levels = graph.levels(first, direction, depth=depth, most=most_nodes)
        graph.learn(levels.of)
        nodes = {node.key: node for node in (_node(graph, t, as_of) for t in levels.of)}
        edges: dict[tuple[str, str, str], Edge] = {}
        followed = (t for t, level in levels.of.items() if level < levels.followed)
        for _, same_level in groupby(followed, key=levels.of.__getitem__):
            for _, edge in _links(graph, same_level, direction, as_of, levels.of):
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
    as_of: datetime | None = None,
    ignored: Collection[Strength] = (),
) -> Reached:
    """All that a walk reaches, however much: counted by kind, one kind by name.

    Links known in an `ignored` way are not followed; with `as_of`, things and links
    known to have begun later are left out.
    """

    def reached(graph: Graph) -> Reached:
        return reach(graph, start, direction, depth=depth, kind=kind)

    return ask(connection, reached, as_of=as_of, ignored=ignored)


def neighbours(
    connection: duckdb.DuckDBPyConnection,
    keys: list[str],
    direction: Direction,
    *,
    as_of: datetime | None = None,
    takes_superseded: bool = False,
) -> list[tuple[str, Edge]]:
    """Edges one step away, each with the key of `keys` it was reached from.

    `takes_superseded` has links to data without a version, told before the version.
    """

    def found(graph: Graph) -> list[tuple[str, Edge]]:
        things = map(graph.number, dict.fromkeys(keys))
        return _links(graph, things, direction, as_of)

    return ask(connection, found, as_of=as_of, takes_superseded=takes_superseded)


def describe(
    connection: duckdb.DuckDBPyConnection, keys: Iterable[str]
) -> dict[str, Node]:
    """Name each key as a person would; what no fact describes keeps its native id."""
    wanted = list(keys)

    def found(graph: Graph) -> dict[str, Node]:
        things = [graph.number(key) for key in wanted]
        graph.learn(things)
        return {key: _node(graph, t) for key, t in zip(wanted, things, strict=True)}

    return ask(connection, found) if wanted else {}


def _links(
    graph: Graph,
    things: Iterable[int],
    direction: Direction,
    as_of: datetime | None,
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
            run = graph.run_of(thing, (other, number), direction) if as_of else None
            found.append((origin, subject, object_, mark, run))
    found.sort(key=_order)
    graph.learn(run for *_, run in found if run is not None)
    return [
        (origin, _edge(subject, object_, mark, certainty))
        for origin, subject, object_, mark, run in found
        for certainty in [_certainty(graph, run, as_of)]
        if as_of is None or certainty is not None
    ]


def _edge(subject: str, object_: str, mark: Mark, certainty: Certainty | None) -> Edge:
    context = mark.context or ""
    return Edge(subject, mark.relation, object_, mark.strength, context, certainty)


def _certainty(
    graph: Graph, thing: int | None, as_of: datetime | None
) -> Certainty | None:
    """Whether a thing, or what is nobody's, was there."""
    if as_of is None:
        return None
    began = None if thing is None else moment_of(graph.told(thing)[1])
    return presence(began, None, as_of)


def _order(link: tuple[str, str, str, Mark, int | None]) -> tuple[str | bool, ...]:
    origin, subject, object_, mark, _ = link
    is_bare = mark.context is None
    return (
        origin, subject, mark.relation, object_, mark.strength, is_bare,
        mark.context or "",
    )  # fmt: skip


def _node(graph: Graph, thing: int, as_of: datetime | None = None) -> Node:
    key = graph.key(thing)
    name, moment = graph.told(thing)
    certainty = _certainty(graph, thing, as_of)
    return Node(key, kind_of(key), label_of(key, name), moment_of(moment), certainty)
