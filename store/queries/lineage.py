"""The graph: what a thing came from and what came of it, level by level.

Edges point as a sentence reads (a run read a dataset version). Upstream is towards
what a thing was made of. Walks are safe on cycles and bounded in nodes. What counts at
a past moment is decided in store.queries.presence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from store.facts import FactKind, Relation
from store.identifiers import kind_of, split_key
from store.queries.presence import (
    Certainty,
    accounts_of_runs,
    presence,
    run_of_edge,
)
from store.queries.sql import Row, fetch, latest
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
    depths = {start: 0}
    nodes = {start: _at(describe(connection, [start])[start], as_of)}
    edges: dict[tuple[str, str, str], Edge] = {}
    frontier, level, is_cut = [start], 0, False
    if as_of is not None and nodes[start].certainty is None:
        frontier = []
    while frontier and level < depth and not is_cut:
        level += 1
        found = neighbours(connection, frontier, direction, as_of=as_of)
        reached = {edge.neighbour(key) for key, edge in found} - depths.keys()
        room = most_nodes - len(depths)
        # Only at a past moment has each to be known to be told from the others.
        asked = sorted(reached) if as_of else sorted(reached)[: room + 1]
        described = {
            key: _at(node, as_of) for key, node in describe(connection, asked).items()
        }
        allowed = sorted(
            key
            for key, node in described.items()
            if as_of is None or node.certainty is not None
        )
        frontier, is_cut = allowed[:room], len(allowed) > room
        depths |= dict.fromkeys(frontier, level)
        nodes |= {key: described[key] for key in frontier}
        for key, edge in found:
            if edge.neighbour(key) in depths:
                edges.setdefault((edge.subject, edge.relation, edge.object), edge)
    is_cut = is_cut or bool(
        frontier and neighbours(connection, frontier, direction, as_of=as_of)
    )
    return Closure(nodes[start], nodes, tuple(edges.values()), depths, is_cut)


def _at(node: Node, as_of: datetime | None) -> Node:
    if as_of is None:
        return node
    return replace(node, certainty=presence(node.moment, None, as_of))


def neighbours(
    connection: duckdb.DuckDBPyConnection,
    keys: list[str],
    direction: Direction,
    *,
    as_of: datetime | None = None,
) -> list[tuple[str, Edge]]:
    """Edges one step away, each with the key of `keys` it was reached from."""
    forward = "IN" if direction is Direction.UP else "NOT IN"
    backward = "NOT IN" if direction is Direction.UP else "IN"
    results = ", ".join(f"'{name}'" for name in _SUBJECT_IS_RESULT)
    rows = fetch(
        connection,
        "SELECT subject AS origin, subject, name, object, strength, text FROM edge "
        f"WHERE name {forward} ({results}) AND subject IN {_KEYS} "
        "UNION ALL "
        "SELECT object AS origin, subject, name, object, strength, text FROM edge "
        f"WHERE name {backward} ({results}) AND object IN {_KEYS} "
        "ORDER BY ALL",
        _asked(keys),
    )
    superseded = superseded_links(
        connection, ((r["subject"], r["object"]) for r in rows)
    )
    found = [
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
    if as_of is None:
        return found
    runs = {run_of_edge(e.subject, e.relation, e.object) for _, e in found} - {""}
    began = {key: row["started"] for key, row in _runs(connection, sorted(runs))}
    return [
        (key, replace(edge, certainty=certainty))
        for key, edge in found
        for run in [run_of_edge(edge.subject, edge.relation, edge.object)]
        if (certainty := presence(began.get(run), None, as_of)) is not None
    ]


def _runs(
    connection: duckdb.DuckDBPyConnection, keys: list[str]
) -> Iterator[tuple[str, Row]]:
    """The account of each of some runs that holds."""
    if not keys:
        return
    accounts = accounts_of_runs(f"subject IN {_KEYS}")
    for row in fetch(
        connection, f"SELECT subject, name, started FROM {accounts}", _asked(keys)
    ):
        yield row["subject"], row


_KEYS = "(SELECT unnest(string_split($1, chr(10))))"


def _asked(keys: Iterable[str]) -> str:
    """Keys as one text: DuckDB takes a list of a hundred thousand in ten seconds. No
    key has a line break in it."""
    return "\n".join(keys)


_DESCRIBING = {
    "commit": FactKind.COMMIT,
    "dataset-version": FactKind.DATASET_VERSION,
    "model-version": FactKind.MODEL_VERSION,
    "job": FactKind.JOB,
}


def describe(
    connection: duckdb.DuckDBPyConnection, keys: Iterable[str]
) -> dict[str, Node]:
    """Name each key as a person would; what no fact describes keeps its native id."""
    by_kind: dict[str, list[str]] = {}
    for key in keys:
        by_kind.setdefault(kind_of(key), []).append(key)
    found = dict(_runs(connection, by_kind.get("run", [])))
    for kind, told in _DESCRIBING.items():
        if kind in by_kind:
            account = latest(told, among=f"subject IN {_KEYS}")
            sql = f"SELECT subject, name, started FROM {account}"
            for row in fetch(connection, sql, _asked(by_kind[kind])):
                found[row["subject"]] = row
    return {
        key: Node(
            key=key,
            kind=kind,
            label=_label(key, str(found[key]["name"] or "") if key in found else ""),
            moment=found[key]["started"] if key in found else None,
        )
        for kind, wanted in by_kind.items()
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
