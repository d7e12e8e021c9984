"""What stands behind a version: who told of it, what was read again, what was upstream.

Dataset versions are the same wherever their bytes are: a version is known by its
SHA-256 where there is one, else by name and digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from store.facts import FactKind, Relation, Strength
from store.identifiers import dataset_version_key, split_key
from store.queries.lineage import Direction, neighbours
from store.queries.sql import fetch

if TYPE_CHECKING:
    import duckdb

MOST_RUNS = 500
"""Runs that a walk upstream keeps."""
MOST_LINKS = 5_000
"""Dataset versions that those runs read or wrote, counted once a run."""
DEEPEST = 10
"""Runs one behind the other that a walk upstream follows."""


@dataclass(slots=True)
class Upstream:
    """Runs that wrote what was used, directly or further up."""

    read: dict[str, set[str]] = field(default_factory=dict)
    """Run key -> dataset versions it read."""
    wrote: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    """Dataset version -> what it is called."""
    is_cut: bool = False


def version_id(name: str, digest: str) -> str:
    """What a dataset version is known by across names."""
    return digest if digest.startswith("sha256:") else f"{name}@{digest}"


def upstream_of(
    connection: duckdb.DuckDBPyConnection, used: Iterable[tuple[str, str]]
) -> Upstream:
    """Walk from dataset versions (name, digest) to the runs that wrote them, and on."""
    found = Upstream()
    frontier = _same_bytes(connection, set(used), found)
    seen: set[str] = set()
    for _ in range(DEEPEST):
        seen |= frontier
        runs = _writers(connection, frontier) - found.read.keys()
        room = MOST_RUNS - len(found.read)
        found.is_cut |= len(runs) > room
        reads = {run: set[str]() for run in sorted(runs)[:room]}
        if not reads:
            return found
        further: set[tuple[str, str]] = set()
        for run, key in _touched(connection, reads, Relation.READ):
            name, digest = split_key(key)[1]
            further.add((name, digest))
            reads[run].add(_identity(key, found))
        frontier = _same_bytes(connection, further, found)
        found.read |= reads
        found.wrote |= {run: set[str]() for run in reads}
        for run, key in _touched(connection, reads, Relation.WROTE):
            found.wrote[run].add(_identity(key, found))
        links = sum(map(len, (*found.read.values(), *found.wrote.values())))
        if links > MOST_LINKS:
            return Upstream(names=found.names, is_cut=True)
        frontier -= seen
    found.is_cut |= bool(_writers(connection, frontier) - found.read.keys())
    return found


def _identity(key: str, found: Upstream) -> str:
    name, digest = split_key(key)[1]
    identity = version_id(name, digest)
    found.names.setdefault(identity, set()).add(name)
    return identity


def _same_bytes(
    connection: duckdb.DuckDBPyConnection,
    versions: set[tuple[str, str]],
    found: Upstream,
) -> set[str]:
    """Keys of all versions with the bytes of some, given by name and digest."""
    keys = {str(dataset_version_key(name, digest)) for name, digest in versions}
    digests = {digest for _, digest in versions if digest.startswith("sha256:")}
    if digests:
        rows = fetch(
            connection,
            "SELECT DISTINCT subject FROM dataset_version "
            "WHERE digest IN (SELECT unnest($1))",
            sorted(digests),
        )
        keys |= {row["subject"] for row in rows}
    for key in keys:
        _identity(key, found)
    return keys


def _writers(connection: duckdb.DuckDBPyConnection, keys: set[str]) -> set[str]:
    links = _provable(
        connection, keys, Direction.UP, Relation.WROTE, takes_superseded=True
    )
    return {run for run, _ in links}


def _touched(
    connection: duckdb.DuckDBPyConnection, runs: Iterable[str], relation: Relation
) -> list[tuple[str, str]]:
    direction = Direction.UP if relation is Relation.READ else Direction.DOWN
    return _provable(connection, runs, direction, relation)


def _provable(
    connection: duckdb.DuckDBPyConnection,
    keys: Iterable[str],
    direction: Direction,
    relation: Relation,
    *,
    takes_superseded: bool = False,
) -> list[tuple[str, str]]:
    """Runs and what they touched, by links of one kind that nobody inferred."""
    found = neighbours(
        connection, sorted(keys), direction, takes_superseded=takes_superseded
    )
    return sorted(
        {
            (edge.subject, edge.object)
            for _, edge in found
            if edge.relation == relation.value
            and edge.strength != Strength.INFERRED.value
        }
    )


def entries_that_told(
    connection: duckdb.DuckDBPyConnection, *subjects: str
) -> list[int]:
    """Entries whose facts are about one of the subjects."""
    tables = " UNION ALL ".join(
        f'SELECT entry_index, subject FROM "{kind.value}"'
        for kind in FactKind
        if kind is not FactKind.ALIAS
    )
    rows = fetch(
        connection,
        f"SELECT DISTINCT entry_index AS told FROM ({tables}) "
        "WHERE subject IN (SELECT unnest($1)) ORDER BY told",
        list(subjects),
    )
    return [int(row["told"]) for row in rows]


def entries_that_hashed(
    connection: duckdb.DuckDBPyConnection, digest: str
) -> list[int]:
    """Entries of imports that read bytes of that SHA-256 (hex) themselves."""
    rows = fetch(
        connection,
        "SELECT DISTINCT entry_index AS told FROM dataset_version "
        "WHERE digest = $1 AND strength = $3 "
        "UNION SELECT entry_index FROM file WHERE digest = $2 ORDER BY told",
        f"sha256:{digest}",
        digest,
        Strength.REREAD.value,
    )
    return [int(row["told"]) for row in rows]


def entries_with_commit(connection: duckdb.DuckDBPyConnection, sha: str) -> list[int]:
    """Entries of imports that found a commit in a repository."""
    rows = fetch(
        connection,
        "SELECT DISTINCT entry_index AS told FROM commit WHERE digest = ? "
        "ORDER BY told",
        sha,
    )
    return [int(row["told"]) for row in rows]


def branches_with(
    connection: duckdb.DuckDBPyConnection, sha: str
) -> tuple[set[str], set[str]]:
    """Branches from whose recorded heads a commit is reached, and all recorded ones."""
    rows = fetch(
        connection,
        "SELECT DISTINCT object, name, digest FROM branch WHERE object IN "
        "(SELECT object FROM commit WHERE digest = ?)",
        sha,
    )
    on: set[str] = set()
    for repository in sorted({row["object"] for row in rows}):
        holding = _descendants(connection, repository, sha)
        on |= {
            row["name"]
            for row in rows
            if row["object"] == repository and row["digest"] in holding
        }
    return on, {row["name"] for row in rows}


def _descendants(
    connection: duckdb.DuckDBPyConnection, repository: str, sha: str
) -> set[str]:
    """A commit and every commit of a repository that has it among its ancestors."""
    children: dict[str, list[str]] = {}
    for row in fetch(
        connection, "SELECT digest, text FROM commit WHERE object = ?", repository
    ):
        for parent in json.loads(row["text"] or "[]"):
            children.setdefault(parent, []).append(row["digest"])
    reached, pending = {sha}, [sha]
    while pending:
        for child in children.get(pending.pop(), ()):
            if child not in reached:
                reached.add(child)
                pending.append(child)
    return reached
