"""MLflow's backend database, read directly: SQLite, read-only, any recent schema.

Runs are read a few thousand at a time, each time in one short read transaction, so a
server that writes to the same file is never kept waiting for long.
"""

from __future__ import annotations

import contextlib
import math
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.mlflow.bulk_reading import one_library
from connectors.mlflow.rows import (
    DatasetInputRow,
    ExperimentRow,
    MetricRow,
    ModelRow,
    RunRow,
    VersionRow,
    qualified,
)
from connectors.protocols import PartMemory

if TYPE_CHECKING:
    import pyarrow as pa

KNOWN_HEADS = frozenset({"dc11669786a5"})
"""Revisions of MLflow's schema that this module was tested with."""
_RUNS_AT_ONCE = 5_000
_BUSY_SECONDS = 10
_TRANSIENT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
}
_NEEDED = {
    "experiments": {"experiment_id", "name"},
    "runs": {"run_uuid", "status", "start_time", "end_time", "experiment_id"},
    "tags": {"key", "value", "run_uuid"},
    "params": {"key", "value", "run_uuid"},
    "latest_metrics": {"key", "value", "timestamp", "step", "is_nan", "run_uuid"},
    "registered_models": {"name"},
    "model_versions": {"name", "version", "source", "run_id", "current_stage"},
}
_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})/?")
_OF_RUN = re.compile(r"runs:/([0-9a-f]{32})/(.+)")


