"""What came of a thing, and questions in SQL: true, bounded, and unable to do harm."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from console.cli import main
from console.services.impact import impact
from console.services.opened import OpenStore
from console.services.problems import Misuse
from console.services.querying import query
from store.errors import UnknownReference
from store.facts import COLUMNS, Fact, FactKind, Relation, Strength
from store.identifiers import (
    dataset_key,
    dataset_version_key,
    model_key,
    model_version_key,
    run_key,
)
from tests.conftest import REPOSITORY
from tests.worlds import World

POISONED = "sha256:" + "ab" * 32


def edge(subject: str, relation: Relation, target: str, strength: Strength) -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=subject,
        name=relation.value,
        object=target,
        strength=strength.value,
    )


def history() -> list[Fact]:
    """Two versions from one dataset, one of them only by inference."""
    data = dataset_version_key("loans", POISONED)
    facts = [
        Fact(
            kind=FactKind.DATASET_VERSION,
            subject=data,
            object=dataset_key("loans"),
            name="loans",
            digest=POISONED,
        )
    ]
    for number, strength in (("1", Strength.DECLARED), ("2", Strength.INFERRED)):
        run, version = run_key("s", number), model_version_key("s", "fraud", number)
        facts += [
            Fact(kind=FactKind.RUN, subject=run, name=f"run {number}"),
            Fact(
                kind=FactKind.MODEL_VERSION,
                subject=version,
                object=model_key("s", "fraud"),
                name=number,
            ),
            edge(run, Relation.READ, data, strength),
            edge(run, Relation.PRODUCED, version, Strength.DECLARED),
        ]
    return facts


def test_the_impact_of_a_dataset_names_versions_and_who_approved_them(
    demo_store: OpenStore,
) -> None:
    used = query(
        demo_store,
        "SELECT v.digest FROM dataset_version v "
        "JOIN edge e ON e.object = v.subject "
        "JOIN edge p ON p.subject = e.subject AND p.name = 'produced' WHERE "
        "e.text = 'training' AND ends_with(p.object, 'diabetes-progression/6')",
    ).rows[0][0]
    found = impact(demo_store, f"dataset:diabetes-train@{used}")
    six = next(t for t in found.touched if t.version.endswith("@6"))
    assert found.touched[0].serves
    held = next(h for h in six.held if h.stage == "production")
    assert held.is_now
    assert {name.partition(" as ")[2] for name in held.approved_by} == {
        "validator",
        "risk",
    }
    two = next(t for t in found.touched if t.version.endswith("@2"))
    assert [h.is_now for h in two.held] == [False]


def test_what_only_inference_leads_to_is_marked(world: World) -> None:
    world.tell(*history(), source="s")
    found = impact(world.store, f"dataset:loans@{POISONED}")
    assert [(t.version[-1], t.is_inferred) for t in found.touched] == [
        ("1", False),
        ("2", True),
    ]
    assert found.runs == 2
    assert impact(world.store, f"dataset:loans@{POISONED}", depth=1).is_cut


def test_the_impact_of_nothing_known_names_the_nearest(demo_store: OpenStore) -> None:
    with pytest.raises(UnknownReference, match="more than one thing"):
        impact(demo_store, "dataset:diabetes-train")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- nothing",
        "selec 1",
        "SELECT 1; SELECT 2",
        "DROP TABLE run_rows",
        "DELETE FROM state",
        "INSERT INTO state VALUES (1)",
        "CREATE TABLE x (a INT)",
        "CREATE TEMP TABLE x (a INT)",
        "COPY run TO '/tmp/x.csv'",
        "ATTACH '/tmp/x.db'",
        "SET VARIABLE horizon = 0",
        "SET enable_external_access = true",
        "RESET enable_external_access",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA enable_profiling",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM store",
        "EXPLAIN ANALYZE COPY run TO '/tmp/x.csv'",
        "SELECT * FROM duckdb_secrets()",
        "SELECT \x00",
        "SELECT '\ud800'",
    ],
)
def test_a_question_that_does_more_than_ask_is_refused(
    demo_store: OpenStore, text: str
) -> None:
    before = query(demo_store, "SELECT count(*) FROM run").rows
    with pytest.raises(Misuse):
        query(demo_store, text)
    assert query(demo_store, "SELECT count(*) FROM run").rows == before


def test_a_question_without_end_is_interrupted(demo_store: OpenStore) -> None:
    with pytest.raises(Misuse, match="longer than"):
        query(
            demo_store,
            "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE "
            "hash(a.range + b.range) = 1",
            longest_seconds=0.2,
        )


def test_rows_beyond_the_limit_are_left_out_and_said(demo_store: OpenStore) -> None:
    found = query(demo_store, "SELECT * FROM range(10)", most_rows=3)
    assert (len(found.rows), found.is_cut) == (3, True)
    assert not query(demo_store, "SELECT * FROM range(3)", most_rows=3).is_cut


def test_what_an_entry_did_not_bring_yet_is_not_seen(demo_store: OpenStore) -> None:
    assert query(demo_store, "SELECT * FROM run", known_at=0).rows == ()


def test_no_spreadsheet_takes_a_name_from_outside_for_a_formula(
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hostile = '=HYPERLINK("x")\x1b[2J'
    world.tell(Fact(kind=FactKind.RUN, subject=run_key("s", "1"), name=hostile))
    monkeypatch.setenv("COUNTERSIGN_STORE", world.store.address)
    monkeypatch.setenv("COUNTERSIGN_DATA", str(world.places.data))
    command = ["sql", "SELECT name, -1 AS n FROM run", "--format", "csv"]
    assert main(command) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[1][0].startswith("'=")
    assert rows[1][1] == "-1"
    assert main(command[:2]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_every_view_and_column_is_documented() -> None:
    text = Path(REPOSITORY / "docs" / "sql.md").read_text()
    assert all(f"| `{kind.value}` |" in text for kind in FactKind)
    assert all(f"`{name}`" in text for name in COLUMNS if name != "kind")


def test_the_documented_question_about_production_is_answered(
    demo_store: OpenStore,
) -> None:
    text = Path(REPOSITORY / "docs" / "sql.md").read_text()
    (question,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    found = query(demo_store, question)
    assert found.columns == ("version", "commit")
    assert found.rows
