"""OpenLineage: accumulated in any order, refused only when useless, without secrets."""

from __future__ import annotations

import gzip
import itertools
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import openlineage, openlineage_files
from connectors.errors import ConnectorError, MalformedInput
from connectors.openlineage import OpenLineageSource
from connectors.openlineage_secrets import REDACTED
from store.facts import Fact, FactKind
from store.identifiers import commit_key, dataset_version_key, run_key
from tests.unit.connectors.facts import of_kind, told_by

RUN = "3f9c0000-0000-4000-8000-000000000001"
PARENT = "3f9c0000-0000-4000-8000-000000000002"
SHA = "sha256:" + "ab" * 32


def event(**changed: Any) -> dict[str, Any]:
    return {
        "eventTime": "2026-01-02T03:04:05Z",
        "eventType": "START",
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": RUN},
        "job": {"namespace": "training", "name": "train"},
        **changed,
    }


def versioned(name: str, version: str | None = SHA) -> dict[str, Any]:
    facets = {"version": {"datasetVersion": version}} if version else {}
    return {"namespace": "", "name": name, "facets": facets}


def source(folder: Path, *events: object, name: str = "e.ndjson") -> OpenLineageSource:
    path = folder / name
    path.write_text("".join(json.dumps(e) + "\n" for e in events))
    return OpenLineageSource("ol", path)


def said(facts: list[Fact]) -> set[str]:
    return {repr(fact) for fact in facts}


def test_public_corpus_counts_are_exact() -> None:
    corpora = os.environ.get("COUNTERSIGN_TEST_CORPORA")
    if not corpora:
        pytest.skip("peer: COUNTERSIGN_TEST_CORPORA names no folder")
    corpus = OpenLineageSource("corpus", Path(corpora) / "openlineage-events")
    facts = told_by(corpus)
    edges = {
        (f.subject, f.name, f.object)
        for f in of_kind(facts, FactKind.EDGE)
        if f.strength == "observed"
    }
    assert corpus.tally.accepted == 73
    assert [r.where for r in corpus.tally.refused] == ["simple_run_event.json"]
    assert len({f.subject for f in of_kind(facts, FactKind.RUN)}) == 30
    assert len({f.subject for f in of_kind(facts, FactKind.JOB)}) == 29
    assert len({f.subject for f in of_kind(facts, FactKind.DATASET)}) == 20
    assert sum(name in ("read", "wrote") for _, name, _ in edges) == 39
    assert sum(name == "contains" for _, name, _ in edges) == 24


def test_events_of_a_run_add_up_in_any_order(tmp_path: Path) -> None:
    events = [
        event(),
        event(eventType="RUNNING", inputs=[versioned("loans", None)]),
        event(eventType="OTHER", inputs=[versioned("loans")]),
        event(
            eventType="COMPLETE",
            eventTime="2026-01-02T04:00:00+00:00",
            outputs=[versioned("scores", None)],
        ),
    ]
    key = run_key("ol", RUN)
    for order in itertools.permutations(events):
        facts = told_by(source(tmp_path, *order))
        (run,) = of_kind(facts, FactKind.RUN)
        assert run.status == "FINISHED"
        assert run.started == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert run.ended == datetime(2026, 1, 2, 4, tzinfo=UTC)
        edges = of_kind(facts, FactKind.EDGE)
        assert {(f.subject, f.name, f.object) for f in edges} == {
            (key, "read", dataset_version_key("loans", SHA)),
            (key, "wrote", dataset_version_key("scores", "none:unversioned")),
        }


def test_the_last_end_of_a_run_holds(tmp_path: Path) -> None:
    failed = event(eventType="FAIL", eventTime="2026-01-02T05:00:00Z")
    done = event(eventType="COMPLETE", eventTime="2026-01-02T04:00:00Z")
    for order in ((failed, done), (done, failed)):
        (run,) = of_kind(told_by(source(tmp_path, *order)), FactKind.RUN)
        assert run.status == "FAILED"