class MlflowDatabase:
    """One SQLite backend database. Every column is read as text or number by CAST."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: dict[str, set[str]] = {}

    def check(self) -> None:
        """Say at once whether this is an MLflow database that can be read.

        Raises:
            MalformedInput: it is no database, or not MLflow's.
            ConnectorRefused: its schema lacks what is read here.
        """
        if not self._columns_of("alembic_version"):
            raise MalformedInput(
                f"{self._path} is a database, but not MLflow's",
                hint="Give the file of --backend-store-uri, such as mlflow.db.",
            )
        heads = {
            str(row[0]) for row in self._all("SELECT version_num FROM alembic_version")
        }
        for table, columns in _NEEDED.items():
            missing = columns - self._columns_of(table)
            if missing:
                known = "known" if heads <= KNOWN_HEADS else "unknown"
                raise ConnectorRefused(
                    f"{self._path}: table {table} lacks {', '.join(sorted(missing))} "
                    f"({known} schema {', '.join(sorted(heads))[:80]})",
                    hint="Import over REST instead: countersign import http://SERVER",
                )

    def experiments(self) -> Iterator[ExperimentRow]:
        """See MlflowReader."""
        for row in self._all(
            "SELECT CAST(experiment_id AS TEXT), CAST(name AS TEXT) FROM experiments"
        ):
            yield ExperimentRow(row[0] or "", row[1] or "")

    def runs(self) -> Iterator[RunRow]:
        """See MlflowReader."""
        name = "CAST(name AS TEXT)" if "name" in self._columns_of("runs") else "''"
        select_runs = (
            f"SELECT run_uuid, CAST(experiment_id AS TEXT), {name}, "
            "CAST(user_id AS TEXT), CAST(status AS TEXT), start_time, end_time, "
            "CAST(lifecycle_stage AS TEXT), CAST(artifact_uri AS TEXT) FROM runs "
            "WHERE run_uuid > ? ORDER BY run_uuid LIMIT ?"
        )
        between = "WHERE run_uuid > ? AND run_uuid <= ?"
        texts = "SELECT run_uuid, CAST(key AS TEXT), CAST(value AS TEXT) FROM"
        has_inputs = bool(self._columns_of("inputs"))
        last = ""
        with self._connected() as connection:
            while True:
                with self._snapshot(connection):
                    read = connection.execute
                    runs = read(select_runs, (last, _RUNS_AT_ONCE)).fetchall()
                    if not runs:
                        return
                    span = (last, runs[-1][0])
                    params = _grouped(read(f"{texts} params {between}", span))
                    tags = _grouped(read(f"{texts} tags {between}", span))
                    metrics = _grouped(
                        read(
                            "SELECT run_uuid, CAST(key AS TEXT), value, timestamp, "
                            f"step, is_nan FROM latest_metrics {between}",
                            span,
                        )
                    )
                    inputs = _grouped(read(_INPUTS, span)) if has_inputs else {}
                last = runs[-1][0]
                for row in runs:
                    found = row[0]
                    yield RunRow(
                        id=str(found),
                        experiment_id=row[1] or "",
                        name=row[2] or "",
                        user=row[3] or "",
                        status=row[4] or "",
                        start_ms=_integer(row[5]),
                        end_ms=_integer(row[6]),
                        lifecycle=row[7] or "",
                        artifact_uri=row[8] or "",
                        params=[
                            (r[1] or "", r[2] or "") for r in params.get(found, ())
                        ],
                        metrics=[_metric(r) for r in metrics.get(found, ())],
                        tags={r[1] or "": r[2] or "" for r in tags.get(found, ())},
                        inputs=[_input(r) for r in inputs.get(found, ())],
                    )

    def run_tables(
        self, source: str, memory: PartMemory
    ) -> Iterator[tuple[pa.Table, int]]:
        """See BulkReader."""
        from connectors.mlflow.bulk_runs import tell_runs

        return tell_runs(source, self._path, self._columns_of, memory)

    def models(self) -> Iterator[ModelRow]:
        """See MlflowReader."""
        aliases = self._of_models("registered_model_aliases", "alias", "version")
        tags = self._of_models("registered_model_tags", "key", "value")
        for row in self._all(
            f"SELECT {self._workspace_of('registered_models')}, CAST(name AS TEXT), "
            "CAST(description AS TEXT) FROM registered_models"
        ):
            name = qualified(row[1] or "", row[0] or "")
            yield ModelRow(
                name=name,
                description=row[2] or "",
                aliases=aliases.get(name, {}),
                tags=tags.get(name, {}),
            )

    def versions(self) -> Iterator[VersionRow]:
        """See MlflowReader."""
        tags = self._of_models("model_version_tags", "key", "value", "version")
        has_storage = "storage_location" in self._columns_of("model_versions")
        storage = "CAST(storage_location AS TEXT)" if has_storage else "NULL"
        for row in self._all(
            f"SELECT {self._workspace_of('model_versions')}, CAST(name AS TEXT), "
            "CAST(version AS TEXT), creation_time, CAST(status AS TEXT), "
            f"CAST(current_stage AS TEXT), CAST(source AS TEXT), {storage}, "
            "CAST(run_id AS TEXT) FROM model_versions"
        ):
            name = qualified(row[1] or "", row[0] or "")
            is_deleted = row[5] == "Deleted_Internal"
            yield VersionRow(
                name=name,
                version=row[2] or "",
                created_ms=_integer(row[3]),
                status=row[4] or "",
                stage=row[5] or "",
                location="" if is_deleted else row[7] or self._located(row[6] or ""),
                run_id=row[8] or "",
                tags=tags.get(f"{name}@{row[2]}", {}),
                is_deleted=is_deleted,
            )

    def _located(self, source: str) -> str:
        """Where a source lies that older servers stored as it was given."""
        logged, of_run = _LOGGED_MODEL.fullmatch(source), _OF_RUN.fullmatch(source)
        if logged and self._columns_of("logged_models"):
            query = "SELECT artifact_location FROM logged_models WHERE model_id = ?"
            rows = self._all(query, logged[1])
            return str(rows[0][0]) if rows else source
        if of_run:
            query = "SELECT artifact_uri FROM runs WHERE run_uuid = ?"
            rows = self._all(query, of_run[1])
            return f"{rows[0][0]}/{of_run[2]}" if rows else source
        return source

    def _of_models(
        self, table: str, name: str, value: str, version: str = ""
    ) -> dict[str, dict[str, str]]:
        """Names and values by model, or by `model@version`."""
        found: dict[str, dict[str, str]] = {}
        if not self._columns_of(table):
            return found
        at = f"CAST({version} AS TEXT)" if version else "NULL"
        for row in self._all(
            f"SELECT {self._workspace_of(table)}, CAST(name AS TEXT), {at}, "
            f"CAST({name} AS TEXT), CAST({value} AS TEXT) FROM {table}"
        ):
            owner = qualified(row[1] or "", row[0] or "")
            owner = f"{owner}@{row[2]}" if version else owner
            found.setdefault(owner, {})[row[3] or ""] = row[4] or ""
        return found

    def _workspace_of(self, table: str) -> str:
        has_one = "workspace" in self._columns_of(table)
        return "CAST(workspace AS TEXT)" if has_one else "''"

    def _columns_of(self, table: str) -> set[str]:
        if table not in self._columns:
            rows = self._all(
                "SELECT c.name FROM sqlite_master m, pragma_table_info(m.name) c "
                "WHERE m.type = 'table' AND m.name = ?",
                table,
            )
            self._columns[table] = {str(row[0]) for row in rows}
        return self._columns[table]

    def _all(self, query: str, *values: str) -> list[Any]:
        with self._connected() as connection, self._snapshot(connection):
            return connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        uri = f"{self._path.resolve().as_uri()}?mode=ro"
        with self._problems():
            connection = sqlite3.connect(
                uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None
            )
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            yield connection
        finally:
            with one_library:
                connection.close()

    @contextlib.contextmanager
    def _snapshot(self, connection: sqlite3.Connection) -> Iterator[None]:
        """What is read within is of one moment."""
        with one_library, self._problems():
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")
            yield
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as cause:
            code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
            if code in _TRANSIENT:
                raise ConnectorUnavailable(
                    f"cannot read {self._path}: {cause}",
                    hint="Check that the file is there and may be read.",
                ) from cause
            raise MalformedInput(
                f"{self._path} is damaged or no SQLite database: {cause}",
                hint="Check it: sqlite3 FILE 'PRAGMA integrity_check'",
            ) from cause


_INPUTS = (
    "SELECT i.destination_id, CAST(d.name AS TEXT), CAST(d.digest AS TEXT), "
    "CAST(d.dataset_source AS TEXT), CAST(d.dataset_schema AS TEXT), "
    "CAST(t.value AS TEXT) FROM inputs i "
    "JOIN datasets d ON d.dataset_uuid = i.source_id "
    "LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid "
    "AND t.name = 'mlflow.data.context' "
    "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' "
    "AND i.destination_id > ? AND i.destination_id <= ?"
)


def _grouped(rows: sqlite3.Cursor) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        key = row[0]
        if key in found:
            found[key].append(row)
        else:
            found[key] = [row]
    return found


def _metric(row: Any) -> MetricRow:
    value = math.nan if row[5] else float(row[2])
    return MetricRow(row[1] or "", value, _integer(row[3]), _integer(row[4]))


def _input(row: Any) -> DatasetInputRow:
    return DatasetInputRow(
        row[1] or "", row[2] or "", row[3] or "", row[4] or "", row[5] or ""
    )


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) else None
