"""Real peers for the contract tests; each is skipped where it cannot be started."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.contract.mlflow_server import Server, running, seed
from tests.contract.s3_places import S3Place, moto_place


def mlflow_python() -> str:
    """The Python that has MLflow; without one the test is skipped."""
    python = os.environ.get("COUNTERSIGN_MLFLOW_PYTHON", "")
    if not python:
        pytest.skip("peer: COUNTERSIGN_MLFLOW_PYTHON names no Python with MLflow")
    return python


@pytest.fixture(scope="module")
def mlflow_server() -> Iterator[Server]:
    """A seeded MLflow server with a SQLite backend."""
    with running(mlflow_python(), backend="sqlite") as server:
        seed(server)
        yield server


@pytest.fixture(scope="module")
def mlflow_file_server() -> Iterator[Server]:
    """A seeded MLflow server with the old file store."""
    with running(mlflow_python(), backend="file") as server:
        seed(server)
        yield server


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Place]:
    """Moto's S3 server with one bucket."""
    with moto_place(tmp_path_factory.mktemp("moto")) as place:
        yield place
