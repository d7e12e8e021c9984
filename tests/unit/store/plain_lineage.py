"""The walk as plain SQL says it, one query a level: what the adjacency is held to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from store.identifiers import kind_of
from store.queries.lineage import Closure, Direction, Edge, Node
from store.queries.naming import label_of
from store.queries.sql import fetch

if TYPE_CHECKING:
    import duckdb

_RESULTS = "('read', 'used', 'serves')"


def plain_walk(
    connection: duckdb.DuckDBPyConnection,
    start: str,
    direction: Direction,
    *,
    depth: int,
    as_of: datetime | None,
    most_nodes: int,
) -> Closure:
    depths = {start: 0}
    nodes = plain_describe(connection, [start])
    edges: dict[tuple[str, str, str], Edge] = {}
    frontier, level, is_cut = [start], 0, False
    while frontier and level < depth and not is_cut:
        level += 1
        found = plain_neighbours(connection, frontier, direction)
        reached = {edge.neighbour(key) for key, edge in found} - depths.keys()
        described = plain_describe(connection, sorted(reached))
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
    is_cut = is_cut or bool(plain_neighbours(connection, frontier, direction))
    return Closure(nodes[start], nodes, tuple(edges.values()), depths, is_cut)


def plain_neighbours(
    connection: duckdb.DuckDBPyConnection, keys: list[str], direction: Direction
) -> list[tuple[str, Edge]]:
    forward, backward = (
        ("IN", "NOT IN") if direction is Direction.UP else ("NOT IN", "IN")
    )
    rows = fetch(
        connection,
        "SELECT subject AS origin, subject, name, object, strength, text FROM edge "
        f"WHERE name {forward} {_RESULTS} AND subject IN (SELECT unnest($1)) "
        "UNION ALL "
        "SELECT object AS origin, subject, name, object, strength, text FROM edge "
        f"WHERE name {backward} {_RESULTS} AND object IN (SELECT unnest($1)) "
        "ORDER BY ALL",
        keys,
    )
    return [
        (
            row["origin"],
            Edge(
                row["subject"],
                row["name"],
                row["object"],
                row["strength"],
                row["text"] or "",
            ),
        )
        for row in rows
    ]


def plain_describe(
    connection: duckdb.DuckDBPyConnection, keys: Iterable[str]
) -> dict[str, Node]:
    wanted = list(keys)
    rows = fetch(
        connection,
        "SELECT subject, min(moment) AS moment, first(label ORDER BY entry_index, "
        "moment NULLS FIRST, label) FILTER (label <> '') AS label FROM ("
        "SELECT entry_index, subject, name AS label, started AS moment FROM run "
        "UNION ALL SELECT entry_index, subject, name, started FROM commit "
        "UNION ALL SELECT entry_index, subject, name, NULL FROM dataset_version "
        "UNION ALL SELECT entry_index, subject, name, started FROM model_version "
        "UNION ALL SELECT entry_index, subject, name, NULL FROM job) "
        "WHERE subject IN (SELECT unnest($1)) GROUP BY subject",
        wanted,
    )
    found = {row["subject"]: row for row in rows}
    return {
        key: Node(
            key=key,
            kind=kind_of(key),
            label=label_of(key, (found[key]["label"] or "") if key in found else ""),
            moment=found[key]["moment"] if key in found else None,
        )
        for key in wanted
    }
