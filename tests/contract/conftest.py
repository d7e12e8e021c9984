"""Real peers for the contract tests; each is skipped where it cannot be started."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.contract.mlflow_server import Server, running, seed


def _python() -> str:
    python = os.environ.get("COUNTERSIGN_MLFLOW_PYTHON", "")
    if not python:
        pytest.skip("peer: COUNTERSIGN_MLFLOW_PYTHON names no Python with MLflow")
    return python


@pytest.fixture(scope="module")
def mlflow_server() -> Iterator[Server]:
    """A seeded MLflow server with a SQLite backend."""
    with running(_python(), backend="sqlite") as server:
        seed(server)
        yield server


@pytest.fixture(scope="module")
def mlflow_file_server() -> Iterator[Server]:
    """A seeded MLflow server with the old file store."""
    with running(_python(), backend="file") as server:
        seed(server)
        yield server
