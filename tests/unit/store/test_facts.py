"""Fact ids: the same in Python and in SQL, whatever the text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from store.facts import Fact, FactKind, fact_id
from store.projection.batches import write_facts
from store.projection.identity import fact_id_expression, netstring_of

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
