"""The projection: rebuilt it answers the same, edited it is caught, killed it heals."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from console.services import catalogue, inspection
from console.services.checkpoints import verify_log
from console.services.moments import Asked
from store.adjacency.opening import adjacency_path
from store.errors import StoreUnavailable
from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import model_key, model_version_key, run_key
from store.projection.connection import open_projection
from store.queries.lineage import Direction
from tests.conftest import REPOSITORY
from tests.worlds import ToldSource, World


def moment(hour: int) -> datetime:
    return datetime(2026, 1, 1, hour, tzinfo=UTC)


def run(name: str, status: str = "FINISHED", hour: int = 1) -> Fact:
    return Fact(
        kind=FactKind.RUN,
        subject=run_key("mlflow", name),
        name=name,
        status=status,
        started=moment(hour),
    )


def alias(version: str, low: int | None, high: int) -> Fact:
    return Fact(
        kind=FactKind.ALIAS,
        subject=model_key("mlflow", "fraud"),
        name="production",
        object=model_version_key("mlflow", "fraud", version) if version else "",
        low=None if low is None else moment(low),
        high=moment(high),
    )


def edge(subject: str, relation: Relation, target: str) -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=subject,
        name=relation.value,
        object=target,
        strength=Strength.DECLARED.value,
    )


def test_the_same_facts_twice_add_nothing(world: World) -> None:
    first = world.tell(run("a"), run("b"), run("a"))
    assert first.new == {"run": 2}
    again = world.tell(run("b"), run("a"))
    assert (again.new, again.index) == ({}, None)


def test_a_source_that_dies_half_way_leaves_nothing(world: World) -> None:
    from console.services.importing import import_source
    from console.services.signing import act_as_service
    from policies.trust_root import ServiceKind

    size = world.store.index.size
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    source = ToldSource("mlflow", [run("a"), run("b")], breaks_after=1)
    with pytest.raises(OSError, match="died"):
        import_source(world.store, acting, source)
    assert world.store.catch_up() == size
    assert catalogue.runs(world.store, limit=9) == []


def test_known_at_answers_as_the_log_knew_then(world: World) -> None:
    first = world.tell(run("a", "RUNNING")).index
    world.tell(run("a", "FINISHED"), run("b"))
    now = catalogue.runs(world.store, limit=9)
    then = catalogue.runs(world.store, limit=9, asked=Asked(known_at=first))
    assert {(r.name, r.status) for r in now} == {("a", "FINISHED"), ("b", "FINISHED")}
    assert {(r.name, r.status) for r in then} == {("a", "RUNNING")}


def test_as_of_answers_by_event_time_whatever_the_order_of_arrival(
    world: World,
) -> None:
    world.tell(alias("3", 5, 6))
    world.tell(alias("2", None, 2), alias("", 8, 9))
    positions = {
        hour: [a.version for a in catalogue.aliases(world.store, as_of=moment(hour))]
        for hour in (1, 3, 7, 10)
    }
    assert positions == {1: [], 3: ["2"], 7: ["3"], 10: []}


def test_lineage_survives_cycles_and_self_edges(world: World) -> None:
    a, b = run_key("mlflow", "a"), run_key("mlflow", "b")
    world.tell(
        run("a"),
        run("b"),
        edge(a, Relation.CONTAINS, b),
        edge(b, Relation.CONTAINS, a),
        edge(a, Relation.CONTAINS, a),
    )
    found = inspection.lineage(world.store, "run:a", Direction.DOWN, depth=9)
    assert set(found.nodes) == {a, b}
    assert not found.is_cut


def test_a_walk_that_stops_early_says_so(world: World) -> None:
    keys = [run_key("mlflow", name) for name in "abcd"]
    world.tell(
        *(run(name) for name in "abcd"),
        *(edge(x, Relation.CONTAINS, y) for x, y in itertools.pairwise(keys)),
    )
    near = inspection.lineage(world.store, "run:a", Direction.DOWN, depth=2)
    far = inspection.lineage(world.store, "run:a", Direction.DOWN, depth=3)
    assert (len(near.nodes), near.is_cut) == (3, True)
    assert (len(far.nodes), far.is_cut) == (4, False)


def test_a_rebuilt_projection_answers_as_the_one_it_replaces(world: World) -> None:
    world.tell(run("a"), alias("2", None, 2))
    world.tell(run("b"), alias("3", 2, 3))
    before = (catalogue.runs(world.store, limit=9), catalogue.aliases(world.store))
    world.store.projection.path.unlink()
    after = (catalogue.runs(world.store, limit=9), catalogue.aliases(world.store))
    assert before == after


@pytest.mark.parametrize("damage", [b"", b"not a database", b"\x00" * 8192])
def test_a_damaged_projection_is_rebuilt(world: World, damage: bytes) -> None:
    world.tell(run("a"))
    world.store.projection.path.write_bytes(damage)
    assert [r.name for r in catalogue.runs(world.store, limit=9)] == ["a"]


def test_a_projection_that_starts_anew_takes_the_mapped_graph_away(
    world: World,
) -> None:
    world.tell(run("a"))
    path = world.store.projection.path
    adjacency_path(path).write_bytes(b"what was erased")
    path.write_bytes(b"")
    assert [r.name for r in catalogue.runs(world.store, limit=9)] == ["a"]
    assert not adjacency_path(path).exists()


def test_a_row_edited_behind_our_back_is_found_by_deep_verification(
    world: World,
) -> None:
    world.tell(run("a"))
    assert verify_log(world.store, deep=True).problems == ()
    with duckdb.connect(str(world.store.projection.path)) as connection:
        connection.execute("UPDATE run_rows SET status = 'FAILED'")
    problems = verify_log(world.store, deep=True).problems
    assert any("run" in problem for problem in problems)


def test_a_locked_projection_names_who_holds_it(world: World) -> None:
    world.tell(run("a"))
    path = world.store.projection.path
    code = (
        "import duckdb, sys, time\n"
        f"c = duckdb.connect({str(path)!r})\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(StoreUnavailable, match=str(holder.pid)) as caught,
            open_projection(path, read_only=True, wait_seconds=0.05),
        ):
            pass
        assert "try again" in caught.value.hint
        holder.communicate(b"")


IMPORTER = """
import sys
from pathlib import Path
from console.services.configuration import Configuration
from console.services.opened import open_store
from console.services.places import Places
from console.services.importing import import_source
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.facts import Fact, FactKind
from tests.worlds import ToldSource
folder, start = Path(sys.argv[1]), int(sys.argv[2])
places = Places(folder / "data", folder / "config")
store = open_store(str(folder / "store"), places, Configuration())
acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
for number in range(start, start + 1000):
    subject = f"run:m/{number}"
    facts = [
        Fact(kind=FactKind.TAG, subject=subject, name=str(n), text="x")
        for n in range(50)
    ]
    report = import_source(store, acting, ToldSource("m", facts))
    print(number, flush=True)
