"""The adjacency file: made when it pays, believed only as it was written."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from store.adjacency import opening, reach
from store.adjacency.base import Base
from store.adjacency.layout import AdjacencyDamaged
from store.errors import StoreUnavailable
from store.facts import Strength
from store.identifiers import kind_of
from store.queries.lineage import Direction, describe, everything, neighbours, walk
from tests.conftest import REPOSITORY
from tests.unit.store.graphs import GraphStore, Link, Said, chain, day
from tests.unit.store.plain_lineage import plain_walk

HUB = "run:m/hub"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GraphStore:
    """A projection that is large enough for a file, however few rows it has."""
    monkeypatch.setattr(opening, "FEWEST_ROWS", 0)
    return GraphStore(tmp_path)


def downstream(store: GraphStore, start: str = "run:m/0") -> list[str]:
    with store.reading() as connection:
        return list(walk(connection, start, Direction.DOWN).nodes)


def test_a_small_store_needs_no_file(tmp_path: Path) -> None:
    store = GraphStore(tmp_path)
    store.tell(chain(3, Direction.DOWN), 1)
    assert len(downstream(store)) == 4
    assert not store.file.exists()


def test_an_empty_store_answers_that_nothing_is_known(store: GraphStore) -> None:
    with store.reading() as connection:
        found = walk(connection, "run:m/0", Direction.DOWN)
        assert (list(found.nodes), found.edges, found.is_cut) == (
            ["run:m/0"],
            (),
            False,
        )
        assert neighbours(connection, ["run:m/0", ""], Direction.UP) == []


def test_what_is_in_no_file_and_beside_none_is_only_named(store: GraphStore) -> None:
    store.tell(chain(3, Direction.DOWN), 1)
    with store.reading() as connection:
        assert describe(connection, ["run:m/\udcff"])["run:m/\udcff"].label
        assert neighbours(connection, ["zzz:", "", "a"], Direction.DOWN) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"countersign adjacency 1\n",
        lambda data: b"countersign adjacency 9\n" + data[24:],
        lambda data: data[:-64],
        lambda data: data + bytes(64),
        lambda data: data[:100] + b"0" + data[101:],
        lambda data: data[:8192] + bytes(len(data) - 8192),
        lambda data: data[:9000] + bytes([data[9000] ^ 1]) + data[9001:],
        lambda data: bytes(len(data)),
    ],
)
def test_a_damaged_file_is_made_again(store: GraphStore, damage: object) -> None:
    assert callable(damage)
    links = [*chain(90, Direction.DOWN), Link(0, "run:m/0", "read", "commit:a")]
    store.tell(links, 1)
    before = downstream(store)
    store.file.write_bytes(damage(store.file.read_bytes()))
    assert downstream(store) == before
    Base(store.file).file.require_sound()


def test_damage_with_the_time_set_back_ends_no_question_with_a_crash(
    store: GraphStore,
) -> None:
    store.tell([*chain(40, Direction.DOWN), Said(0, "run", "run:m/3", "é", 3)], 1)
    before = downstream(store)
    good, status = store.file.read_bytes(), store.file.stat()
    chance = random.Random(3)  # noqa: S311 - the same damage in every run
    for _ in range(60):
        place = chance.randrange(8192, len(good))
        bad = good[:place] + bytes([chance.randrange(256)]) + good[place + 1 :]
        aside = store.file.with_name("bad")
        aside.write_bytes(bad)
        os.utime(aside, ns=(status.st_mtime_ns, status.st_mtime_ns))
        aside.replace(store.file)
        assert downstream(store)[0] == before[0]
        with store.reading() as connection:
            everything(connection, "run:m/0", Direction.DOWN, depth=99, kind="run")
    store.file.write_bytes(bad)
    with pytest.raises(AdjacencyDamaged):
        Base(store.file)


def test_a_file_that_was_copied_is_read_whole_once(store: GraphStore) -> None:
    store.tell(chain(3, Direction.DOWN), 1)
    downstream(store)
    data, made = store.file.read_bytes(), store.file.stat().st_mtime_ns
    store.file.write_bytes(data)
    os.utime(store.file, ns=(made + 10**9, made + 10**9))
    assert Base(store.file).things == 4
    assert store.file.stat().st_mtime_ns == made


def test_the_file_of_another_projection_is_not_used(store: GraphStore) -> None:
    store.tell(chain(3, Direction.DOWN), 1)
    assert len(downstream(store)) == 4
    store.start_anew()
    store.tell([Link(0, "run:m/0", "contains", "run:m/other")], 1)
    assert downstream(store) == ["run:m/0", "run:m/other"]


def test_what_came_since_is_read_beside_the_file_until_it_is_much(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.tell(chain(3, Direction.DOWN), 1)
    downstream(store)
    made = store.file.stat()
    monkeypatch.setattr(opening, "FEWEST_ROWS", 2)
    store.tell([Link(1, "run:m/3", "contains", "run:new")], 2)
    assert downstream(store)[-1] == "run:new"
    assert store.file.stat() == made
    more = [Link(2, "run:new", "contains", f"run:x/{n}") for n in range(5)]
    store.tell(more, 3)
    assert len(downstream(store)) == 10
    assert store.file.stat().st_ino != made.st_ino
    assert Base(store.file).made.applied == 3


def test_whoever_has_the_old_file_mapped_goes_on_with_it(store: GraphStore) -> None:
    store.tell(chain(3, Direction.DOWN), 1)
    downstream(store)
    old = Base(store.file)
    store.tell([Link(1, "run:m/3", "contains", "run:new")], 2)
    downstream(store)
    assert (old.things, Base(store.file).things) == (4, 5)
    assert [old.key(number) for number in range(4)] == [f"run:m/{n}" for n in range(4)]


def test_what_a_killed_maker_left_is_no_hindrance(store: GraphStore) -> None:
    store.tell(chain(3, Direction.DOWN), 1)
    store.file.with_name("adjacency.new").write_bytes(b"half")
    assert len(downstream(store)) == 4
    assert sorted(p.name for p in store.file.parent.glob("adj*")) == [
        "adjacency",
        "adjacency.lock",
    ]


def test_a_folder_that_cannot_be_written_is_named(store: GraphStore) -> None:
    store.tell(chain(3, Direction.DOWN), 1)
    store.file.with_name("adjacency.new").mkdir()
    with pytest.raises(StoreUnavailable, match="adjacency") as caught:
        downstream(store)
    assert caught.value.hint


ASKING = """
import sys
from pathlib import Path
from store.adjacency import opening
from store.queries.lineage import Direction, walk
from tests.unit.store.graphs import GraphStore
opening.FEWEST_ROWS = 0
store = object.__new__(GraphStore)
store.path = Path(sys.argv[1])
sys.stdin.readline()
with store.reading() as connection:
    print(len(walk(connection, "run:m/0", Direction.DOWN, depth=9999).nodes))
