"""The engine for a database server; each is imported when it is asked for."""

from __future__ import annotations

from connectors.mlflow.database_address import DatabaseAddress, DatabaseKind
from connectors.mlflow.engines import Engine


def open_engine(at: DatabaseAddress) -> Engine:
    """What reads the database at an address; nothing is connected yet."""
    if at.kind is DatabaseKind.POSTGRES:
        from connectors.mlflow.postgres_engine import PostgresEngine

        return PostgresEngine(at)
    from connectors.mlflow.mysql_engine import MysqlEngine

    return MysqlEngine(at)
