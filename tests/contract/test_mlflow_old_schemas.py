"""Schemas of MLflow 1.3 to now, made by its own migrations, tell the right facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused
from connectors.mlflow.database import MlflowDatabase
from connectors.mlflow.schema import REVISIONS
from connectors.mlflow.telling import MlflowSource
from connectors.protocols import KnownState
from store.facts import Fact, FactKind, fact_id
from store.identifiers import (
    dataset_version_key,
    experiment_key,
    model_key,
    model_version_key,
    run_key,
)
from tests.contract.conftest import mlflow_python
from tests.contract.database_servers import running_mariadb, running_postgres
from tests.contract.mlflow_schemas import (
    Place,
    Rows,
    Value,
    change,
    engine_of,
    fill,
    make_schema,
    make_schemas,
)

pytestmark = [pytest.mark.peer, pytest.mark.slow]
RELEASES = {
    "1.3": "89d4b8295536",
    "1.8": "0a8213491aaa",
    "1.30": "97727af70f4d",
    "2.3": "3500859a5d39",
    "2.4": "7f2a7d5fae7d",
    "2.9": "acf3f17fdcc7",
    "2.22": "0584bdc529eb",
    "3.1": "6953534de441",
    "3.10": "1b5f0d9ad7c1",
    "now": "heads",
}
KNOWN = KnownState(datetime(2026, 11, 24, tzinfo=UTC))
RUN, MODEL = "ab" * 16, "m-" + "cd" * 16
OF_RUN: dict[str, Value] = {"run_uuid": RUN}
OF_FRAUD: dict[str, Value] = {"name": "fraud", "workspace": "default"}
VERSION: dict[str, Value] = {
    **OF_FRAUD,
    "creation_time": 1_600_000_000_000,
    "last_updated_time": 1_600_000_000_000,
    "current_stage": "None",
    "status": "READY",
    "run_id": RUN,
}
ROWS: Rows = {
    "experiments": [
        {
            "experiment_id": 7,
            "name": "credit",
            "artifact_location": "s3://b/7",
            "lifecycle_stage": "active",
            "workspace": "default",
        }
    ],
    "runs": [
        {
            **OF_RUN,
            "name": "first",
            "source_type": "LOCAL",
            "source_name": "train.py",
            "entry_point_name": "",
            "user_id": "ann",
            "status": "FINISHED",
            "start_time": 1_600_000_000_000,
            "end_time": 1_600_000_060_000,
            "source_version": "",
            "lifecycle_stage": "active",
            "artifact_uri": "s3://b/7/run",
            "experiment_id": 7,
        }
    ],
    "params": [{**OF_RUN, "key": "depth", "value": "3"}],
    "tags": [{**OF_RUN, "key": "team", "value": "risk 🦊"}],
    "latest_metrics": [
        {
            **OF_RUN,
            "key": "auc",
            "value": 0.1 + 0.2,
            "timestamp": 1_600_000_050_000,
            "step": 4,
            "is_nan": False,
        },
        {
            **OF_RUN,
            "key": "loss",
            "value": 0.0,
            "timestamp": 1_600_000_050_000,
            "step": 0,
            "is_nan": True,
        },
    ],
    "datasets": [
        {
            "dataset_uuid": "d1",
            "experiment_id": 7,
            "name": "loans",
            "digest": "12345678",
            "dataset_source_type": "local",
            "dataset_source": "{}",
            "dataset_schema": "{}",
        }
    ],
    "inputs": [
        {
            "input_uuid": "i1",
            "source_type": "DATASET",
            "source_id": "d1",
            "destination_type": "RUN",
            "destination_id": RUN,
            "step": 0,
        }
    ],
    "input_tags": [
        {"input_uuid": "i1", "name": "mlflow.data.context", "value": "training"}
    ],
    "logged_models": [
        {
            "model_id": MODEL,
            "experiment_id": 7,
            "name": "m",
            "artifact_location": "s3://b/7/models/m",
            "creation_timestamp_ms": 1,
            "last_updated_timestamp_ms": 1,
            "status": 2,
            "lifecycle_stage": "active",
        }
    ],
    "workspaces": [{"name": "risk"}],
    "registered_models": [
        {**OF_FRAUD, "creation_time": 1, "last_updated_time": 1, "description": "d"},
        {"name": "other", "workspace": "risk", "creation_time": 1},
    ],
    "registered_model_tags": [{**OF_FRAUD, "key": "owner", "value": "risk"}],
    "model_versions": [
        {
            **VERSION,
            "version": 1,
            "source": "s3://b/one",
            "current_stage": "Production",
        },
        {**VERSION, "version": 2, "source": f"models:/{MODEL}"},
        {
            **VERSION,
            "version": 3,
            "source": "models:/gone",
            "storage_location": "s3://b/kept",
        },
        {**VERSION, "version": 4, "current_stage": "Deleted_Internal", "source": "x"},
    ],
    "model_version_tags": [{**OF_FRAUD, "version": 1, "key": "note", "value": "n"}],
    "registered_model_aliases": [{**OF_FRAUD, "alias": "champion", "version": 2}],
}


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[Place]:
    if kind == "sqlite":
        yield folder / "mlflow.db"
        return
    with {"postgres": running_postgres, "mariadb": running_mariadb}[kind]() as server:
        yield server


def told(place: Place) -> list[Fact]:
    database = MlflowDatabase(engine_of(place))
    database.check()
    in_bulk = [
        (row["kind"], row["subject"], row["name"], row["text"])
        for table in MlflowSource("m", database, None).tables(KNOWN)
        for row in table.to_pylist()
    ]
    facts = list(MlflowSource("m", database, None).facts(KNOWN))
    by_row = {(f.kind.value, f.subject, f.name, f.text) for f in facts}
    assert set(in_bulk) == by_row
    return facts


def of_kind(facts: list[Fact], kind: FactKind) -> list[Fact]:
    return [fact for fact in facts if fact.kind is kind]


@pytest.fixture(scope="module")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file for each release; a test may change it."""
    folder = tmp_path_factory.mktemp("schemas")
    files = {release: folder / f"{release}.db" for release in RELEASES}
    places: dict[Place, str] = {files[name]: head for name, head in RELEASES.items()}
    make_schemas(mlflow_python(), places)
    return files


