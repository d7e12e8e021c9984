"""Whatever the graph, the moment and the entry, the adjacency answers as SQL does."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.adjacency import opening, reach
from store.adjacency.opening import ask
from store.queries.lineage import Direction, describe, neighbours, walk
from tests.unit.store.graphs import Corrected, GraphStore, Link, Said, day
from tests.unit.store.plain_lineage import plain_describe, plain_neighbours, plain_walk

KEYS = [
    *(f"run:m/{number}" for number in range(4)),
    *(f"dataset-version:d/sha256%3A{number}" for number in range(2)),
    "dataset-version:d/none%3Aunversioned",
    "commit:9fceb02",
    "model-version:m/fraud/7",
    "model-version:m//",
    "run:m/",
    "pipeline-step:x",
    "job:m/n/%C3%A9",
]
TABLES = {"run": "run", "commit": "commit", "dataset-version": "dataset_version"}
TABLES |= {"model-version": "model_version", "job": "job"}
RELATIONS = ["read", "used", "wrote", "produced", "contains", "serves"]
LAST = 4
"""Entries that are told in all."""

keys = st.sampled_from(KEYS)
entries = st.integers(0, LAST - 1)
links = st.builds(
    Link,
    entries,
    keys,
    st.sampled_from(RELATIONS),
    keys,
    st.sampled_from(["declared", "inferred", "observed"]),
    st.sampled_from([None, "", "training", "é"]),
)
sayings = st.builds(
    lambda entry, key, name, began: Said(
        entry, TABLES[key.partition(":")[0]], key, name, began
    ),
    entries,
    keys.filter(lambda key: key.partition(":")[0] in TABLES),
    st.sampled_from(["", "a", "[/b] é"]),
    st.one_of(st.none(), st.integers(0, 3)),
)


@pytest.fixture(scope="module")
def store() -> Iterator[GraphStore]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        # The file, the arrays and the wide levels are for millions: here for a dozen.
        patch.setattr(opening, "FEWEST_ROWS", 3)
        patch.setattr(reach, "FEW", 1)
        patch.setattr(reach, "_NARROW", 2)
        patch.setattr(reach, "_WIDE", 3)
        patch.setattr(reach, "_LINKS_AT_ONCE", 2)
        yield GraphStore(Path(folder))


@pytest.mark.slow
@settings(max_examples=max(settings().max_examples // 4, 1))
@given(
    told=st.lists(st.one_of(links, links, sayings), min_size=12, max_size=40),
    corrected=st.lists(st.tuples(entries, st.integers(0, 39)), max_size=2),
    applied=st.lists(st.integers(1, LAST), min_size=1, max_size=3, unique=True),
    start=keys,
    direction=st.sampled_from(Direction),
    known_at=st.integers(0, LAST),
    as_of=st.one_of(st.none(), st.integers(0, 3).map(day)),
    depth=st.integers(0, 8),
    most=st.integers(1, 20),
)
def test_the_adjacency_answers_as_plain_sql(
    store: GraphStore,
    told: list[Link | Said],
    corrected: list[tuple[int, int]],
    applied: list[int],
    start: str,
    direction: Direction,
    known_at: int,
    as_of: datetime | None,
    depth: int,
    most: int,
) -> None:
    store.start_anew()
    corrections = [
        Corrected(entry, link)
        for entry, place in corrected
        for link in told[place : place + 1]
        if isinstance(link, Link)
    ]
    before = 0
    for end in sorted(applied):
        store.tell([row for row in told if before <= row.entry < end], end)
        store.tell([c for c in corrections if before <= c.entry < end], end)
        before = end
        with store.reading(known_at) as connection:
            expected = plain_walk(
                connection, start, direction, depth=depth, as_of=as_of, most_nodes=most
            )
            found = walk(
                connection, start, direction, depth=depth, as_of=as_of, most_nodes=most
            )
            assert found == expected
            assert list(found.nodes) == list(expected.nodes)
            assert neighbours(
                connection, KEYS, direction, as_of=as_of
            ) == plain_neighbours(connection, KEYS, direction, as_of=as_of)
            assert describe(connection, KEYS) == plain_describe(connection, KEYS)
            everything = plain_walk(
                connection, start, direction, depth=depth, as_of=as_of, most_nodes=99
            )
            reached = ask(
                connection,
                lambda graph: reach.reach(
                    graph, start, direction, depth=depth, kind="run"
                ),
                as_of=as_of,
            )
            kinds = Counter(node.kind for node in everything.nodes.values())
            assert reached.counts == dict(kinds)
            assert reached.is_cut == everything.is_cut
            assert reached.steps == {
                key: level
                for key, level in everything.depth.items()
                if everything.nodes[key].kind == "run"
            }