"""


@pytest.mark.slow
def test_processes_that_make_the_file_at_once_do_not_disturb_each_other(
    store: GraphStore,
) -> None:
    store.tell(chain(3000, Direction.DOWN), 1)
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASKING, str(store.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
        )
        for _ in range(3)
    ]
    answers = [process.communicate("go\n")[0].strip() for process in asking]
    assert answers == ["3001"] * 3
    Base(store.file).file.require_sound()


def test_a_hub_of_a_hundred_thousand_children(store: GraphStore) -> None:
    children = [f"run:m/{number}" for number in range(100_000)]
    store.tell([Link(0, HUB, "contains", child) for child in children], 1)
    with store.reading() as connection:
        near = walk(connection, HUB, Direction.DOWN, most_nodes=500)
        assert (len(near.nodes), len(near.edges), near.is_cut) == (500, 499, True)
        assert list(near.nodes)[1:] == sorted(children)[:499]
        parents = walk(connection, children[7], Direction.UP)
        assert list(parents.nodes) == [children[7], HUB]
        every = everything(connection, HUB, Direction.DOWN, depth=9, kind="commit")
        assert (every.counts, every.is_cut) == ({"run": 100_001}, False)


def test_a_chain_of_very_many_links_is_followed_to_its_end(store: GraphStore) -> None:
    store.tell(chain(20_000, Direction.UP), 1)
    with store.reading() as connection:
        found = everything(connection, "run:m/0", Direction.UP, depth=10**6, kind="run")
        assert found.steps == {f"run:m/{number}": number for number in range(20_001)}
        short = everything(connection, "run:m/0", Direction.UP, depth=6_000, kind="")
        assert (short.counts, short.is_cut) == ({"run": 6_001}, True)


def tangle() -> list[Link | Said]:
    """Many things, each with some links from anywhere, and a day it began."""
    chance = random.Random(11)  # noqa: S311 - the same graph in every run
    keys = [f"{kind}:m/{n}" for n in range(700) for kind in ("run", "step", "job")]
    strengths = ["declared", "inferred", "observed"]
    links = [
        Link(
            chance.randrange(4),
            chance.choice(keys),
            chance.choice(["contains", "read", "wrote"]),
            chance.choice(keys),
            chance.choice(strengths),
        )
        for _ in range(9_000)
    ]
    tables = {"run": "run", "job": "job"}
    sayings = [
        Said(n % 4, tables[kind_of(key)], key, "", n % 7)
        for n, key in enumerate(keys)
        if kind_of(key) in tables
    ]
    return [*links, *sayings]


@pytest.mark.parametrize("entries_in_file", [2, 4])
def test_whole_arrays_say_what_single_links_say(
    store: GraphStore, entries_in_file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tangle()
    store.tell([row for row in rows if row.entry < entries_in_file], entries_in_file)
    downstream(store)
    monkeypatch.setattr(opening, "FEWEST_ROWS", 10**6)
    store.tell([row for row in rows if row.entry >= entries_in_file], 4)
    monkeypatch.setattr(reach, "FEW", 1)
    seen = set()
    for known_at in (0, 2, 3):
        for as_of in (None, day(0), day(3), day(5)):
            with store.reading(known_at) as connection:
                for direction in Direction:
                    plain = plain_walk(
                        connection,
                        "run:m/0",
                        direction,
                        depth=99,
                        as_of=as_of,
                        most_nodes=10**6,
                    )
                    found = opening.ask(
                        connection,
                        lambda graph, way=direction: reach.reach(  # type: ignore[misc]  # bound at once
                            graph, "run:m/0", way, depth=99, kind="step"
                        ),
                        as_of=as_of,
                    )
                    counted = Counter(map(kind_of, plain.nodes))
                    assert found.counts == dict(counted)
                    assert found.steps == {
                        key: level
                        for key, level in plain.depth.items()
                        if kind_of(key) == "step"
                    }
                    seen.add(sum(counted.values()))
    assert max(seen) > 1_000
    assert len(seen) > 8


def test_ignored_links_are_not_followed_in_any_way(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tangle()
    store.tell(rows, 4)
    answers = []
    for few in (reach.FEW, 1):
        monkeypatch.setattr(reach, "FEW", few)
        with store.reading() as connection:
            answers.append(
                everything(
                    connection,
                    "run:m/0",
                    Direction.DOWN,
                    depth=99,
                    kind="run",
                    ignored=(Strength.INFERRED, Strength.OBSERVED),
                )
            )
    assert answers[0] == answers[1]
    kept = [r for r in rows if isinstance(r, Link) and r.strength == "declared"]
    store.start_anew()
    store.tell(kept, 4)
    with store.reading() as connection:
        alone = everything(connection, "run:m/0", Direction.DOWN, depth=99, kind="run")
    assert alone == answers[0]
