"""Every route into one MLflow tells the same, and aliases are moved for real."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.artifacts import LocalArtifacts
from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.mlflow.client import MlflowClient
from connectors.mlflow.database import MlflowDatabase
from connectors.mlflow.folder import MlflowFolder
from connectors.mlflow.registry import MlflowRegistry
from connectors.mlflow.rest import MlflowRest
from connectors.mlflow.served_artifacts import ServedArtifacts
from connectors.mlflow.telling import MlflowSource
from connectors.protocols import KnownState
from store.facts import Fact, FactKind, fact_id
from store.identifiers import (
    commit_key,
    dataset_version_key,
    model_key,
    model_version_key,
    run_key,
)
from tests.contract.mlflow_server import (
    COMMIT,
    HOSTILE_NAMES,
    MLMODEL,
    MODEL_FILE,
    SHA256,
    Server,
)

pytestmark = [pytest.mark.peer, pytest.mark.slow]
KNOWN = KnownState(datetime(2026, 11, 23, tzinfo=UTC))


def by_rest(server: Server, *, known: KnownState = KNOWN) -> list[Fact]:
    client = MlflowClient(server.address)
    source = MlflowSource("m", MlflowRest(client), ServedArtifacts(client))
    return list(source.facts(known))


def by_database(server: Server) -> list[Fact]:
    reader = LocalArtifacts(server.artifacts)
    return list(MlflowSource("m", MlflowDatabase(server.database), reader).facts(KNOWN))


def by_folder(server: Server) -> list[Fact]:
    reader = LocalArtifacts(server.artifacts)
    return list(MlflowSource("m", MlflowFolder(server.mlruns), reader).facts(KNOWN))


def differences(left: Iterable[Fact], right: Iterable[Fact]) -> tuple[list[Fact], ...]:
    """Facts that only one side tells, by what they say."""
    ours = {fact_id("m", fact): fact for fact in left}
    theirs = {fact_id("m", fact): fact for fact in right}
    return (
        [ours[key] for key in sorted(ours.keys() - theirs.keys())],
        [theirs[key] for key in sorted(theirs.keys() - ours.keys())],
    )


def of_kind(facts: Iterable[Fact], kind: FactKind) -> list[Fact]:
    return [fact for fact in facts if fact.kind == kind]


def test_rest_and_database_tell_the_same_but_for_deleted_versions(
    mlflow_server: Server,
) -> None:
    only_rest, only_database = differences(
        by_rest(mlflow_server), by_database(mlflow_server)
    )
    assert only_rest == []
    deleted = model_version_key("m", "fraud", "4")
    assert [(f.kind, f.subject) for f in only_database] == [
        (FactKind.DELETION, deleted)
    ]


def test_rest_and_file_store_tell_the_same(mlflow_file_server: Server) -> None:
    only_rest, only_folder = differences(
        by_rest(mlflow_file_server), by_folder(mlflow_file_server)
    )
    assert only_rest == []
    deleted = model_version_key("m", "fraud", "4")
    assert {(f.kind, f.subject) for f in only_folder} <= {(FactKind.DELETION, deleted)}


def test_run_is_told_whole(mlflow_server: Server) -> None:
    facts = by_rest(mlflow_server)
    key = run_key("m", mlflow_server.ids["run"])
    metrics = {f.name: f.text for f in of_kind(facts, FactKind.METRIC)}
    assert metrics == {
        "auc": "0.9",
        "loss": "nan",
        "high": "inf",
        "low": "-inf",
        "tiny": "5e-324",
        "early": "1.0",
    }
    assert {f.name: f.text for f in of_kind(facts, FactKind.PARAM)} == {
        "depth": "3",
        "group/rate": "0.5 🦊",
    }
    edges = {
        (f.name, f.object, f.text)
        for f in of_kind(facts, FactKind.EDGE)
        if f.subject == key
    }
    sha = f"sha256:{SHA256}"
    assert edges == {
        ("read", dataset_version_key("loans", sha), "training"),
        ("read", dataset_version_key("holdout [/x]", "mlflow-md5-8:12345678"), None),
        ("read", dataset_version_key("unlogged", sha), None),
        ("used", commit_key(COMMIT), None),
        ("produced", model_version_key("m", "fraud", "1"), None),
        ("produced", model_version_key("m", "fraud", "2"), None),
        ("produced", model_version_key("m", "fraud", "3"), None),
    }
    contains = [f for f in of_kind(facts, FactKind.EDGE) if f.name == "contains"]
    parent = run_key("m", mlflow_server.ids["parent"])
    assert [(f.subject, f.object) for f in contains] == [(parent, key)]
    (run,) = [f for f in of_kind(facts, FactKind.RUN) if f.subject == key]
    assert run.actor == "ann"
    assert run.status == "FINISHED"
    assert run.ended == datetime.fromtimestamp(1_700_000_000.123, UTC)


def test_hostile_names_arrive_unchanged(mlflow_server: Server) -> None:
    facts = by_rest(mlflow_server)
    assert set(HOSTILE_NAMES) <= {f.name for f in of_kind(facts, FactKind.RUN)}
    notes = {f.text for f in of_kind(facts, FactKind.TAG) if f.name == "note"}
    assert set(HOSTILE_NAMES) <= notes


def test_deleted_runs_are_told_as_deleted(mlflow_server: Server) -> None:
    facts = by_rest(mlflow_server)
    gone = {f.subject for f in of_kind(facts, FactKind.DELETION)}
    for name in ("deleted", "run in gone"):
        assert run_key("m", mlflow_server.ids[name]) in gone


def test_what_breaks_a_rule_is_noted(mlflow_server: Server) -> None:
    violations = {f.name for f in of_kind(by_rest(mlflow_server), FactKind.VIOLATION)}
    assert violations == {
        "dataset digest is no SHA-256",
        "commit is no hash",
        "artifact not readable",
    }


def test_files_are_hashed_and_the_signature_is_read(mlflow_server: Server) -> None:
    facts = by_rest(mlflow_server)
    for version in ("1", "2"):
        key = model_version_key("m", "fraud", version)
        files = {
            f.name: (f.digest, f.number)
            for f in of_kind(facts, FactKind.FILE)
            if f.subject == key
        }
        assert files == {
            "MLmodel": (hashlib.sha256(MLMODEL).hexdigest(), float(len(MLMODEL))),
            "data/model.bin": (
                hashlib.sha256(MODEL_FILE).hexdigest(),
                float(len(MODEL_FILE)),
            ),
        }
        signatures = of_kind(facts, FactKind.SIGNATURE)
        (signature,) = [f for f in signatures if f.subject == key]
        assert "age" in (signature.text or "")


@pytest.mark.parametrize("door", ["run", "logged model"])
def test_artifacts_are_read_without_the_proxy(mlflow_server: Server, door: str) -> None:
    """As where the server itself keeps artifacts in a bucket."""
    reader = ServedArtifacts(MlflowClient(mlflow_server.address))
    ids = mlflow_server.ids
    location = {
        "run": f"s3://bucket/x/{ids['experiment']}/{ids['run']}/artifacts/model",
        "logged model": f"/x/1/models/{ids['logged model']}/artifacts",
    }[door]
    found = {file.path: file.sha256 for file in reader.files(location)}
    assert found == {
        "MLmodel": hashlib.sha256(MLMODEL).hexdigest(),
        "data/model.bin": hashlib.sha256(MODEL_FILE).hexdigest(),
    }
    assert reader.read(location, "data/model.bin", at_most=100) == MODEL_FILE
    with pytest.raises(ConnectorRefused):
        reader.read(location, "data/model.bin", at_most=3)


def test_alias_moves_and_is_read_back(mlflow_server: Server) -> None:
    registry = MlflowRegistry(MlflowClient(mlflow_server.address))
    before = registry.read_alias("fraud", "moving")
    registry.set_alias("fraud", "moving", "1")
    first = registry.read_alias("fraud", "moving")
    registry.set_alias("fraud", "moving", "2")
    second = registry.read_alias("fraud", "moving")
    gone = {"name": "fraud", "alias": "moving"}
    mlflow_server.call("DELETE", "registered-models/alias", gone)
    assert (before, first, second) == ("", "1", "2")
    assert registry.read_alias("fraud", "moving") == ""


@pytest.mark.parametrize(
    ("model", "alias", "version"),
    [
        ("no such model", "x", "1"),
        ("fraud", "x", "99"),
        ("fraud", "latest", "1"),
        ("fraud", "", "1"),
        ("fraud", "x", "one"),
    ],
)
def test_impossible_alias_moves_are_refused(
    mlflow_server: Server, model: str, alias: str, version: str
) -> None:
    registry = MlflowRegistry(MlflowClient(mlflow_server.address))
    with pytest.raises(ConnectorRefused):
        registry.set_alias(model, alias, version)


def test_alias_of_unknown_model_is_refused(mlflow_server: Server) -> None:
    registry = MlflowRegistry(MlflowClient(mlflow_server.address))
    with pytest.raises(ConnectorRefused, match="no such model"):
        registry.read_alias("no such model", "x")


def test_aliases_are_told_only_where_they_differ_from_what_is_known(
    mlflow_server: Server,
) -> None:
    fraud = model_key("m", "fraud")
    seen = datetime(2026, 11, 22, tzinfo=UTC)
    known = KnownState(
        KNOWN.now,
        seen,
        {
            (fraud, "champion"): model_version_key("m", "fraud", "1"),
            (fraud, "challenger"): model_version_key("m", "fraud", "1"),
            (fraud, "retired"): model_version_key("m", "fraud", "1"),
            (model_key("other", "fraud"), "kept"): "model-version:other/fraud/1",
        },
    )
    told = of_kind(by_rest(mlflow_server, known=known), FactKind.ALIAS)
    assert [(f.name, f.object, f.low, f.high) for f in told] == [
        ("challenger", model_version_key("m", "fraud", "2"), seen, KNOWN.now),
        ("retired", "", seen, KNOWN.now),
    ]


def test_all_pages_are_read(
    mlflow_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = by_rest(mlflow_server)
    monkeypatch.setattr("connectors.mlflow.rest._PAGE", 2)
    assert differences(whole, by_rest(mlflow_server)) == ([], [])


def test_reading_the_database_changes_nothing(mlflow_server: Server) -> None:
    before = mlflow_server.database.read_bytes()
    by_database(mlflow_server)
    assert mlflow_server.database.read_bytes() == before


def test_moved_file_store_is_read_where_it_is_now(
    mlflow_file_server: Server, tmp_path: Path
) -> None:
    store = tmp_path / "elsewhere"
    experiment = store / "1"
    artifacts = experiment / ("ab" * 16) / "artifacts"
    artifacts.mkdir(parents=True)
    (experiment / "meta.yaml").write_text("experiment_id: '1'\nartifact_location: x\n")
    (artifacts / "MLmodel").write_bytes(MLMODEL)
    version = store / "models" / "m" / "version-1"
    version.mkdir(parents=True)
    (version.parent / "meta.yaml").write_text("name: m\n")
    source = f"/old/place/mlruns/1/{'ab' * 16}/artifacts"
    (version / "meta.yaml").write_text(f"name: m\nversion: 1\nsource: {source}\n")
    (row,) = MlflowFolder(store).versions()
    assert LocalArtifacts(None).files(row.location)[0].path == "MLmodel"


def test_server_that_is_down_is_unavailable_soon() -> None:
    registry = MlflowRegistry(MlflowClient("http://127.0.0.1:9", timeout_seconds=2))
    started = time.monotonic()
    with pytest.raises(ConnectorUnavailable):
        registry.read_alias("fraud", "x")
    assert time.monotonic() - started < 10


def test_metrics_are_numbers_too(mlflow_server: Server) -> None:
    numbers = {
        f.name: f.number for f in of_kind(by_rest(mlflow_server), FactKind.METRIC)
    }
    assert numbers["high"] == math.inf
    assert math.isnan(numbers["loss"] or 0.0)
