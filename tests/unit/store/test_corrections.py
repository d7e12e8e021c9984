"""A correction hides what it replaces, from its own entry on, and nobody else's."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from store.facts import Fact, FactKind, Relation, Strength, fact_id
from store.identifiers import dataset_version_key, run_key
from store.projection.admission import admit_batch
from store.projection.apply import Projection
from store.projection.batches import batch_schema, fact_tables
from store.projection.connection import open_projection
from store.projection.fact_checks import UnusableBatch
from store.projection.rebuild import compare_with_rebuilt
from store.queries.lineage import Direction, walk
from store.queries.sql import fetch
from tests.told import Batch, Told, projection_of, projection_over

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = run_key("git", "a")


def read(digest: str) -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=RUN,
        name=Relation.READ.value,
        object=dataset_version_key("loans", digest),
        strength=Strength.OBSERVED.value,
    )


def correcting(mistaken: Fact, fact: Fact, source: str = "s") -> Fact:
    return replace(fact, replaces=fact_id(source, mistaken))


def batch(*facts: Fact, source: str = "s") -> Batch:
    return Batch(source, NOON, facts)


def targets(projection: Projection, known_at: int | None = None) -> list[str]:
    """The digests of what the run read."""
    with projection.reading(known_at) as connection:
        rows = fetch(connection, "SELECT object FROM edge ORDER BY object")
    return [row["object"].rpartition("/")[2] for row in rows]


OLD, NEW, NEWER = read("one"), read("two"), read("three")


def test_a_correction_hides_what_it_replaces_from_its_own_entry_on(
    tmp_path: Path,
) -> None:
    told = [batch(OLD), batch(correcting(OLD, NEW))]
    projection = projection_of(told, tmp_path / "p")
    assert targets(projection, 0) == ["one"]
    assert targets(projection) == ["two"]


def test_a_walk_takes_no_link_that_was_corrected(tmp_path: Path) -> None:
    told = [batch(OLD), batch(correcting(OLD, NEW))]
    projection = projection_of(told, tmp_path / "p")
    with projection.reading() as connection:
        found = walk(connection, RUN, Direction.UP)
        back = walk(connection, OLD.object, Direction.DOWN)
    assert set(found.nodes) == {RUN, NEW.object}
    assert set(back.nodes) == {OLD.object}


def test_a_correction_that_comes_before_what_it_corrects_hides_it_too(
    tmp_path: Path,
) -> None:
    told = [batch(correcting(OLD, NEW)), batch(OLD)]
    projection = projection_of(told, tmp_path / "p")
    assert targets(projection, 0) == targets(projection, 1) == ["two"]


def test_a_corrected_correction_does_not_bring_the_first_fact_back(
    tmp_path: Path,
) -> None:
    first = correcting(OLD, NEW)
    told = [batch(OLD), batch(first), batch(correcting(first, NEWER))]
    projection = projection_of(told, tmp_path / "p")
    assert [targets(projection, entry) for entry in range(3)] == [
        ["one"],
        ["two"],
        ["three"],
    ]


def test_what_was_corrected_and_is_told_again_stays_hidden(tmp_path: Path) -> None:
    told = [batch(OLD), batch(correcting(OLD, NEW)), batch(OLD)]
    assert targets(projection_of(told, tmp_path / "p")) == ["two"]


def test_a_source_corrects_back_by_telling_the_old_value_as_a_correction(
    tmp_path: Path,
) -> None:
    first = correcting(OLD, NEW)
    told = [batch(OLD), batch(first), batch(correcting(first, OLD))]
    assert targets(projection_of(told, tmp_path / "p")) == ["one"]


def test_several_corrections_of_one_fact_all_hold(tmp_path: Path) -> None:
    told = [batch(OLD), batch(correcting(OLD, NEW), correcting(OLD, NEWER))]
    assert targets(projection_of(told, tmp_path / "p")) == ["three", "two"]


def test_a_correction_of_nothing_known_is_a_fact_like_any_other(
    tmp_path: Path,
) -> None:
    told = [batch(OLD), batch(replace(NEW, replaces="0" * 64))]
    assert targets(projection_of(told, tmp_path / "p")) == ["one", "two"]


def test_no_source_corrects_what_another_told(tmp_path: Path) -> None:
    told = [
        batch(OLD),
        batch(correcting(OLD, NEW, source="s"), source="other"),
        batch(correcting(OLD, NEWER, source="other"), source="other"),
    ]
    assert targets(projection_of(told, tmp_path / "p")) == ["one", "three", "two"]


def test_a_fact_of_one_kind_corrects_none_of_another(tmp_path: Path) -> None:
    tag = Fact(kind=FactKind.TAG, subject=RUN, name="a", text="b")
    told = [batch(OLD), batch(correcting(OLD, tag))]
    assert targets(projection_of(told, tmp_path / "p")) == ["one"]


def test_a_fact_about_one_thing_corrects_none_about_another(tmp_path: Path) -> None:
    other = replace(NEW, subject=run_key("git", "b"))
    told = [batch(OLD), batch(correcting(OLD, other))]
    assert targets(projection_of(told, tmp_path / "p")) == ["one", "two"]


def test_corrections_that_name_each_other_hide_both_and_end_nothing(
    tmp_path: Path,
) -> None:
    """Nobody can make two such facts, so their rows are written by hand."""
    projection = projection_of([batch(OLD, NEW)], tmp_path / "p")
    with open_projection(projection.path, read_only=False) as connection:
        from store.projection.schema import view_statement

        connection.execute("SET VARIABLE horizon = 1")
        connection.execute(
            "INSERT INTO replaced SELECT 0, 'edge', source, subject, fact_id FROM edge"
        )
        connection.execute(view_statement(FactKind.EDGE, is_corrected=True))
    assert targets(projection) == []


def test_the_same_correction_twice_is_one(tmp_path: Path) -> None:
    told = [batch(OLD), batch(correcting(OLD, NEW)), batch(correcting(OLD, NEW))]
    projection = projection_of(told, tmp_path / "p")
    assert targets(projection) == ["two"]
    with projection.reading() as connection:
        assert connection.execute("SELECT count(*) FROM replaced").fetchone() == (1,)


def test_where_nothing_was_corrected_no_view_looks_for_corrections(
    tmp_path: Path,
) -> None:
    def looking(projection: Projection) -> set[str]:
        with projection.reading() as connection:
            return {
                name
                for name, sql in connection.execute(
                    "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal"
                ).fetchall()
                if "replaced" in sql
            }

    told = Told()
    told.tell(batch(OLD))
    projection = projection_over(told, tmp_path / "p")
    assert looking(projection) == set()
    told.tell(batch(correcting(OLD, NEW)))
    projection.catch_up()
    assert looking(projection) == {"edge"}


@pytest.mark.parametrize(
    "replaces", ["0" * 63, "0" * 65, "G" * 64, "A" * 64, "f" * 64 + "\n", "'"]
)
def test_a_batch_whose_fact_replaces_no_id_is_no_batch(replaces: str) -> None:
    target = io.BytesIO()
    with pq.ParquetWriter(target, batch_schema()) as writer:
        for table in fact_tables([OLD, replace(NEW, replaces=replaces)]):
            writer.write_table(table)
    with pytest.raises(UnusableBatch, match="no id of a fact"):
        admit_batch(target.getvalue(), None)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DELETE FROM replaced", "corrections"),
        ("UPDATE replaced SET entry_index = 0", "corrections"),
        ("INSERT INTO replaced SELECT * FROM replaced", "corrections"),
        ("UPDATE heard SET heard = '2020-01-01'", "was heard"),
        ("CREATE OR REPLACE VIEW edge AS SELECT * FROM edge_rows", "view edge"),
        ("DROP VIEW alias", "view alias"),
        ("UPDATE edge_rows SET replaces = '' WHERE replaces <> ''", "edge"),
    ],
)
def test_a_side_table_or_view_that_was_edited_is_found(
    tmp_path: Path, damage: str, told: str
) -> None:
    batches = [batch(OLD), batch(correcting(OLD, NEW))]
    projection = projection_of(batches, tmp_path / "p")
    assert compare_with_rebuilt(projection) == []
    with open_projection(projection.path, read_only=False) as connection:
        connection.execute(damage)
    problems = compare_with_rebuilt(projection)
    assert any(told in problem for problem in problems), problems
