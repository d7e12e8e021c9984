"""An MLflow backend database of any size, with the shape of a busy team's.

A tenth of the experiments holds half of the runs; one run in twenty failed, one in
fifty was deleted, one in ten is part of a sweep; half of the runs say which commit they
ran at and which dataset versions they read; one in a hundred became a model version.
SQLite makes the rows itself, from numbers alone: the same size is the same history.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

METRICS, PARAMS = 10, 10
RUNS_OF_A_VERSION = 100
_AT_ONCE = 100_000
_BEGAN_MS = 1_700_000_000_000

_NUMBERS = (
    "WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers "
    "WHERE n + 1 < :last) "
)
_HEX = "printf('%08x%08x%08x%08x', {0} * 2654435761 % 4294967296, {0}, {1}, {0} * 7)"
_RUN = _HEX.format("n", "305419896")
_PARENT = _HEX.format("(n / 10 * 10)", "305419896")
_VALUE = "((n * 7919 + {0} * 104729) % 1000003) / 1000003.0"
_TEN = (
    "(SELECT 0 AS k UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL "
    "SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL "
    "SELECT 8 UNION ALL SELECT 9)"
)
_ROWS_OF_RUNS = (
    "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, "
    "end_time, lifecycle_stage, artifact_uri, experiment_id) "
    f"{_NUMBERS} SELECT {_RUN}, 'run-' || n, 'LOCAL', 'user-' || (n % 40), "
    "iif(n % 20 = 3, 'FAILED', 'FINISHED'), :began + n * 1000, "
    ":began + n * 1000 + n % 977 * 100, iif(n % 50 = 7, 'deleted', 'active'), "
    f"'s3://models/' || {_RUN} || '/artifacts', :experiment + iif(n % 2, n % 10, "
    "n % 100) FROM numbers",
    "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
    f"{_NUMBERS} SELECT 'metric-' || k, {_VALUE.format('k')}, :began + n * 1000 + k, "
    f"n % 50, n % 10007 = 0 AND k = 9, {_RUN} FROM numbers, {_TEN}",
    "INSERT INTO params (key, value, run_uuid) "
    f"{_NUMBERS} SELECT 'param-' || k, CASE k WHEN 0 THEN 'adam' WHEN 1 THEN "
    f"'' || (n % 8 * 32) ELSE '' || {_VALUE.format('k + 11')} END, {_RUN} "
    f"FROM numbers, {_TEN}",
    "INSERT INTO tags (key, value, run_uuid) "
    f"{_NUMBERS} SELECT 'mlflow.user', 'user-' || (n % 40), {_RUN} FROM numbers",
    "INSERT INTO tags (key, value, run_uuid) "
    f"{_NUMBERS} SELECT 'mlflow.source.name', 'train.py', {_RUN} FROM numbers",
    "INSERT INTO tags (key, value, run_uuid) "
    f"{_NUMBERS} SELECT 'countersign.git.commit', printf('%040x', n / 50 * 48271), "
    f"{_RUN} FROM numbers WHERE n % 2",
    "INSERT INTO tags (key, value, run_uuid) "
    f"{_NUMBERS} SELECT 'mlflow.parentRunId', {_PARENT}, {_RUN} FROM numbers "
    "WHERE n / 100 % 10 = 1 AND n % 10",
    "INSERT INTO tags (key, value, run_uuid) "
    f"{_NUMBERS} SELECT 'countersign.dataset.sales.sha256', "
    f"printf('%064x', n / 1000 * 69621), {_RUN} FROM numbers WHERE n % 2",
    "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, "
    f"destination_id) {_NUMBERS} SELECT 'i' || n || '-' || k, 'DATASET', "
    f"'d' || ((n / 1000 + k) % 500), 'RUN', {_RUN} FROM numbers, "
    "(SELECT 0 AS k UNION ALL SELECT 1) WHERE n % 2",
    "INSERT INTO model_versions (name, version, creation_time, last_updated_time, "
    "current_stage, source, run_id, status) "
    f"{_NUMBERS} SELECT 'model-' || (n / {RUNS_OF_A_VERSION} % 200), "
    f"n / {RUNS_OF_A_VERSION * 200} + 1, :began + n * 1000, :began + n * 1000, 'None', "
    f"'', {_RUN}, 'READY' FROM numbers WHERE n % {RUNS_OF_A_VERSION} = 0",
)


def fill(database: Path, runs: int, *, first: int = 0) -> None:
    """Add runs `first` up to `first + runs` to a database that MLflow made.

    Each has ten metrics, ten parameters and two to five tags.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        query = "SELECT min(experiment_id) FROM experiments"
        (experiment,) = connection.execute(query).fetchone()
        _fill_once(connection, int(experiment))
        for start in range(first, first + runs, _AT_ONCE):
            span = {
                "first": start,
                "last": min(start + _AT_ONCE, first + runs),
                "began": _BEGAN_MS,
                "experiment": int(experiment),
            }
            for statement in _ROWS_OF_RUNS:
                connection.execute(statement, span)
            connection.commit()


def _fill_once(connection: sqlite3.Connection, experiment: int) -> None:
    """What is there however many runs there are."""
    connection.executemany(
        "INSERT OR IGNORE INTO experiments (experiment_id, name, lifecycle_stage, "
        "creation_time, last_update_time) VALUES (?, ?, 'active', ?, ?)",
        [
            (experiment + n, f"experiment-{n}", _BEGAN_MS, _BEGAN_MS)
            for n in range(1, 100)
        ],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO registered_models (name, creation_time, "
        "last_updated_time) VALUES (?, ?, ?)",
        [(f"model-{n}", _BEGAN_MS, _BEGAN_MS) for n in range(200)],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO datasets (dataset_uuid, experiment_id, name, digest, "
        "dataset_source_type, dataset_source) VALUES (?, ?, ?, ?, 'local', ?)",
        [
            (f"d{n}", experiment, f"dataset-{n % 60}", f"{n:08x}", f"s3://lake/{n}")
            for n in range(500)
        ],
    )