def tagged(minute: int, value: str) -> dict[str, Any]:
    tags = {"tags": [{"key": "owner", "value": value}]}
    moment = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(minutes=minute)
    run = {"runId": RUN, "facets": {"tags": tags}}
    return event(eventType="RUNNING", eventTime=moment.isoformat(), run=run)


def sightings(folder: Path, *events: dict[str, Any]) -> list[tuple[int, str | None]]:
    tags = of_kind(told_by(source(folder, *events)), FactKind.TAG)
    start = datetime(2026, 1, 2, tzinfo=UTC)
    return sorted(
        ((fact.high - start) // timedelta(minutes=1), fact.text)
        for fact in tags
        if fact.high is not None
    )


def test_a_tag_is_told_as_first_and_last_seen_with_each_value(tmp_path: Path) -> None:
    events = [tagged(minute, value) for minute, value in enumerate("aaabba")]
    expected = [(0, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "a")]
    for order in itertools.islice(itertools.permutations(events), 0, None, 37):
        assert sightings(tmp_path, *order) == expected


@pytest.mark.parametrize(("values", "told"), [("a", 2), ("ab", 1_000)])
def test_a_run_that_is_heard_of_very_often_tells_each_change_of_a_tag(
    tmp_path: Path, values: str, told: int
) -> None:
    turns = itertools.cycle(values)
    events = [tagged(minute, next(turns)) for minute in range(1_000)]
    found = sightings(tmp_path, *events)
    assert (found[0][0], found[-1][0], len(found)) == (0, 999, told)


def test_sightings_beyond_the_bound_are_told_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [tagged(minute, value) for minute, value in enumerate("aaabba")]
    whole = sightings(tmp_path, *events)
    monkeypatch.setattr(openlineage, "MOST_SIGHTINGS", 2)
    assert set(whole) <= set(sightings(tmp_path, *events))


def test_a_tag_of_an_event_without_a_time_is_told_without_one(tmp_path: Path) -> None:
    untimed = tagged(0, "a") | {"eventTime": "soon"}
    (tag,) = of_kind(told_by(source(tmp_path, untimed)), FactKind.TAG)
    assert (tag.text, tag.high) == ("a", None)


def test_parent_and_commit_become_edges(tmp_path: Path) -> None:
    sha = "0123456789abcdef" * 2 + "01234567"
    given = event(
        run={
            "runId": RUN,
            "facets": {"parent": {"run": {"runId": PARENT}, "job": {"name": "dag"}}},
        },
        job={
            "namespace": "n",
            "name": "train",
            "facets": {"sourceCodeLocation": {"type": "git", "version": sha}},
        },
    )
    edges = of_kind(told_by(source(tmp_path, given)), FactKind.EDGE)
    assert {(f.name, f.subject, f.object) for f in edges} == {
        ("contains", run_key("ol", PARENT), run_key("ol", RUN)),
        ("used", run_key("ol", RUN), commit_key(sha)),
    }


def test_runs_of_a_registry_are_met_by_their_id(tmp_path: Path) -> None:
    path = tmp_path / "e.ndjson"
    path.write_text(json.dumps(event()))
    joined = OpenLineageSource("ol", path, runs_of="mlflow")
    (run,) = of_kind(told_by(joined), FactKind.RUN)
    assert run.subject == run_key("mlflow", RUN.replace("-", ""))


@pytest.mark.parametrize(
    "broken",
    [
        event(run={"runId": "run_id"}),
        event(run={"runId": f"urn:uuid:{RUN}"}),
        event(run={"runId": 7}),
        event(run=None),
        event(run=[]),
        event(job=None),
        event(job={"namespace": "n"}),
        event(job={"name": ["x"]}),
        event(inputs={"name": "x"}),
        event(inputs=[{"namespace": "n"}]),
        event(inputs=["x"]),
        event(outputs=7),
        {"eventTime": "2026-01-02T03:04:05Z"},
        [1],
        "text",
        None,
        7,
    ],
)
def test_useless_event_is_refused_and_leaves_nothing(
    tmp_path: Path, broken: object
) -> None:
    given = source(tmp_path, broken, event())
    facts = told_by(given)
    assert given.tally.accepted == 1
    assert len(given.tally.refused) == 1
    assert said(facts) == said(told_by(source(tmp_path, event())))


@pytest.mark.parametrize(
    "odd",
    [
        {"parent": []},
        {"parent": {"run": "x"}},
        {"parent": {"run": {"runId": ["x"]}}},
        {"parent": {"run": {"runId": RUN}}},
        {"tags": {"tags": "x"}},
        {"tags": {"tags": [{}, None, 7, {"key": None}]}},
        {"environmentVariables": {"environmentVariables": [{"name": 7}]}},
        {"executionParameters": {"parameters": {"a": 1}}},
        "facets",
        [1, 2],
    ],
)
def test_odd_facets_are_passed_over(tmp_path: Path, odd: object) -> None:
    given = source(tmp_path, event(run={"runId": RUN, "facets": odd}))
    facts = told_by(given)
    assert given.tally.accepted == 1
    assert of_kind(facts, FactKind.EDGE) == []


@pytest.mark.parametrize("facets", [{"version": "1"}, {"version": {}}, [], "x", None])
def test_dataset_without_a_version_is_a_visible_gap(
    tmp_path: Path, facets: object
) -> None:
    given = {"namespace": "file", "name": "loans", "facets": facets}
    facts = told_by(source(tmp_path, event(inputs=[given])))
    (version,) = of_kind(facts, FactKind.DATASET_VERSION)
    assert (version.name, version.digest) == ("loans", "none:unversioned")


def test_dataset_is_named_with_its_namespace_but_no_credentials(
    tmp_path: Path,
) -> None:
    given = {"namespace": "postgres://ann:hunter2@db:5432", "name": "public.loans"}
    facts = told_by(source(tmp_path, event(inputs=[given])))
    (dataset,) = of_kind(facts, FactKind.DATASET)
    assert dataset.name == "postgres://db:5432/public.loans"
    assert "hunter2" not in repr(facts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("api-key", "hunter2"),
        ("GITHUB_TOKEN", "hunter2"),
        ("PLAIN", "AKIA" + "HUNTER2HUNTER2XX"),
        ("JDBC", "jdbc:x://h/d?user=a&password=hunter2"),
        ("URL", "https://ann:hunter2@example.org/x"),
        ("HEADER", "Bearer hunter2hunter2"),
        ("PEM", "-----BEGIN RSA PRIVATE KEY-----\nhunter2"),
    ],
)
def test_secrets_in_facets_never_become_facts(
    tmp_path: Path, name: str, value: str
) -> None:
    facets = {
        "environmentVariables": {
            "environmentVariables": [{"name": name, "value": value}]
        },
        "executionParameters": {"parameters": [{"key": name, "value": value}]},
        "tags": {"tags": [{"key": name, "value": value}]},
    }
    facts = told_by(source(tmp_path, event(run={"runId": RUN, "facets": facets})))
    assert "hunter2" not in repr(facts).lower()
    assert len(of_kind(facts, FactKind.TAG)) == 2