"""


@pytest.mark.slow
def test_killed_at_random_points_nothing_acknowledged_is_lost(world: World) -> None:
    acknowledged: set[int] = set()
    for attempt in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", IMPORTER, str(world.folder), str(attempt * 1000)],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        ) as importer:
            assert importer.stdout is not None
            acknowledged.add(int(importer.stdout.readline()))
            time.sleep(0.037 * attempt)
            os.kill(importer.pid, signal.SIGKILL)
            acknowledged |= {int(line) for line in importer.stdout.read().split()}
    world.store.catch_up()
    world.store.projection.catch_up()
    with world.store.projection.reading() as connection:
        counted = dict(
            connection.execute(
                "SELECT subject, count(*) FROM tag GROUP BY subject"
            ).fetchall()
        )
    assert {f"run:m/{number}" for number in acknowledged} <= counted.keys()
    assert set(counted.values()) == {50}
    assert verify_log(world.store, deep=True).problems == ()


@pytest.mark.slow
def test_two_processes_import_while_a_third_reads(world: World) -> None:
    writers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                IMPORTER.replace("+ 1000", "+ 5"),
                str(world.folder),
                str(start),
            ],
            stdout=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        for start in (0, 1000)
    ]
    seen: list[int] = []
    while any(writer.poll() is None for writer in writers):
        world.store.catch_up()
        world.store.projection.catch_up()
        with world.store.projection.reading() as connection:
            row = connection.execute("SELECT count(*) FROM tag").fetchone()
        seen.append(row[0] if row else 0)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen == sorted(seen)
    assert all(count % 50 == 0 for count in seen)
    world.store.catch_up()
    report = verify_log(world.store, deep=True)
    assert report.problems == ()
    assert len(world.store.index.batches(0)) == 10


def test_only_the_folder_it_was_given_is_written(world: World, tmp_path: Path) -> None:
    world.tell(run("a"))
    made = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert made <= {"world", "home"}


def test_processes_that_make_the_projection_at_once_make_one_and_fill_it(
    world: World,
) -> None:
    runs = [
        Fact(kind=FactKind.RUN, subject=f"run:mlflow/{number:032x}", name=f"r{number}")
        for number in range(50)
    ]
    world.tell(*runs)
    command = [sys.executable, "-m", "console", "--store", world.store.address]
    home = str(world.folder / "fresh")
    started = [
        subprocess.Popen(
            [*command, "runs", "--format", "json"],
            env={**os.environ, "COUNTERSIGN_HOME": home},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(6)
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        assert len(json.loads(out)["runs"]) == 50
