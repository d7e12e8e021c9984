"""Facets of events: kept as they came, columns and other names told of as facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors import fact_rows, openlineage_pieces
from connectors.openlineage import OpenLineageSource
from connectors.openlineage_secrets import REDACTED, redacted
from connectors.protocols import KnownState
from store.facts import Fact, FactKind
from store.identifiers import dataset_key, dataset_version_key, job_key, run_key
from tests.unit.connectors.facts import NOW, of_kind, told_by

RUN = "3f9c0000-0000-4000-8000-000000000001"
KEY = run_key("ol", RUN)


def event(**changed: Any) -> dict[str, Any]:
    return {
        "eventTime": "2026-01-02T03:04:05Z",
        "eventType": "COMPLETE",
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": RUN},
        "job": {"namespace": "n", "name": "j"},
        **changed,
    }


def dataset(name: str, **facets: Any) -> dict[str, Any]:
    return {"namespace": "s3://lake", "name": name, "facets": facets}


def told(folder: Path, *events: object) -> list[Fact]:
    path = folder / "e.ndjson"
    path.write_text("".join(json.dumps(e) + "\n" for e in events))
    source = OpenLineageSource("ol", path)
    facts = told_by(source)
    assert not source.tally.refused
    return facts


def columns(facts: list[Fact]) -> list[tuple[str, str, str, str]]:
    return [
        (f.name, f.object, f.location, f.strength)
        for f in of_kind(facts, FactKind.COLUMN_LINEAGE)
    ]


COLUMN_LINEAGE = {
    "_producer": "p",
    "_schemaURL": "s",
    "fields": {
        "total": {
            "inputFields": [
                {
                    "namespace": "s3://lake",
                    "name": "raw",
                    "field": "amount",
                    "transformations": [
                        {"type": "DIRECT", "subtype": "AGGREGATION", "masking": True}
                    ],
                }
            ]
        },
        "old": {
            "inputFields": [{"namespace": "file", "name": "raw.csv", "field": "x"}],
            "transformationType": "IDENTITY",
            "transformationDescription": "copied",
        },
    },
    "dataset": [{"namespace": "s3://lake", "name": "raw", "field": "day"}],
}


def test_columns_that_were_written_name_the_columns_they_came_from(
    tmp_path: Path,
) -> None:
    facts = told(
        tmp_path, event(outputs=[dataset("mart", columnLineage=COLUMN_LINEAGE)])
    )
    raw, csv = dataset_key("s3://lake/raw"), dataset_key("raw.csv")
    assert sorted(columns(facts)) == [
        ("", raw, "day", "observed"),
        ("old", csv, "x", "observed"),
        ("total", raw, "amount", "observed"),
    ]
    texts = {f.name: f.text for f in of_kind(facts, FactKind.COLUMN_LINEAGE)}
    assert json.loads(texts["total"] or "") == [
        {"masking": True, "subtype": "AGGREGATION", "type": "DIRECT"}
    ]
    assert json.loads(texts["old"] or "")[0]["type"] == "IDENTITY"
    (mapped,) = of_kind(facts, FactKind.COLUMN_MAP)
    assert mapped.subject == KEY
    assert {f.digest for f in of_kind(facts, FactKind.COLUMN_LINEAGE)} == {
        mapped.digest
    }


def test_columns_told_by_many_runs_are_told_once_and_each_run_says_which(
    tmp_path: Path,
) -> None:
    runs = [RUN[:-1] + str(number) for number in range(5)]
    data = dataset("mart", columnLineage=COLUMN_LINEAGE)
    facts = told(tmp_path, *(event(run={"runId": run}, outputs=[data]) for run in runs))
    assert len(of_kind(facts, FactKind.COLUMN_LINEAGE)) == 3
    assert len(of_kind(facts, FactKind.COLUMN_MAP)) == 5


def test_explicit_lineage_of_a_dataset_and_of_a_job_is_told_too(tmp_path: Path) -> None:
    source = {"namespace": "s3://lake", "name": "raw", "type": "DATASET"}
    said = {
        "inputs": [source, {"type": "JOB"}],
        "fields": {"a": {"inputs": [source | {"field": "b"}]}},
    }
    entry = {"namespace": "s3://lake", "name": "mart", "type": "DATASET", **said}
    by_job = event(
        job={
            "namespace": "n",
            "name": "j",
            "facets": {"lineage": {"entries": [entry, {"type": "JOB", "inputs": []}]}},
        },
        outputs=[dataset("mart", version={"datasetVersion": "7"})],
    )
    by_data = event(outputs=[dataset("mart", lineage=said)])
    raw = dataset_key("s3://lake/raw")
    for given, version in ((by_job, "named:7"), (by_data, "none:unversioned")):
        facts = told(tmp_path, given)
        assert sorted(columns(facts)) == [
            ("", raw, "", "observed"),
            ("a", raw, "b", "observed"),
        ]
        assert {f.subject for f in of_kind(facts, FactKind.COLUMN_LINEAGE)} == {
            dataset_version_key("s3://lake/mart", version)
        }


def test_lineage_that_no_run_told_is_declared(tmp_path: Path) -> None:
    given = event(dataset=dataset("mart", columnLineage=COLUMN_LINEAGE))
    del given["run"], given["job"]
    facts = told(tmp_path, given)
    assert {strength for *_, strength in columns(facts)} == {"declared"}
    assert of_kind(facts, FactKind.COLUMN_MAP) == []


def test_other_names_of_a_dataset_are_told_and_none_is_made_a_dataset(
    tmp_path: Path,
) -> None:
    names = {
        "identifiers": [
            {"namespace": "hive://u:hunter2@h", "name": "db.t", "type": "TABLE"},
            {"namespace": "s3://lake", "name": "mart", "type": "LOCATION"},
            {"namespace": "x"},
            7,
        ]
    }
    facts = told(tmp_path, event(outputs=[dataset("mart", symlinks=names)]))
    (link,) = of_kind(facts, FactKind.SYMLINK)
    assert (link.subject, link.name) == (dataset_key("s3://lake/mart"), "hive://h/db.t")
    assert (link.status, link.text) == ("TABLE", "hive://h")
    assert [f.name for f in of_kind(facts, FactKind.DATASET)] == ["s3://lake/mart"]


def test_every_facet_is_kept_with_what_it_belongs_to(tmp_path: Path) -> None:
    given = event(
        run={"runId": RUN, "facets": {"nominalTime": {"b": 1, "a": [2]}, "odd": 7}},
        job={"namespace": "n", "name": "j", "facets": {"sql": {"query": "select 1"}}},
        inputs=[
            dataset("raw", storage={"fileFormat": "parquet"})
            | {"inputFacets": {"inputStatistics": {"rowCount": 3}}}
        ],
    )
    found = {
        (f.subject, f.object, f.name, f.location): f.text
        for f in of_kind(told(tmp_path, given), FactKind.FACET)
    }
    version = dataset_version_key("s3://lake/raw", "none:unversioned")
    assert found == {
        (KEY, "", "nominalTime", ""): '{"a":[2],"b":1}',
        (KEY, "", "odd", ""): "7",
        (job_key("ol", "n", "j"), "", "sql", ""): '{"query":"select 1"}',
        (version, "", "storage", ""): '{"fileFormat":"parquet"}',
        (version, KEY, "inputStatistics", "inputFacets"): '{"rowCount":3}',
    }


def test_the_same_facet_told_a_thousand_times_is_one_fact(tmp_path: Path) -> None:
    first = dataset("raw", x={"a": 1, "b": 2})
    second = dataset("raw", x={"b": 2, "a": 1})
    events = [event(inputs=[first if n % 2 else second]) for n in range(1_000)]
    facts = of_kind(told(tmp_path, *events), FactKind.FACET)
    assert len({repr(fact) for fact in facts}) == 1
    assert len(facts) == 1


def test_a_facet_that_was_taken_away_is_told_of_as_that(tmp_path: Path) -> None:
    kept = event(outputs=[dataset("mart", x={"a": 1})])
    gone = event(
        outputs=[dataset("mart", x={"_deleted": True})],
        eventTime="2026-01-03T00:00:00Z",
    )
    facts = of_kind(told(tmp_path, kept, gone), FactKind.FACET)
    assert {(f.text, f.status, f.started and f.started.day) for f in facts} == {
        ('{"a":1}', "", None),
        ('{"_deleted":true}', "deleted", 3),
    }


def test_what_a_deleted_facet_says_is_not_told_as_lineage(tmp_path: Path) -> None:
    taken = COLUMN_LINEAGE | {"_deleted": True}
    facts = told(tmp_path, event(outputs=[dataset("mart", columnLineage=taken)]))
    assert columns(facts) == []


def test_a_facet_that_is_too_long_is_noted_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openlineage_pieces, "LONGEST_FACET", 40)
    long, short = {"text": "x" * 40}, {"text": "y"}
    run = {"runId": RUN, "facets": {"long": long, "short": short, "n" * 300: short}}
    facts = told(tmp_path, event(run=run))
    assert [f.name for f in of_kind(facts, FactKind.FACET)] == ["short"]
    noted = of_kind(facts, FactKind.VIOLATION)
    assert [(f.subject, f.text) for f in noted] == [(KEY, "long"), (KEY, "n" * 80)]


def test_long_facets_are_passed_on_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fact_rows, "MOST_CHARACTERS", 10_000)
    path = tmp_path / "e.ndjson"
    runs = [
        event(run={"runId": RUN, "facets": {"plan": {"n": n, "text": "x" * 3_000}}})
        for n in range(20)
    ]
    path.write_text("".join(json.dumps(e) + "\n" for e in runs))
    tables = list(OpenLineageSource("ol", path).tables(KnownState(NOW)))
    held = [
        sum(len(text or "") for text in table["text"].to_pylist()) for table in tables
    ]
    assert sum(held) > 60_000
    assert max(held) < 14_000


@pytest.mark.parametrize(
    "facet",
    [
        {"password": "hunter2"},
        {"password": 4242},
        {"passwords": ["hunter2", "4242"]},
        {"list": [{"name": "db_password", "value": "hunter2"}]},
        {"url": "jdbc:x://h/d?user=a&password=hunter2"},
        {"address": "https://ann:hunter2@example.org/x"},
        {"pem": "-----BEGIN RSA PRIVATE KEY-----\nhunter2"},
        {"https://ann:hunter2@h": 1},
    ],
)
def test_secrets_in_any_facet_of_a_file_never_become_facts(
    tmp_path: Path, facet: dict[str, Any]
) -> None:
    given = event(
        run={"runId": RUN, "facets": {"custom": facet}},
        job={"namespace": "n", "name": "j", "facets": {"custom": facet}},
        inputs=[
            dataset("raw", custom=facet, schema={"fields": [{"name": "a", **facet}]})
        ],
    )
    said = repr(told(tmp_path, given))
    assert "hunter2" not in said
    assert "4242" not in said


def test_authors_are_no_secrets_and_authorizations_are() -> None:
    given = {"author": "Ann", "authors": ["Ann"], "author_email": "a@b", "auth": "x"}
    given |= {"Authorization": "y", "authorityKey": "z"}
    assert redacted(given) == {
        "author": "Ann",
        "authors": ["Ann"],
        "author_email": "a@b",
        "auth": REDACTED,
        "Authorization": REDACTED,
        "authorityKey": REDACTED,
    }


@pytest.mark.parametrize(
    "odd",
    [
        {"columnLineage": {"fields": [1]}},
        {"columnLineage": {"fields": {"a": 7}}},
        {"columnLineage": {"fields": {"a": {"inputFields": [{"name": 7}]}}}},
        {"columnLineage": {"fields": {"a": {"inputFields": [{"name": ""}]}}}},
        {"columnLineage": {"fields": {"a" * 300: {"inputFields": [{"name": "x"}]}}}},
        {"columnLineage": {"dataset": {"name": "x"}}},
        {"lineage": {"inputs": "x", "fields": {"a": {"inputs": {}}}}},
        {"lineage": {"inputs": [{"type": "JOB", "name": "x"}]}},
        {"symlinks": {"identifiers": {"name": "x"}}},
        {"symlinks": []},
    ],
)
def test_odd_lineage_is_kept_as_a_facet_and_tells_of_no_columns(
    tmp_path: Path, odd: dict[str, Any]
) -> None:
    facts = told(tmp_path, event(outputs=[dataset("mart", **odd)]))
    assert columns(facts) == []
    assert of_kind(facts, FactKind.SYMLINK) == []
    assert [f.name for f in of_kind(facts, FactKind.FACET)] == list(odd)
