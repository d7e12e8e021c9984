"""Budgets of lineage questions in a large graph, and what others take for the same."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from console.services.importing import import_source
from console.services.inspection import lineage
from console.services.opened import OpenStore
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.adjacency.base import Base
from store.adjacency.beside import Beside, Noted, Revised
from store.adjacency.counting import Counting, Direction
from store.adjacency.graph import Graph
from store.adjacency.opening import adjacency_path, ask
from store.adjacency.reach import Reached, reach
from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import commit_key, run_key
from store.queries.lineage import walk
from store.references import readable_reference
from tests.bench.graph_history import MadeHistory, make_history
from tests.bench.graph_peers import (
    duckdb_seconds,
    networkx_seconds,
    postgres_edges,
    rustworkx_seconds,
)
from tests.bench.table import Row, seconds
from tests.worlds import ToldSource, World, new_world

EDGES = int(os.environ.get("COUNTERSIGN_BENCH_EDGES", "1000000"))
MORE_RUNS = 1_000
_ALL = 10**9

FIRST = """
import sys, time
from pathlib import Path
import duckdb, pyarrow
from store.adjacency.counting import Direction
from store.adjacency.opening import ask
from store.projection.connection import open_projection
from store.queries.lineage import walk
path, key = Path(sys.argv[1]), sys.argv[2]
started = time.perf_counter()
with open_projection(path, read_only=True) as connection:
    opened = time.perf_counter()
    ask(connection, lambda graph: graph.levels(
        graph.number(key), Direction.UP, depth=10**9, most=10_000))
    print(opened - started, time.perf_counter() - opened)
