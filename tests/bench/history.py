"""An MLflow backend database of any size, with the shape of a busy team's."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import uuid
from pathlib import Path

METRICS, PARAMS = 10, 10


def fill(database: Path, runs: int) -> None:
    """Add runs with metrics, parameters and tags to a database that MLflow made."""
    chance = random.Random(1)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        experiment = int(
            connection.execute("SELECT min(experiment_id) FROM experiments").fetchone()[
                0
            ]
        )
        for start in range(0, runs, 5_000):
            ids = [
                uuid.UUID(int=chance.getrandbits(128)).hex
                for _ in range(min(5_000, runs - start))
            ]
            _insert(connection, experiment, ids, chance)
            connection.commit()


def _insert(
    connection: sqlite3.Connection,
    experiment: int,
    ids: list[str],
    chance: random.Random,
) -> None:
    moment = 1_700_000_000_000
    connection.executemany(
        "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, "
        "end_time, lifecycle_stage, artifact_uri, experiment_id) VALUES "
        "(?, ?, 'LOCAL', 'ana', 'FINISHED', ?, ?, 'active', '', ?)",
        [(run, f"run-{run[:6]}", moment, moment + 1, experiment) for run in ids],
    )
    connection.executemany(
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
        "VALUES (?, ?, ?, 0, 0, ?)",
        [
            (f"metric-{n}", chance.random(), moment, run)
            for run in ids
            for n in range(METRICS)
        ],
    )
    connection.executemany(
        "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
        [
            (f"param-{n}", str(chance.random()), run)
            for run in ids
            for n in range(PARAMS)
        ],
    )
    connection.executemany(
        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
        [("mlflow.user", "ana", run) for run in ids]
        + [("countersign.git.commit", f"{int(run[:8], 16):040x}", run) for run in ids],
    )