def test_harmless_parameters_are_kept(tmp_path: Path) -> None:
    parameters = [{"key": "depth", "value": "3"}, {"name": "rates", "value": [1, 2]}]
    facets = {"executionParameters": {"parameters": parameters}}
    facts = told_by(source(tmp_path, event(run={"runId": RUN, "facets": facets})))
    told = [(f.name, f.text) for f in of_kind(facts, FactKind.PARAM)]
    assert told == [("depth", "3"), ("rates", "[1, 2]")]
    assert REDACTED not in repr(facts)


@pytest.mark.parametrize(
    ("changed", "violation"),
    [
        ({"schemaURL": None}, "no schemaURL"),
        ({"producer": ""}, "no producer"),
        ({"eventTime": "2026-01-02T03:04:05"}, "eventTime without time zone"),
        ({"eventTime": "yesterday"}, "eventTime is no time"),
        ({"eventTime": "0001-01-01T00:00:00+23:59"}, "eventTime is no time"),
        ({"eventTime": None}, "eventTime is no time"),
        ({"eventType": "DONE"}, "unknown eventType"),
        ({"job": {"name": "train"}}, "job without namespace"),
    ],
)
def test_lax_event_is_taken_and_noted(
    tmp_path: Path, changed: dict[str, Any], violation: str
) -> None:
    given = source(tmp_path, event(**changed))
    facts = told_by(given)
    assert given.tally.accepted == 1
    assert [f.name for f in of_kind(facts, FactKind.VIOLATION)] == [violation]


