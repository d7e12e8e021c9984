"""What goes out as OpenLineage events is valid, and comes back as the same lineage."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.openlineage import OpenLineageSource
from console.cli import main
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


def dataset(namespace: str, name: str, version: str = "") -> dict[str, Any]:
    facets = {"version": {"datasetVersion": version}} if version else {}
    fields = [{"name": "amount", "type": "DOUBLE"}]
    return {
        "namespace": namespace,
        "name": name,
        "facets": facets | {"schema": {"fields": fields}},
    }


EVENTS = [
    event(1, "START", 1, inputs=[dataset("s3://b", "loans/2026", SHA)]),
    event(1, "FAIL", 9, outputs=[dataset("", "scores", "v7")]),
    event(
        2,
        "START",
        1,
        run={
            "runId": f"{RUN}2",
            "facets": {"parent": {"run": {"runId": f"{RUN}1"}, "job": {"name": "dag"}}},
        },
        job={
            "namespace": "n/ä",
            "name": "j",
            "facets": {"sourceCodeLocation": {"version": COMMIT}},
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

    for given in events:
        assert problems(given, given["schemaURL"]) == []
        for name, facet in facets_within(given):
            assert problems({name: facet}, facet["_schemaURL"]) == []
    assert problems({"run": 7}, events[0]["schemaURL"])
    other = new_world(tmp_path / "other")
    again = imported(other, tmp_path / "out.ndjson")
    before, after = lineage_of(store), lineage_of(again)
    assert after[:4] == before[:4]
    versions = [{row[:2] for row in found[4]} for found in (before, after)]
    assert versions[0] == versions[1]
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
