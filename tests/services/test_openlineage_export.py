"""What goes out as OpenLineage events is valid, and comes back as the same lineage."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.openlineage import OpenLineageSource
from console.cli import main
from console.reports.openlineage_forms import SPECIFICATION
from console.services.importing import import_source
from console.services.opened import OpenStore
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.identifiers import run_key
from tests.worlds import World, new_world

RUN = "3f9c0000-0000-4000-8000-00000000000"
SHA = "sha256:" + "ab" * 32
COMMIT = "0123456789abcdef" * 2 + "01234567"
LINEAGE = (
    "SELECT DISTINCT subject, name, object FROM edge",
    "SELECT DISTINCT subject, object, status, started, ended FROM run",
    "SELECT DISTINCT subject, name, text FROM job",
    "SELECT DISTINCT subject, name, text FROM dataset",
    "SELECT DISTINCT subject, digest, text FROM dataset_version",
    "SELECT DISTINCT subject, object, name, status, text FROM assertion",
    "SELECT DISTINCT subject, name, text FROM param",
    "SELECT DISTINCT subject, name, text FROM tag",
    "SELECT DISTINCT subject, object, name, text, status FROM symlink",
    "SELECT DISTINCT subject, object, digest FROM column_map",
    "SELECT DISTINCT subject, object, name, location, text, digest, strength "
    "FROM column_lineage",
    "SELECT DISTINCT subject, object, name, text, location, status, started FROM facet",
)


def corpora() -> Path:
    named = os.environ.get("COUNTERSIGN_TEST_CORPORA")
    if not named:
        pytest.skip("peer: COUNTERSIGN_TEST_CORPORA names no folder")
    return Path(named)


def event(number: int, kind: str, minute: int, **changed: Any) -> dict[str, Any]:
    return {
        "eventTime": f"2026-01-0{number}T03:{minute:02d}:05.25Z",
        "eventType": kind,
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": f"{RUN}{number}"},
        "job": {"namespace": "n/ä", "name": "j"},
        **changed,
    }


def facet(**said: Any) -> dict[str, Any]:
    return {"_producer": "https://p.example", "_schemaURL": "https://s.example", **said}


def dataset(
    namespace: str, name: str, version: str = "", **facets: Any
) -> dict[str, Any]:
    if version:
        facets["version"] = facet(datasetVersion=version)
    fields = [{"name": "amount", "type": "DOUBLE"}]
    facets.setdefault("schema", facet(fields=fields))
    return {"namespace": namespace, "name": name, "facets": facets}


def columns(*names: str) -> dict[str, Any]:
    given = [{"namespace": "s3://b", "name": "loans/2026", "field": n} for n in names]
    return facet(fields={"score": {"inputFields": given}})


EVENTS = [
    event(1, "START", 1, inputs=[dataset("s3://b", "loans/2026", SHA)]),
    event(1, "FAIL", 9, outputs=[dataset("", "scores", "v7")]),
    event(
        2,
        "START",
        1,
        run={
            "runId": f"{RUN}2",
            "facets": {
                "parent": facet(run={"runId": f"{RUN}1"}, job={"name": "dag"}),
                "executionParameters": facet(parameters=[{"key": "a", "value": "1"}]),
                "tags": facet(tags=[{"key": "team", "value": "risk"}]),
            },
        },
        job={
            "namespace": "n/ä",
            "name": "j",
            "facets": {"sourceCodeLocation": facet(version=COMMIT)},
        },
        inputs=[dataset("file", "/data/x.csv")],
    ),
    {
        "eventTime": "2026-01-01T00:00:00Z",
        "producer": "p",
        "schemaURL": "s",
        "job": {"namespace": "n", "name": "only a job"},
        "inputs": [dataset("pg://h", "only.data")],
    },
]
CHECK = {"assertion": "not_null", "column": "amount", "success": False}
NAMES = [{"namespace": "hive://h", "name": "db.scores", "type": "TABLE"}]
ENTRY = {
    "type": "DATASET",
    "namespace": "s3://b",
    "name": "scores",
    "inputs": [{"type": "DATASET", "namespace": "s3://b", "name": "loans/2026"}],
}
RICH = [
    event(
        1,
        "START",
        1,
        run={"runId": f"{RUN}1", "facets": {"nominalTime": facet(at="1")}},
        inputs=[
            dataset("s3://b", "loans/2026", SHA, tags=facet(tags=[{"key": "pii"}]))
            | {"inputFacets": {"dataQualityAssertions": facet(assertions=[CHECK])}}
        ],
        outputs=[
            dataset(
                "s3://b",
                "scores",
                "v7",
                columnLineage=columns("amount"),
                symlinks=facet(identifiers=NAMES),
                dataQualityAssertions=facet(assertions=[CHECK]),
            )
        ],
    ),
    event(
        1,
        "COMPLETE",
        9,
        run={"runId": f"{RUN}1", "facets": {"nominalTime": facet(at="2")}},
        outputs=[
            dataset("s3://b", "scores", "v7", columnLineage=columns("amount", "age"))
            | {"outputFacets": {"outputStatistics": facet(rowCount=7)}}
        ],
    ),
    event(
        2,
        "START",
        1,
        job={
            "namespace": "n/ä",
            "name": "j",
            "facets": {
                "lineage": facet(entries=[ENTRY]),
                "ownership": facet(owners=[]),
                "sourceCodeLocation": facet(version=COMMIT, url="https://u:p@h/x"),
            },
        },
        outputs=[dataset("s3://b", "scores", "v7", schema=facet(fields=[]))],
    ),
    event(3, "START", 1, outputs=[dataset("s3://b", "scores", "v7")]),
    event(
        3,
        "COMPLETE",
        4,
        job={
            "namespace": "n/ä",
            "name": "j",
            "facets": {"ownership": facet(_deleted=True)},
        },
        inputs=[{"namespace": "s3://b", "name": "loans/2026"}],
    ),
    {
        "eventTime": "2026-01-05T00:00:00Z",
        "producer": "https://p.example",
        "schemaURL": "https://s.example",
        "dataset": dataset("pg://h", "said", columnLineage=columns("id")),
    },
]


def imported(world: World, path: Path) -> OpenStore:
    source = OpenLineageSource("ol", path)
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    import_source(world.store, acting, source)
    world.store.projection.catch_up()
    assert not source.tally.refused or path.is_dir()
    return world.store


def lineage_of(store: OpenStore) -> list[set[tuple[Any, ...]]]:
    with store.projection.reading() as connection:
        return [set(connection.execute(sql).fetchall()) for sql in LINEAGE]


def written(folder: Path, *events: object) -> Path:
    path = folder / "given.ndjson"
    path.write_text("".join(json.dumps(given) + "\n" for given in events))
    return path


def exported(store: OpenStore, target: Path, *options: str) -> list[dict[str, Any]]:
    given = ["export", "openlineage", "--store", store.address, "--out", str(target)]
    assert main([*given, *options]) == 0
    return [json.loads(line) for line in target.read_text().splitlines()]


def test_what_goes_out_comes_back_as_the_same_lineage(
    world: World, tmp_path: Path
) -> None:
    store = imported(world, written(tmp_path, *EVENTS))
    events = exported(store, tmp_path / "out.ndjson")
    assert [e["eventTime"] for e in events] == sorted(e["eventTime"] for e in events)
    other = new_world(tmp_path / "other")
    again = imported(other, tmp_path / "out.ndjson")
    assert lineage_of(again) == lineage_of(store)
    assert len(lineage_of(store)[0]) == 5
    other.store.close()


def test_facets_go_out_with_the_runs_that_they_are_about(
    world: World, tmp_path: Path
) -> None:
    store = imported(world, written(tmp_path, *RICH))
    exported(store, tmp_path / "out.ndjson")
    other = new_world(tmp_path / "other")
    again = imported(other, tmp_path / "out.ndjson")
    for sql, before, after in zip(
        LINEAGE, lineage_of(store), lineage_of(again), strict=True
    ):
        assert after == before, sql
    told = {
        sql.rpartition(" ")[2]: len(r)
        for sql, r in zip(LINEAGE, lineage_of(store), strict=True)
    }
    assert told["assertion"] == 2
    assert told["symlink"] == 1
    assert told["column_map"] == 3
    assert told["column_lineage"] == 5
    assert told["facet"] == 20
    other.store.close()


def test_the_public_corpus_goes_out_valid_and_comes_back_the_same(
    world: World, tmp_path: Path
) -> None:
    from jsonschema import Draft202012Validator, FormatChecker
    from referencing import Registry, Resource

    store = imported(world, corpora() / "openlineage-events")
    events = exported(store, tmp_path / "out.ndjson")
    specifications = corpora().parent / "specs" / "openlineage"
    schemas = [json.loads(p.read_text()) for p in specifications.rglob("*.json")]
    registry: Any = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )

    def problems(value: object, address: str) -> list[str]:
        validator = Draft202012Validator(
            {"$ref": address}, registry=registry, format_checker=FormatChecker()
        )
        return [problem.message for problem in validator.iter_errors(value)]

    def facets_within(value: object) -> list[tuple[str, dict[str, Any]]]:
        if isinstance(value, list):
            return [pair for inner in value for pair in facets_within(inner)]
        if not isinstance(value, dict):
            return []
        own = list(value.get("facets", {}).items())
        return own + [pair for inner in value.values() for pair in facets_within(inner)]

    published = {
        name: schema["$id"]
        for schema in schemas
        for name in schema.get("properties", {})
        if "/facets/" in schema["$id"]
    }
    checked = set()
    base = f"{SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/BaseFacet"
    for given in events:
        assert problems(given, given["schemaURL"]) == []
        for name, facet in facets_within(given):
            assert problems(facet, base) == []
            if name in published:
                assert problems({name: facet}, published[name]) == []
                checked.add(name)
    assert {"columnLineage", "symlinks", "parent", "ownership", "sql"} <= checked
    assert problems({"run": 7}, events[0]["schemaURL"])
    other = new_world(tmp_path / "other")
    again = imported(other, tmp_path / "out.ndjson")
    before, after = lineage_of(store), lineage_of(again)
    assert after == before
    assert len(before[-1]) > 200
    other.store.close()


def test_a_span_of_time_chooses_runs(world: World, tmp_path: Path) -> None:
    store = imported(world, written(tmp_path, *EVENTS))
    events = exported(store, tmp_path / "a.ndjson", "--since", "2026-01-02")
    assert {given["run"]["runId"] for given in events} == {f"{RUN}2"}
    events = exported(store, tmp_path / "b.ndjson", "--until", "2026-01-02")
    assert {given["run"]["runId"] for given in events} == {f"{RUN}1"}


@pytest.mark.parametrize(
    "options", [["--model", "none"], ["--since", "soon"], ["--out", "/x/y.ndjson"]]
)
def test_what_cannot_be_meant_is_misuse(
    world: World, tmp_path: Path, options: list[str]
) -> None:
    given = ["export", "openlineage", "--store", world.store.address, "--out"]
    assert main([*given, str(tmp_path / "o.ndjson"), *options]) == 2
    assert not list(tmp_path.glob("o.*"))


def test_what_a_registry_declared_does_not_go_out(
    demo_store: OpenStore, tmp_path: Path
) -> None:
    with demo_store.projection.reading() as connection:
        (declared,) = connection.execute(
            "SELECT count(*) FROM edge WHERE strength = 'declared'"
        ).fetchall()[0]
        told = {
            row[0]
            for row in connection.execute(
                "SELECT subject FROM run WHERE object LIKE 'job:%'"
            ).fetchall()
        }
    events = exported(demo_store, tmp_path / "out.ndjson")
    runs = {run_key("mlflow", e["run"]["runId"]) for e in events if "run" in e}
    assert declared > 0
    assert runs == {run_key("mlflow", key.rpartition("/")[2]) for key in told}