@pytest.mark.parametrize("release", RELEASES)
def test_schema_of_a_release_tells_what_it_holds(
    release: str, sqlite_files: dict[str, Path]
) -> None:
    fill(sqlite_files[release], ROWS)
    check_facts(told(sqlite_files[release]), release)


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_old_schemas_are_read_on_servers_too(kind: str, tmp_path: Path) -> None:
    with place_of(kind, tmp_path) as place:
        make_schema(mlflow_python(), place, RELEASES["1.8"])
        fill(place, ROWS)
        facts = told(place)
    check_facts(facts, "1.8")


def check_facts(facts: list[Fact], release: str) -> None:
    since = REVISIONS.index
    at = len(REVISIONS) if release == "now" else since(RELEASES[release])
    key = run_key("m", RUN)
    (run,) = of_kind(facts, FactKind.RUN)
    assert (run.subject, run.name, run.actor) == (key, "first", "ann")
    assert run.object == experiment_key("m", "7")
    assert run.ended == datetime.fromtimestamp(1_600_000_060, UTC)
    metrics = {f.name: (f.text, f.step) for f in of_kind(facts, FactKind.METRIC)}
    assert metrics == {"auc": (repr(0.1 + 0.2), 4), "loss": ("nan", 0)}
    assert [f.text for f in of_kind(facts, FactKind.PARAM)] == ["3"]
    assert "risk 🦊" in [f.text for f in of_kind(facts, FactKind.TAG)]
    read = [f.object for f in of_kind(facts, FactKind.EDGE) if f.name == "read"]
    has_inputs = at >= since("7f2a7d5fae7d")
    digest = dataset_version_key("loans", "mlflow-md5-8:12345678")
    assert read == ([digest] if has_inputs else [])
    check_registry(facts, at)


def check_registry(facts: list[Fact], at: int) -> None:
    since = REVISIONS.index
    if at < since("2b4d017a5e9b"):
        assert of_kind(facts, FactKind.MODEL_VERSION) == []
        return
    versions = {f.name: f.location for f in of_kind(facts, FactKind.MODEL_VERSION)}
    logged = "s3://b/7/models/m" if at >= since("400f98739977") else f"models:/{MODEL}"
    kept = "s3://b/kept" if at >= since("acf3f17fdcc7") else "models:/gone"
    assert versions == {"1": "s3://b/one", "2": logged, "3": kept}
    deleted = model_version_key("m", "fraud", "4")
    assert [f.subject for f in of_kind(facts, FactKind.DELETION)] == [deleted]
    assert [f.name for f in of_kind(facts, FactKind.STAGE)] == ["Production"]
    pointed = [(f.name, f.object) for f in of_kind(facts, FactKind.ALIAS)]
    has_aliases = at >= since("3500859a5d39")
    second = model_version_key("m", "fraud", "2")
    assert pointed == ([("champion", second)] if has_aliases else [])
    other = "risk/other" if at >= since("1b5f0d9ad7c1") else "other"
    models = {f.subject for f in of_kind(facts, FactKind.MODEL)}
    assert models == {model_key("m", "fraud"), model_key("m", other)}


def test_every_revision_of_this_mlflow_is_known(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    make_schema(mlflow_python(), path)
    with engine_of(path).reading() as read:
        heads = [row[0] for row in read("SELECT version_num FROM alembic_version")]
    assert len(heads) == 1
    assert heads[0] in REVISIONS


@pytest.mark.parametrize("head", ["0123456789ab", "451aebb31d03"])
def test_unknown_schema_is_refused_with_the_other_way(
    head: str, tmp_path: Path
) -> None:
    path = tmp_path / "mlflow.db"
    make_schema(mlflow_python(), path)
    change(path, f"UPDATE alembic_version SET version_num = '{head}'")
    with pytest.raises(ConnectorRefused, match=head) as caught:
        MlflowDatabase(path).check()
    assert "REST" in caught.value.hint


def test_three_databases_tell_the_same_facts(tmp_path: Path) -> None:
    ids = []
    for kind in ("sqlite", "postgres", "mariadb"):
        with place_of(kind, tmp_path) as place:
            make_schema(mlflow_python(), place)
            fill(place, ROWS)
            ids.append({fact_id("m", fact) for fact in told(place)})
    assert ids[0] == ids[1] == ids[2]
