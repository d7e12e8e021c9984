"""Fact ids: the same in Python and in SQL, whatever the text."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.facts import Fact, FactKind, fact_id
from store.projection.batches import fact_tables, write_facts
from store.projection.identity import fact_id_expression, identified, netstring_of

HOSTILE = [
    "[/x]",
    "\x1b]52;c;aGk=\x07",
    "\u202egnp.exe",
    "模型" * 100,
    "",
    "a\x1f3:b",
    "a'\0b",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_sql_computes_the_same_id_as_python(text: str, tmp_path: Path) -> None:
    facts = [
        Fact(
            kind=FactKind.METRIC,
            subject="run:m/1",
            name=text,
            text=text or None,
            number=0.1,
            step=7,
            started=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        ),
        Fact(kind=FactKind.TAG, subject=text, name="n", text=text),
    ]
    path = tmp_path / "facts.parquet"
    assert write_facts(facts, path) == 2
    found = duckdb.connect().execute(
        f"SELECT {fact_id_expression(netstring_of('$source'))} "
        "FROM read_parquet($path)",
        {"source": text, "path": str(path)},
    )
    assert [row[0] for row in found.fetchall()] == [fact_id(text, f) for f in facts]


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ANY_MOMENT = st.none() | st.datetimes(timezones=st.just(UTC))
ANY_FACT = st.builds(
    Fact,
    kind=st.sampled_from(FactKind),
    subject=ANY_TEXT,
    object=ANY_TEXT,
    name=ANY_TEXT,
    text=st.none() | ANY_TEXT,
    number=st.none() | st.floats(),
    step=st.none() | st.integers(-(2**63), 2**63 - 1),
    status=ANY_TEXT,
    actor=ANY_TEXT,
    digest=ANY_TEXT,
    started=ANY_MOMENT,
    low=ANY_MOMENT,
)


def key_of(found: str) -> int:
    """What the projection keeps of a fact id."""
    digest = hashlib.md5(found.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest, "little")


@settings(max_examples=60, deadline=None)
@given(facts=st.lists(ANY_FACT, min_size=1, max_size=8), source=ANY_TEXT)
def test_what_is_left_out_for_idle_columns_changes_no_id(
    facts: list[Fact], source: str
) -> None:
    table = next(fact_tables(facts))
    placed = table.append_column("position", pa.array(range(len(facts)), pa.int64()))
    with duckdb.connect() as connection:
        connection.register("told", placed)
        query = identified(connection, "told", source)
        found = connection.execute(f"SELECT position, fact_key::VARCHAR FROM ({query})")
        keys = dict(found.fetchall())
    assert keys == {n: str(key_of(fact_id(source, f))) for n, f in enumerate(facts)}