def test_job_and_dataset_events_tell_of_no_run(tmp_path: Path) -> None:
    job, dataset = event(inputs=[versioned("loans")]), event(dataset=versioned("d"))
    del job["run"], dataset["run"], dataset["job"]
    given = source(tmp_path, job, dataset)
    facts = told_by(given)
    assert given.tally.accepted == 2
    assert of_kind(facts, FactKind.RUN) == []
    assert {f.name for f in of_kind(facts, FactKind.DATASET)} == {"loans", "d"}


@pytest.mark.parametrize("form", ["lines", "document", "list", "gzip", "folder"])
def test_every_form_of_file_tells_the_same(tmp_path: Path, form: str) -> None:
    events = [event(), event(eventType="COMPLETE")]
    if form == "document":
        events = events[:1]
    wanted = said(told_by(source(tmp_path, *events)))
    folder = tmp_path / "x"
    folder.mkdir()
    path = folder / "e.json"
    if form in ("document", "list"):
        path.write_text(json.dumps(events if form == "list" else events[0], indent=2))
    elif form == "gzip":
        path = folder / "e.jsonl.gz"
        lines = "\n".join(json.dumps(e) for e in events)
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text("\n\n".join(json.dumps(e) for e in events))
    path = folder if form == "folder" else path
    assert said(told_by(OpenLineageSource("ol", path))) == wanted


def test_broken_lines_are_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "e.ndjson"
    good = json.dumps(event()).encode()
    path.write_bytes(b"\n".join([good, b"{", b"\xff\xfe\xfa", b"[" * 100_000, good]))
    given = OpenLineageSource("ol", path)
    told_by(given)
    assert given.tally.accepted == 2
    wheres = [r.where for r in given.tally.refused]
    assert wheres == ["e.ndjson:2", "e.ndjson:3", "e.ndjson:4"]


def test_lone_surrogates_become_text(tmp_path: Path) -> None:
    path = tmp_path / "e.ndjson"
    line = json.dumps(event(job={"namespace": "n", "name": "SURROGATE"}))
    path.write_text(line.replace("SURROGATE", "\\ud800x\\ud83d\\ude00"))
    (job,) = of_kind(told_by(OpenLineageSource("ol", path)), FactKind.JOB)
    assert job.name == "?x😀"


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08rubbish", b"plain", b"\x1f\x8b"])
def test_damaged_gzip_is_an_error_of_connectors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "e.ndjson.gz"
    path.write_bytes(data)
    with pytest.raises(MalformedInput):
        told_by(OpenLineageSource("ol", path))


def test_cut_gzip_is_malformed(tmp_path: Path) -> None:
    path = tmp_path / "e.ndjson.gz"
    path.write_bytes(gzip.compress(json.dumps(event()).encode() * 100)[:-20])
    with pytest.raises(MalformedInput):
        told_by(OpenLineageSource("ol", path))


def test_lines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openlineage_files, "LONGEST_LINE_BYTES", 50)
    with pytest.raises(MalformedInput, match="longer than can be read"):
        told_by(source(tmp_path, event()))


def test_missing_file_is_an_error_of_connectors(tmp_path: Path) -> None:
    with pytest.raises(ConnectorError):
        told_by(OpenLineageSource("ol", tmp_path / "none.ndjson"))
