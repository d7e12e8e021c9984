"""Graphs as nobody would draw them, and values that nobody should log: survived."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import (
    dataset_version_key,
    experiment_key,
    model_key,
    model_version_key,
    run_key,
)
from store.queries.lineage import MOST_NODES, Direction, neighbours, walk
from store.queries.models import list_versions
from store.queries.runs import list_experiments, list_runs, tags_of
from tests.told import Batch, projection_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHILDREN = 100_000
HUB = run_key("m", "hub")


def link(subject: str, relation: Relation, target: str) -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=subject,
        name=relation.value,
        object=target,
        strength=Strength.DECLARED.value,
    )


def run(name: str, started: datetime | None = NOON) -> Fact:
    return Fact(
        kind=FactKind.RUN,
        subject=run_key("m", name),
        object=experiment_key("m", "1"),
        name=name,
        started=started,
    )


def batch(*facts: Fact) -> Batch:
    return Batch("m", NOON, facts)


@pytest.mark.slow
def test_a_hub_of_a_hundred_thousand_children_is_walked_to_its_bound(
    tmp_path: Path,
) -> None:
    children = [run_key("m", str(number)) for number in range(CHILDREN)]
    links = [link(HUB, Relation.CONTAINS, child) for child in children]
    projection = projection_of([batch(run("hub"), *links)], tmp_path / "p")
    with projection.reading() as connection:
        for as_of in (None, NOON):
            found = walk(connection, HUB, Direction.DOWN, as_of=as_of)
            assert len(found.nodes) == MOST_NODES
            assert len(found.edges) == MOST_NODES - 1
            assert found.is_cut
        up = walk(connection, children[-1], Direction.UP)
        assert set(up.nodes) == {children[-1], HUB}
        whole = walk(connection, HUB, Direction.DOWN, most_nodes=CHILDREN + 1)
        assert (len(whole.nodes), whole.is_cut) == (CHILDREN + 1, False)


def test_a_hub_whose_children_all_began_later_has_none_of_them(
    tmp_path: Path,
) -> None:
    later = NOON.replace(hour=13)
    runs = [run(str(number), later) for number in range(1_000)]
    links = [link(HUB, Relation.CONTAINS, child.subject) for child in runs]
    projection = projection_of([batch(run("hub"), *runs, *links)], tmp_path / "p")
    with projection.reading() as connection:
        before = walk(connection, HUB, Direction.DOWN, as_of=NOON)
        after = walk(connection, HUB, Direction.DOWN, as_of=later)
    assert (len(before.nodes), len(before.edges), before.is_cut) == (1, 0, False)
    assert (len(after.nodes), len(after.edges)) == (1_001, 1_000)


def test_cycles_and_self_edges_end_a_walk_at_every_moment(tmp_path: Path) -> None:
    a, b, data = run_key("m", "a"), run_key("m", "b"), dataset_version_key("d", "x:1")
    facts = [
        run("a"),
        run("b", None),
        link(a, Relation.CONTAINS, a),
        link(a, Relation.CONTAINS, b),
        link(b, Relation.CONTAINS, a),
        link(a, Relation.READ, data),
        link(a, Relation.WROTE, data),
    ]
    projection = projection_of([batch(*facts)], tmp_path / "p")
    with projection.reading() as connection:
        for as_of in (None, NOON):
            for way in Direction:
                found = walk(connection, a, way, as_of=as_of)
                assert set(found.nodes) == {a, b, data}
                assert not found.is_cut
        early = walk(connection, b, Direction.DOWN, as_of=NOON.replace(hour=1))
    assert set(early.nodes) == {b}


def test_empty_names_are_names(tmp_path: Path) -> None:
    model = model_key("m", "")
    facts = [
        run(""),
        Fact(kind=FactKind.EXPERIMENT, subject=experiment_key("m", "1"), name=""),
        Fact(kind=FactKind.MODEL, subject=model, name=""),
        Fact(
            kind=FactKind.MODEL_VERSION,
            subject=model_version_key("m", "", ""),
            object=model,
            name="",
        ),
        Fact(kind=FactKind.TAG, subject=run_key("m", ""), name="", text=""),
        link(run_key("m", ""), Relation.PRODUCED, model_version_key("m", "", "")),
    ]
    projection = projection_of([batch(*facts)], tmp_path / "p")
    with projection.reading() as connection:
        for as_of in (None, NOON):
            (found,) = list_runs(connection, limit=9, as_of=as_of)
            assert (found.name, found.experiment, found.native_id) == ("", "", "")
            assert [e.run_count for e in list_experiments(connection)] == [1]
            (version,) = list_versions(connection, as_of=as_of)
            assert (version.version, version.run_key) == ("", found.key)
            assert tags_of(connection, found.key, as_of=as_of) == [("", "")]
            closure = walk(connection, version.key, Direction.UP, as_of=as_of)
            assert set(closure.nodes) == {version.key, found.key}


def test_a_tag_of_a_megabyte_is_kept_whole_through_all_its_changes(
    tmp_path: Path,
) -> None:
    values = [letter * 1_000_000 for letter in "abc"]
    told = [
        Batch(
            "m",
            NOON.replace(hour=hour),
            [Fact(kind=FactKind.TAG, subject=HUB, name="t" * 10_000, text=value)],
        )
        for hour, value in zip((1, 2, 3), values, strict=True)
    ]
    projection = projection_of(told, tmp_path / "p")
    with projection.reading() as connection:
        for hour, value in zip((1, 2, 3), values, strict=True):
            as_of = NOON.replace(hour=hour)
            ((_, kept),) = tags_of(connection, HUB, as_of=as_of)
            assert kept == value
    for entry, value in enumerate(values):
        with projection.reading(entry) as connection:
            assert tags_of(connection, HUB) == [("t" * 10_000, value)]


def test_a_deleted_version_keeps_its_lineage_at_every_moment(tmp_path: Path) -> None:
    version = model_version_key("m", "fraud", "1")
    made = [
        run("a"),
        Fact(
            kind=FactKind.MODEL_VERSION,
            subject=version,
            object=model_key("m", "fraud"),
            name="1",
            started=NOON,
        ),
        link(run_key("m", "a"), Relation.PRODUCED, version),
        link(run_key("m", "a"), Relation.READ, dataset_version_key("d", "x:1")),
    ]
    gone = [Fact(kind=FactKind.DELETION, subject=version, text="deleted in MLflow")]
    later = NOON.replace(hour=15)
    told = [batch(*made), Batch("m", later, gone)]
    projection = projection_of(told, tmp_path / "p")
    with projection.reading() as connection:
        for as_of in (None, NOON, later):
            closure = walk(connection, version, Direction.UP, as_of=as_of)
            assert len(closure.nodes) == 3
            (found,) = list_versions(connection, key=version, as_of=as_of)
            assert found.run_key == run_key("m", "a")
            assert found.deleted is not None
            assert found.deleted.high == later
    with projection.reading(0) as connection:
        (found,) = list_versions(connection, key=version)
        assert found.deleted is None


def test_every_link_of_one_thing_is_found_from_both_its_ends(tmp_path: Path) -> None:
    data = dataset_version_key("d", "x:1")
    links = [link(run_key("m", str(n)), Relation.READ, data) for n in range(1_000)]
    projection = projection_of([batch(*links)], tmp_path / "p")
    with projection.reading() as connection:
        down = neighbours(connection, [data], Direction.DOWN)
        up = neighbours(connection, [edge.subject for _, edge in down], Direction.UP)
    assert len(down) == len(up) == 1_000
