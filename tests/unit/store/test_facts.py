"""Fact ids: the same in Python and in SQL, whatever the text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from store.facts import Fact, FactKind, fact_id
from store.projection.batches import write_facts
from store.projection.schema import fact_id_expression

HOSTILE = ["[/x]", "\x1b]52;c;aGk=\x07", "\u202egnp.exe", "模型" * 100, "", "a\x1f3:b"]


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
        "SELECT " + fact_id_expression("$source") + " FROM read_parquet($path)",
        {"source": text, "path": str(path)},
    )
    assert [row[0] for row in found.fetchall()] == [fact_id(text, f) for f in facts]


def test_moving_a_character_between_fields_gives_another_id() -> None:
    one = Fact(kind=FactKind.TAG, subject="ab", name="c")
    other = Fact(kind=FactKind.TAG, subject="a", name="bc")
    assert fact_id("s", one) != fact_id("s", other)


def test_absent_and_empty_text_are_told_apart() -> None:
    absent = Fact(kind=FactKind.TAG, subject="a", text=None)
    empty = Fact(kind=FactKind.TAG, subject="a", text="")
    assert fact_id("s", absent) != fact_id("s", empty)
