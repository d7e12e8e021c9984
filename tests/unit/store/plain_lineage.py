"""The walk as plain SQL says it, one query a level: what the adjacency is held to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from store.adjacency.counting import SUBJECT_IS_RESULT
from store.facts import FactKind
from store.identifiers import kind_of
from store.queries.lineage import Closure, Direction, Edge, Node
from store.queries.naming import label_of
from store.queries.presence import accounts_of_runs, presence, run_of_edge
from store.queries.sql import Row, fetch, latest
from store.queries.versionless import VERSIONLESS

if TYPE_CHECKING:
    import duckdb


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
    nodes = {start: _at(plain_describe(connection, [start])[start], as_of)}
    edges: dict[tuple[str, str, str], Edge] = {}
    frontier, level, is_cut = [start], 0, False
    if as_of is not None and nodes[start].certainty is None:
        frontier = []
    while frontier and level < depth and not is_cut:
        level += 1
        found = plain_neighbours(connection, frontier, direction, as_of=as_of)
        reached = {edge.neighbour(key) for key, edge in found} - depths.keys()
        room = most_nodes - len(depths)
        asked = sorted(reached) if as_of else sorted(reached)[: room + 1]
        described = {
            key: _at(node, as_of)
            for key, node in plain_describe(connection, asked).items()
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
        frontier and plain_neighbours(connection, frontier, direction, as_of=as_of)
    )
    return Closure(nodes[start], nodes, tuple(edges.values()), depths, is_cut)


def _at(node: Node, as_of: datetime | None) -> Node:
    if as_of is None:
        return node
    return replace(node, certainty=presence(node.moment, None, as_of))


def plain_neighbours(
    connection: duckdb.DuckDBPyConnection,
    keys: list[str],
    direction: Direction,
    *,
    as_of: datetime | None = None,
) -> list[tuple[str, Edge]]:
    forward = "IN" if direction is Direction.UP else "NOT IN"
    backward = "NOT IN" if direction is Direction.UP else "IN"
    results = ", ".join(f"'{name}'" for name in SUBJECT_IS_RESULT)
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
    superseded = _superseded(connection, ((r["subject"], r["object"]) for r in rows))
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
    if not keys:
        return
    accounts = accounts_of_runs(f"subject IN {_KEYS}")
    for row in fetch(
        connection, f"SELECT subject, name, started FROM {accounts}", _asked(keys)
    ):
        yield row["subject"], row


_KEYS = "(SELECT unnest(string_split($1, chr(10))))"


def _asked(keys: Iterable[str]) -> str:
    return "\n".join(keys)


_DESCRIBING = {
    "commit": FactKind.COMMIT,
    "dataset-version": FactKind.DATASET_VERSION,
    "model-version": FactKind.MODEL_VERSION,
    "job": FactKind.JOB,
}


def plain_describe(
    connection: duckdb.DuckDBPyConnection, keys: Iterable[str]
) -> dict[str, Node]:
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
            label=label_of(key, str(found[key]["name"] or "") if key in found else ""),
            moment=found[key]["started"] if key in found else None,
        )
        for kind, wanted in by_kind.items()
        for key in wanted
    }


def _superseded(
    connection: duckdb.DuckDBPyConnection, links: Iterable[tuple[str, str]]
) -> set[tuple[str, str, str]]:
    runs = sorted({s for s, target in links if target.endswith(VERSIONLESS)})
    if not runs:
        return set()
    rows = fetch(
        connection,
        "SELECT DISTINCT subject, name, object FROM edge "
        "WHERE subject IN (SELECT unnest($1)) AND name IN ('read', 'wrote')",
        runs,
    )
    found = {(row["subject"], row["name"], row["object"]) for row in rows}
    versioned = {
        (subject, relation, target.rpartition("/")[0])
        for subject, relation, target in found
        if not target.endswith(VERSIONLESS)
    }
    return {
        (subject, relation, target)
        for subject, relation, target in found
        if target.endswith(VERSIONLESS)
        and (subject, relation, target.removesuffix(VERSIONLESS)) in versioned
    }
