"""MLflow's tables as its own migrations make them at any revision, filled by SQL."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from connectors.mlflow.database_address import read_address
from connectors.mlflow.engines import Engine
from connectors.mlflow.servers import open_engine
from connectors.mlflow.sqlite_engine import SqliteEngine
from tests.contract.database_servers import DatabaseServer

Place = Path | DatabaseServer
"""A SQLite file, or a server."""
Value = str | int | float | bool | None
Rows = Mapping[str, Sequence[Mapping[str, Value]]]
"""Rows by their tables; columns that a revision does not know are left out."""
_MAKE = """
import sys
from alembic import command
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base
from sqlalchemy import create_engine

for pair in sys.argv[1:]:
    revision, _, address = pair.partition("=")
    engine = create_engine(address)
    Base.metadata.create_all(engine)
    config = _get_alembic_config(address)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
"""


def make_schema(python: str, place: Place, revision: str = "heads") -> None:
    """Run MLflow's migrations on an empty database, up to a revision."""
    make_schemas(python, {place: revision})


def make_schemas(python: str, places: Mapping[Place, str]) -> None:
    """The same for many: importing MLflow takes longer than migrating."""
    pairs = [f"{revision}={_address(place)}" for place, revision in places.items()]
    done = subprocess.run(
        [python, "-c", _MAKE, *pairs],
        capture_output=True,
        timeout=300,
        check=False,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]


def _address(place: Place) -> str:
    return f"sqlite:///{place}" if isinstance(place, Path) else place.for_mlflow


def engine_of(place: Place) -> Engine:
    """What reads a place."""
    if isinstance(place, Path):
        return SqliteEngine(place)
    return open_engine(read_address(place.address(), {}))


def fill(place: Place, rows: Rows) -> None:
    """Insert rows, table by table."""
    engine = engine_of(place)
    kind = "sqlite" if isinstance(place, Path) else place.scheme
    statements = []
    for table, told in rows.items():
        known = engine.columns_of(table)
        for row in told if known else ():
            kept = {name: value for name, value in row.items() if name in known}
            names = ", ".join(_name(name, kind) for name in kept)
            values = ", ".join(_literal(value, kind) for value in kept.values())
            statements.append(f"INSERT INTO {table} ({names}) VALUES ({values});")
    change(place, "\n".join(statements))


def change(place: Place, statements: str) -> None:
    """Run statements as whoever may do anything."""
    if isinstance(place, DatabaseServer):
        place.execute(statements)
        return
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.executescript(statements)


def _name(name: str, kind: str) -> str:
    return f"`{name}`" if kind == "mysql" else f'"{name}"'


def _literal(value: Value, kind: str) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper() if kind == "postgresql" else str(int(value))
    if isinstance(value, (int, float)):
        return repr(value)
    code = value.encode().hex()
    return {
        "sqlite": f"CAST(X'{code}' AS TEXT)",
        "mysql": f"CONVERT(X'{code}' USING utf8mb4)",
        "postgresql": f"convert_from('\\x{code}', 'UTF8')",
    }[kind]
