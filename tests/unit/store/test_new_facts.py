"""New facts: each once, the first stays, and what is read back is what was told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.facts import COLUMNS, NARROW_KINDS, Fact, FactKind, fact_id
from store.projection import new_facts as module
from store.projection.batches import fact_tables
from store.projection.new_facts import insert_facts, new_facts
from store.projection.schema import create_statements

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
ANY_MOMENT = st.none() | st.datetimes(timezones=st.just(UTC))


@st.composite
def any_fact(draw: st.DrawFn) -> Fact:
    """A fact that says nothing where its kind has nothing to say."""
    number = draw(st.none() | st.floats())
    found = Fact(
        kind=draw(st.sampled_from(FactKind)),
        subject=draw(ANY_TEXT),
        object=draw(ANY_TEXT),
        name=draw(ANY_TEXT),
        text=draw(st.just(repr(number)) | ANY_TEXT),
        number=number,
        step=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        status=draw(ANY_TEXT),
        actor=draw(ANY_TEXT),
        digest=draw(ANY_TEXT),
        started=draw(ANY_MOMENT),
        low=draw(ANY_MOMENT),
        replaces=draw(ANY_TEXT),
    )
    kept = NARROW_KINDS.get(found.kind)
    if kept is None:
        return replace(found, text=draw(st.none() | st.just(found.text)))
    idle = {
        field.name: field.default
        for field in fields(Fact)
        if field.name not in ("kind", "subject", *kept)
    }
    return replace(found, **idle)  # type: ignore[arg-type]


@pytest.fixture
def projection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for statement in create_statements():
            connection.execute(statement)
        connection.execute("SET VARIABLE horizon = 100::BIGINT")
        yield connection


def take(
    connection: duckdb.DuckDBPyConnection, told: list[Fact], source: str, entry: int
) -> list[int]:
    """Take facts in; the positions of those that were new."""
    if not told:
        return []
    table = pa.concat_tables(fact_tables(told))
    fresh = new_facts(connection, table, source)
    insert_facts(connection, fresh.between(0, len(told)), entry, source)
    heard = "INSERT INTO heard VALUES (?, ?, TIMESTAMP '2026-03-01')"
    connection.execute(heard, (entry, source))
    return [int(position) for position in fresh.table["position"].to_pylist()]


def kept(connection: duckdb.DuckDBPyConnection) -> set[tuple[int, str, str]]:
    """Entry, source and id of every fact, as the views tell them."""
    query = " UNION ALL ".join(
        f'SELECT entry_index, source, fact_id FROM "{kind.value}"' for kind in FactKind
    )
    rows = connection.execute(query).fetchall()
    assert len(set(rows)) == len(rows)
    return set(rows)


@settings(max_examples=30, deadline=None)
@given(
    told=st.lists(
        st.tuples(st.sampled_from(["a", "a'b"]), st.lists(any_fact(), max_size=6)),
        min_size=1,
        max_size=4,
    ),
    again=st.lists(st.integers(0, 30), max_size=6),
)
@pytest.mark.parametrize("is_blunt", [False, True], ids=["hashed", "all hashes alike"])
def test_each_fact_is_kept_once_where_it_was_told_first(
    told: list[tuple[str, list[Fact]]], again: list[int], is_blunt: bool
) -> None:
    everything = [fact for _, facts in told for fact in facts]
    told = [*told, ("a", [everything[n] for n in again if n < len(everything)])]
    expected: dict[tuple[str, str], int] = {}
    for entry, (source, facts) in enumerate(told):
        for fact in facts:
            expected.setdefault((source, fact_id(source, fact)), entry)
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as connection:
        if is_blunt:
            patch.setattr(
                module, "fact_hash_expression", lambda name: f"length({name}) * 0"
            )
        for statement in create_statements():
            connection.execute(statement)
        connection.execute("SET VARIABLE horizon = 100::BIGINT")
        for entry, (source, facts) in enumerate(told):
            take(connection, facts, source, entry)
        found = kept(connection)
    assert found == {(e, source, known) for (source, known), e in expected.items()}


def test_many_rows_keep_their_order_and_the_first_of_each_stays(
    projection: duckdb.DuckDBPyConnection,
) -> None:
    told = [
        Fact(kind=FactKind.TAG, subject=f"run:m/{n % 150_000}", name="n", text="x")
        for n in range(300_000)
    ]
    assert take(projection, told, "m", 1) == list(range(150_000))
    row = projection.execute("SELECT count(*) FROM tag").fetchone()
    assert row == (150_000,)
    assert take(projection, told[:200_000], "m", 2) == []


def test_the_hash_in_a_table_is_that_of_the_row_beside_it(
    projection: duckdb.DuckDBPyConnection,
) -> None:
    from store.projection.identity import fact_hash_expression
    from store.projection.schema import told_rows

    told = [
        Fact(kind=kind, subject="run:m/1", name="n", text=text, number=number)
        for kind in (FactKind.METRIC, FactKind.RUN)
        for text, number in (("0.1", 0.1), ("one", 1.0), ("nan", float("nan")))
    ]
    assert take(projection, told, "m", 1) == list(range(6))
    for kind in (FactKind.METRIC, FactKind.RUN):
        row = projection.execute(
            f"SELECT count(*) FROM ({told_rows(kind)}) "
            f"WHERE fact_hash = {fact_hash_expression('source')}"
        ).fetchone()
        assert row == (3,)


def test_every_column_of_a_narrow_kind_is_one_of_a_fact() -> None:
    assert {name for kept in NARROW_KINDS.values() for name in kept} <= set(COLUMNS)
