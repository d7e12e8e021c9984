"""MLflow's database: old and new schemas, damage, and rows nobody expects."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.mlflow import database as module
from connectors.mlflow import sqlite_engine
from connectors.mlflow.database import MlflowDatabase
from connectors.mlflow.telling import MlflowSource
from store.facts import FactKind
from store.identifiers import model_key
from tests.unit.connectors.facts import of_kind, told_by

OLD_SCHEMA = """
CREATE TABLE alembic_version (version_num);
INSERT INTO alembic_version VALUES ('728d730b5ebd');
CREATE TABLE experiments (experiment_id INTEGER, name);
CREATE TABLE runs (run_uuid, user_id, status, start_time, end_time, lifecycle_stage,
    artifact_uri, experiment_id);
CREATE TABLE tags (key, value, run_uuid);
CREATE TABLE params (key, value, run_uuid);
CREATE TABLE latest_metrics (key, value, timestamp, step, is_nan, run_uuid);
CREATE TABLE registered_models (name, description);
CREATE TABLE registered_model_tags (key, value, name);
CREATE TABLE model_versions (name, version, creation_time, current_stage, source,
    run_id, status);
CREATE TABLE model_version_tags (key, value, name, version);
INSERT INTO experiments VALUES (1, 'e');
INSERT INTO runs VALUES ('r1', 'ann', 'FINISHED', 1, 2, 'active', 'a', 1);
INSERT INTO tags VALUES ('t', NULL, 'r1');
INSERT INTO params VALUES ('p', '1', 'r1');
INSERT INTO latest_metrics VALUES ('m', 1.5, 3, 0, 0, 'r1');
INSERT INTO registered_models VALUES ('fraud', NULL);
INSERT INTO model_versions
    VALUES ('fraud', 1, 4, 'Production', 's3://b/m', 'r1', 'READY');
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "mlflow.db"
    change(found, OLD_SCHEMA)
    return found


def change(path: Path, script: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


def source(path: Path) -> MlflowSource:
    return MlflowSource("m", MlflowDatabase(path), None)


def test_schema_from_before_inputs_aliases_and_workspaces_is_read(path: Path) -> None:
    MlflowDatabase(path).check()
    facts = told_by(source(path))
    assert [f.name for f in of_kind(facts, FactKind.STAGE)] == ["Production"]
    assert [f.text for f in of_kind(facts, FactKind.METRIC)] == ["1.5"]
    (version,) = of_kind(facts, FactKind.MODEL_VERSION)
    assert version.location == "s3://b/m"


def test_models_of_other_workspaces_are_told_apart(path: Path) -> None:
    change(
        path,
        """
        ALTER TABLE registered_models ADD workspace DEFAULT 'default';
        ALTER TABLE model_versions ADD workspace DEFAULT 'default';
        INSERT INTO registered_models VALUES ('fraud', 'other', 'risk');
        INSERT INTO model_versions
        VALUES ('fraud', 1, 5, 'None', 's', '', 'READY', 'risk');
        """,
    )
    facts = told_by(source(path))
    keys = {f.object for f in of_kind(facts, FactKind.MODEL_VERSION)}
    assert keys == {model_key("m", "fraud"), model_key("m", "risk/fraud")}


def test_sources_that_point_elsewhere_are_resolved(path: Path) -> None:
    model, run = "m-" + "a" * 32, "b" * 32
    change(
        path,
        f"""
        CREATE TABLE logged_models (model_id, artifact_location);
        INSERT INTO logged_models VALUES ('{model}', 'mlflow-artifacts:/1/models/x');
        INSERT INTO runs VALUES ('{run}', '', '', 1, 2, 'active', 'file:///r', 1);
        DELETE FROM model_versions;
        INSERT INTO model_versions
        VALUES ('fraud', 1, 4, 'None', 'models:/{model}', '', ''),
               ('fraud', 2, 4, 'None', 'runs:/{run}/model', '', ''),
               ('fraud', 3, 4, 'None', 'models:/m-{"c" * 32}', '', '');
        """,
    )
    assert [v.location for v in MlflowDatabase(path).versions()] == [
        "mlflow-artifacts:/1/models/x",
        "file:///r/model",
        f"models:/m-{'c' * 32}",
    ]


def test_rows_of_odd_types_become_text_or_nothing(path: Path) -> None:
    change(
        path,
        """
        INSERT INTO params VALUES (7, x'ff00', 'r1'), (NULL, 1.5, 'r1');
        INSERT INTO tags VALUES (x'6b', 9, 'r1');
        UPDATE runs SET start_time = 'soon', end_time = 9223372036854775807;
        """,
    )
    facts = told_by(source(path))
    (run,) = of_kind(facts, FactKind.RUN)
    assert (run.started, run.ended) == (None, None)
    params = {(f.name, f.text) for f in of_kind(facts, FactKind.PARAM)}
    assert params == {("7", "\ufffd\x00"), ("", "1.5"), ("p", "1")}
    for fact in facts:
        assert isinstance(fact.name, str)
        assert isinstance(fact.text, str | None)


def test_metric_that_is_no_number_is_malformed(path: Path) -> None:
    change(path, "INSERT INTO latest_metrics VALUES ('x', 'high', 1, 0, 0, 'r1')")
    with pytest.raises(MalformedInput):
        told_by(source(path))


def test_runs_are_read_in_parts_without_losing_any(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RUNS_AT_ONCE", 2)
    for number in range(2, 8):
        change(
            path,
            f"""
            INSERT INTO runs
            VALUES ('r{number}', '', '', 1, 2, 'active', '', 1);
            INSERT INTO params VALUES ('p', '{number}', 'r{number}');
            """,
        )
    facts = told_by(source(path))
    assert len(of_kind(facts, FactKind.RUN)) == 7
    assert {f.text for f in of_kind(facts, FactKind.PARAM)} == set("1234567")


def test_writers_are_not_kept_waiting_while_runs_are_told(path: Path) -> None:
    runs = MlflowDatabase(path).runs()
    next(runs)
    writer = sqlite3.connect(path, timeout=0)
    writer.execute("INSERT INTO experiments VALUES (2, 'later')")
    writer.commit()
    writer.close()
    assert list(runs) == []


def test_missing_column_is_refused_with_the_other_way(path: Path) -> None:
    change(path, "DROP TABLE latest_metrics")
    with pytest.raises(ConnectorRefused, match="latest_metrics lacks") as caught:
        MlflowDatabase(path).check()
    assert "REST" in caught.value.hint


def test_views_do_not_stand_in_for_tables(path: Path) -> None:
    change(path, "DROP TABLE params; CREATE VIEW params AS SELECT * FROM tags")
    with pytest.raises(ConnectorRefused, match="params lacks"):
        MlflowDatabase(path).check()


def test_database_of_another_program_is_malformed(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    change(other, "CREATE TABLE t (x)")
    with pytest.raises(MalformedInput, match="not MLflow's"):
        MlflowDatabase(other).check()


@pytest.mark.parametrize("damage", [b"", b"rubbish" * 1000, None])
def test_damaged_database_is_malformed(path: Path, damage: bytes | None) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if damage is None else damage)
    with pytest.raises(MalformedInput):
        MlflowDatabase(path).check()


def test_locked_database_is_unavailable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_engine, "BUSY_SECONDS", 0)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ConnectorUnavailable):
        MlflowDatabase(path).check()
    writer.close()


def test_missing_database_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(ConnectorUnavailable):
        MlflowDatabase(tmp_path / "none.db").check()
