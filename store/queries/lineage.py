"""The graph: what a thing came from and what came of it, level by level.

Edges point as a sentence reads (a run read a dataset version). Upstream is towards
what a thing was made of. Walks are safe on cycles and bounded in nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from store.facts import Relation
from store.identifiers import kind_of, split_key
from store.queries.sql import fetch
from store.queries.versionless import superseded_links

if TYPE_CHECKING:
    import duckdb

MOST_NODES = 10_000
_SUBJECT_IS_RESULT = (Relation.READ.value, Relation.USED.value, Relation.SERVES.value)
"""Relations whose object is upstream of the subject; in the others it is downstream."""


class Direction(StrEnum):
    """Which way to walk."""

    UP = "up"
    DOWN = "down"


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
    depths = {start: 0}
    nodes = {start: describe(connection, [start])[start]}
    edges: dict[tuple[str, str, str], Edge] = {}
    frontier, level, is_cut = [start], 0, False
    while frontier and level < depth and not is_cut:
        level += 1
        found = neighbours(connection, frontier, direction)
        reached = {edge.neighbour(key) for key, edge in found} - depths.keys()
        described = describe(connection, sorted(reached))
        allowed = {
            key
            for key, node in described.items()
            if as_of is None or node.moment is None or node.moment <= as_of
        }
        room = most_nodes - len(depths)
        frontier = sorted(allowed)[:room]
        is_cut = len(allowed) > room
        depths |= dict.fromkeys(frontier, level)
        nodes |= {key: described[key] for key in frontier}
        for key, edge in found:
            if edge.neighbour(key) in depths:
                edges.setdefault((edge.subject, edge.relation, edge.object), edge)
    is_cut = is_cut or bool(frontier and neighbours(connection, frontier, direction))
    return Closure(nodes[start], nodes, tuple(edges.values()), depths, is_cut)


def neighbours(
    connection: duckdb.DuckDBPyConnection, keys: list[str], direction: Direction
) -> list[tuple[str, Edge]]:
    """Edges one step away, each with the key of `keys` it was reached from."""
    forward = "IN" if direction is Direction.UP else "NOT IN"
    backward = "NOT IN" if direction is Direction.UP else "IN"
    results = ", ".join(f"'{name}'" for name in _SUBJECT_IS_RESULT)
    rows = fetch(
        connection,
        "SELECT subject AS origin, subject, name, object, strength, text FROM edge "
        f"WHERE name {forward} ({results}) AND subject IN (SELECT unnest($1)) "
        "UNION ALL "
        "SELECT object AS origin, subject, name, object, strength, text FROM edge "
        f"WHERE name {backward} ({results}) AND object IN (SELECT unnest($1)) "
        "ORDER BY ALL",
        keys,
    )
    superseded = superseded_links(
        connection, ((r["subject"], r["object"]) for r in rows)
    )
    return [
        (
            row["origin"],
            Edge(
                row["subject"],
                row["name"],
                row["object"],
                row["strength"] or "",
                row["text"] or "",
            ),
        )
        for row in rows
        if (row["subject"], row["name"], row["object"]) not in superseded
    ]


def describe(
    connection: duckdb.DuckDBPyConnection, keys: Iterable[str]
) -> dict[str, Node]:
    """Name each key as a person would; what no fact describes keeps its native id."""
    wanted = list(keys)
    if not wanted:
        return {}
    rows = fetch(
        connection,
        "SELECT subject, any_value(label) AS label, min(moment) AS moment FROM ("
        "SELECT subject, name AS label, started AS moment FROM run UNION ALL "
        "SELECT subject, name, started FROM commit UNION ALL "
        "SELECT subject, name, NULL FROM dataset_version UNION ALL "
        "SELECT subject, name, started FROM model_version UNION ALL "
        "SELECT subject, name, NULL FROM job) "
        "WHERE subject IN (SELECT unnest($1)) GROUP BY subject",
        wanted,
    )
    found = {row["subject"]: row for row in rows}
    return {
        key: Node(
            key=key,
            kind=kind_of(key),
            label=_label(key, str(found[key]["label"] or "") if key in found else ""),
            moment=found[key]["moment"] if key in found else None,
        )
        for key in wanted
    }


def _label(key: str, name: str) -> str:
    kind, parts = split_key(key)
    match kind:
        case "model-version":
            return f"{parts[-2]}@{parts[-1]}"
        case "commit":
            return f"{parts[0][:10]} {name}".strip()
        case "dataset-version":
            return f"{parts[0]}@{parts[1][:19]}"
        case "run":
            return f"{name or 'run'} ({parts[-1][:8]})"
        case _:
            return name or "/".join(parts)