"""


@dataclass(frozen=True)
class _Ground:
    """A store whose projection holds the made-up history."""

    world: World
    store: OpenStore
    made: MadeHistory

    @property
    def projection(self) -> Path:
        return self.store.projection.path


def graph_rows(folder: Path) -> Iterator[Row]:
    """All rows about the graph."""
    world = new_world(folder / "graph")
    size = world.store.index.size
    path = world.store.projection.path
    root = world.store.index.root_at(size).hex()
    ground = _Ground(
        world, world.store, make_history(path, EDGES, entries=size, root=root)
    )
    yield _making_row(ground)
    yield from _small_rows(ground)
    yield _full_row(ground)
    yield from _command_rows(ground)
    yield _beside_row(ground)


def _making_row(ground: _Ground) -> Row:
    started = time.perf_counter()
    with ground.store.projection.reading() as connection:
        things = ask(connection, lambda graph: graph.things())
    taken = time.perf_counter() - started
    file = adjacency_path(ground.projection)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return Row(
        f"adjacency made, {ground.made.edges:,} edges, {things:,} things",
        "<= 4 GiB",
        f"{taken:.1f} s",
        f"{file.stat().st_size / 1e6:.0f} MB beside a projection of "
        f"{ground.projection.stat().st_size / 1e6:.0f} MB; peak of the process so far "
        f"{peak:.1f} GB",
    )


def _small_rows(ground: _Ground) -> list[Row]:
    """What is upstream of one model version: warm, and in a new process."""
    base = Base(adjacency_path(ground.projection))
    key = ground.made.last_version
    start = base.find(key)
    if start is None:
        raise SystemExit(f"{key} is not in the graph")
    with ground.store.projection.reading() as connection:
        graph = ask(connection, lambda graph: graph)

        def asked() -> int:
            first = graph.number(key)
            return len(graph.levels(first, Direction.UP, depth=_ALL, most=10_000).of)

        def whole() -> int:
            return len(walk(connection, key, Direction.UP, depth=_ALL).nodes)

        count, taken = asked(), seconds(asked)
        named, with_names = whole(), seconds(whole)
    with postgres_edges(base, Direction.UP) as postgres:
        peer = postgres(start) if postgres else None
    recursive, by_duckdb = duckdb_seconds(base, Direction.UP, start)
    if {count, named, recursive, *(peer[:1] if peer else ())} != {count}:
        raise SystemExit("not everybody reaches the same things")
    by_postgres = (
        f"Postgres, indexed recursive query {peer[1] * 1000:.1f} ms"
        if peer
        else "no Postgres here"
    )
    command = [sys.executable, "-c", FIRST, str(ground.projection), key]
    first = sorted(
        [[float(part) for part in _output(command).split()] for _ in range(5)],
        key=lambda parts: parts[1],
    )[2]
    return [
        Row(
            f"lineage closure of {count} things, {ground.made.edges:,} edges, warm",
            "<= 1 ms",
            f"{taken * 1000:.2f} ms",
            f"{by_postgres}; DuckDB's on integers {by_duckdb * 1000:.0f} ms; `walk`, "
            f"with every name and link, {with_names * 1000:.1f} ms",
        ),
        Row(
            "the same, first of a process, imports aside",
            "<= 30 ms",
            f"{first[1] * 1000:.1f} ms",
            f"after opening DuckDB in {first[0] * 1000:.1f} ms",
        ),
    ]


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _full_row(ground: _Ground) -> Row:
    """Everything downstream of a dataset that every project read."""
    base = Base(adjacency_path(ground.projection))
    start = base.find(ground.made.everything)
    if start is None:
        raise SystemExit(f"{ground.made.everything} is not in the graph")

    def asked() -> Reached:
        end = base.made.applied
        beside = Beside(end, end, Noted(), {})
        graph = Graph(base, beside, Revised(), Counting(_ALL), lambda _: {})
        key = ground.made.everything
        return reach(graph, key, Direction.DOWN, depth=_ALL, kind="")

    count, taken = sum(asked().counts.values()), seconds(asked, repeats=3)
    reached, by_rustworkx = rustworkx_seconds(base, Direction.DOWN, start)
    recursive, by_duckdb = duckdb_seconds(base, Direction.DOWN, start)
    if {count, reached, recursive} != {count}:
        raise SystemExit("not everybody reaches the same things")
    by_networkx = networkx_seconds(base, Direction.DOWN, start)
    others = (
        "networkx left out" if by_networkx is None else f"networkx {by_networkx:.2f} s"
    )
    return Row(
        f"full closure, {ground.made.edges:,} edges, {count:,} things reached",
        "<= rustworkx",
        f"{taken:.2f} s = {taken / by_rustworkx:.0%}",
        f"rustworkx {by_rustworkx:.2f} s, its graph made beforehand; DuckDB's "
        f"recursive query on integers {by_duckdb:.2f} s; {others}",
    )


def _command_rows(ground: _Ground) -> list[Row]:
    """What a person waits for: a command in a process of its own."""
    places = ground.world.places
    environment = os.environ | {
        "COUNTERSIGN_DATA": str(places.data),
        "COUNTERSIGN_HOME": str(places.data.parent),
    }
    reference = readable_reference(ground.made.last_version)
    rows = []
    for name, more in (("lineage", []), ("show", []), ("impact", ["--format", "json"])):
        command = [sys.executable, "-m", "console", name, reference, *more]
        command += ["--store", ground.store.address]

        def run(command: list[str] = command) -> None:
            subprocess.run(command, env=environment, check=True, capture_output=True)

        before, taken = _processor_seconds(), seconds(run, repeats=3)
        each = (_processor_seconds() - before) / 4
        rows.append(
            Row(
                f"`{name}` of one version, a fresh process",
                "",
                f"{taken:.2f} s",
                f"{each:.2f} s of it on a processor",
            )
        )
    return rows


def _processor_seconds() -> float:
    """What the processes that were waited for took of processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _beside_row(ground: _Ground) -> Row:
    """A question right after an import of some more runs."""
    acting = act_as_service(ground.store, ground.store.state(), ServiceKind.IMPORT)
    runs = [run_key("more", f"{number:032x}") for number in range(MORE_RUNS)]
    commit = commit_key("9" * 40)
    told = [Fact(kind=FactKind.RUN, subject=run, name="more") for run in runs]
    told += [Fact(kind=FactKind.COMMIT, subject=commit, digest="9" * 40)]
    told += [_link(run, Relation.USED, commit) for run in runs]
    told += [
        _link(runs[n // 2], Relation.CONTAINS, runs[n]) for n in range(1, MORE_RUNS)
    ]
    import_source(ground.store, acting, ToldSource("more", told))
    made = adjacency_path(ground.projection).stat()
    started = time.perf_counter()
    found = lineage(ground.store, f"commit:{'9' * 40}", Direction.DOWN, depth=_ALL)
    taken = time.perf_counter() - started
    if len(found.nodes) != MORE_RUNS + 1:
        raise SystemExit("what was imported is not all there")
    if adjacency_path(ground.projection).stat() != made:
        raise SystemExit("the adjacency was made anew for a few runs")
    return Row(
        f"a question after {MORE_RUNS} more runs, {len(told)} facts",
        "",
        f"{taken * 1000:.0f} ms",
        f"{len(found.nodes)} things with names; what is new is read beside the file",
    )


def _link(subject: str, relation: Relation, target: str) -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=subject,
        name=relation.value,
        object=target,
        strength=Strength.OBSERVED.value,
    )
