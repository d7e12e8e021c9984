"""A made-up history of any size, put straight into a projection: what graph rows ask.

Projects of some hundred runs read shared datasets and what their own earlier runs
wrote, use commits, write dataset versions and produce model versions; pipeline runs
contain them, and a few pipeline runs contain a hundred thousand.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from store.projection.connection import create_projection

if TYPE_CHECKING:
    import duckdb

PROJECT = 330
"""Runs of a project: what is upstream of its last one is some hundred things."""
_RECENT = 12
_SHARED = 400
_EDGES_OF_A_RUN = 5.8
"""A run reads two or three versions, uses a commit, writes one, has a parent, and
every third one produces a model version."""
_HUB_RUNS = 2_000_000
"""Every twentieth of so many runs is contained in one pipeline run."""

_RUN = "'run:mlflow/' || md5('run ' || ({}))"
_WRITTEN = (
    "'dataset-version:features-' || ({0}) // 330 || '/sha256%3A' || "
    "sha256('data ' || ({0}))"
)
_RAW = "'dataset-version:raw-' || ({0}) || '/sha256%3A' || sha256('raw ' || ({0}))"
_COMMIT = "'commit:' || substr(sha256('commit ' || ({})), 1, 40)"
_VERSION = "'model-version:mlflow/model-' || ({0}) // 330 || '/' || ({0}) % 330"
_PIPELINE = "'run:kubeflow/' || md5('pipeline ' || ({}))"
_STARTED = "TIMESTAMP '2024-01-01' + to_seconds(i * 30)"


@dataclass(frozen=True, slots=True)
class MadeHistory:
    """What is in it, and where the questions begin."""

    runs: int
    edges: int
    last_version: str
    """Key of a model version with some hundred things upstream."""
    everything: str
    """Key of a dataset version from which most things came."""


def make_history(path: Path, edges: int, *, entries: int, root: str) -> MadeHistory:
    """Write a projection with about so many edges, told by the entries of a log."""
    import duckdb

    path.unlink(missing_ok=True)
    create_projection(path)
    runs = max(PROJECT, round(edges / _EDGES_OF_A_RUN) // PROJECT * PROJECT)
    with duckdb.connect(str(path), config={"memory_limit": "2GB"}) as connection:
        connection.execute(
            f"CREATE TEMP TABLE made AS SELECT i, i % {PROJECT} AS j, "
            f"(i * {entries} // {runs})::BIGINT AS entry FROM range({runs}) AS t(i)"
        )
        _insert_links(connection)
        _insert_things(connection)
        connection.execute("UPDATE state SET applied = ?, root = ?", [entries, root])
        connection.execute(
            "INSERT INTO heard SELECT i, 'mlflow', TIMESTAMP '2026-01-01' "
            "FROM range(?) t(i)",
            [entries],
        )
        row = connection.execute("SELECT count(*) FROM edge_rows").fetchone()
    return MadeHistory(
        runs=runs,
        edges=int(row[0]) if row else 0,
        last_version=f"model-version:mlflow/model-{runs // PROJECT // 2}/{PROJECT - 3}",
        everything=f"dataset-version:raw-0/sha256%3A{_sha256('raw 0')}",
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _insert_links(connection: duckdb.DuckDBPyConnection) -> None:
    run = _RUN.format("i")
    recent = _WRITTEN.format(f"i - 1 - (hash(i, 1) % least(j, {_RECENT}))::BIGINT")
    another = _WRITTEN.format(f"i - 1 - (hash(i, 2) % least(j, {_RECENT}))::BIGINT")
    raw = _RAW.format(f"CASE WHEN j = 0 THEN 0 ELSE hash(i) % {_SHARED} END")
    parent = _PIPELINE.format(
        f"CASE WHEN i % 20 = 0 THEN 'hub ' || i // {_HUB_RUNS} ELSE 'p' || i // 12 END"
    )
    for subject, relation, object_, condition, context in (
        (run, "read", raw, "j = 0 OR i % 2 = 0", "'training'"),
        (run, "read", recent, "j > 0", "'training'"),
        (run, "read", another, "j > 1", "'evaluation'"),
        (run, "used", _COMMIT.format("i // 7"), "true", "NULL"),
        (run, "wrote", _WRITTEN.format("i"), "true", "NULL"),
        (run, "produced", _VERSION.format("i"), "i % 3 = 0", "NULL"),
        (parent, "contains", run, "true", "NULL"),
    ):
        connection.execute(
            "INSERT INTO edge_rows (entry_index, fact_hash, source, subject, object, "
            "name, text, status, actor, digest, location, strength, replaces) "
            f"SELECT entry, (hash({subject}, {object_}, {context}) >> 1)::BIGINT, "
            f"'mlflow', {subject}, {object_}, '{relation}', {context}, "
            "'', '', '', '', 'observed', '' "
            f"FROM made WHERE {condition}"
        )


def _insert_things(connection: duckdb.DuckDBPyConnection) -> None:
    for table, key, name, digest, started, condition in (
        ("run", _RUN.format("i"), "'train ' || i % 1000", "''", _STARTED, "true"),
        (
            "run",
            _PIPELINE.format("'p' || i // 12"),
            "'nightly ' || i // 12",
            "''",
            _STARTED,
            "i % 12 = 0",
        ),
        (
            "dataset_version",
            _WRITTEN.format("i"),
            f"'features-' || i // {PROJECT}",
            "'sha256:' || sha256('data ' || i)",
            "NULL",
            "true",
        ),
        (
            "dataset_version",
            _RAW.format("i"),
            "'raw-' || i",
            "'sha256:' || sha256('raw ' || i)",
            "NULL",
            f"i < {_SHARED}",
        ),
        (
            "commit",
            _COMMIT.format("i // 7"),
            "'commit number ' || i // 7",
            "substr(sha256('commit ' || i // 7), 1, 40)",
            _STARTED,
            "i % 7 = 0",
        ),
        (
            "model_version",
            _VERSION.format("i"),
            f"(i % {PROJECT})::VARCHAR",
            "''",
            _STARTED,
            "i % 3 = 0",
        ),
    ):
        model = f"'model:mlflow/model-' || i // {PROJECT}"
        object_ = model if table == "model_version" else "''"
        connection.execute(
            f"INSERT INTO {table}_rows (entry_index, fact_hash, source, subject, "
            "object, name, status, started, actor, digest, location, strength, "
            "replaces) "
            f"SELECT entry, (hash({key}, '{table}') >> 1)::BIGINT, 'mlflow', "
            f"{key}, {object_}, {name}, '', {started}, '', {digest}, '', '', '' "
            f"FROM made WHERE {condition}"
        )
