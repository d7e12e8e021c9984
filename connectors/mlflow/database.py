"""MLflow's backend database, read directly: any engine, any schema that is known.

Runs come in bulk; what only an engine's loose typing allows is read row by row, a few
thousand runs at a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import MalformedInput
from connectors.mlflow.columns import RunColumns
from connectors.mlflow.engines import Engine
from connectors.mlflow.rows import (
    DatasetInputRow,
    ExperimentRow,
    MetricRow,
    ModelRow,
    RunRow,
    VersionRow,
    qualified,
)
from connectors.mlflow.schema import check_schema
from connectors.mlflow.sqlite_engine import SqliteEngine
from connectors.protocols import PartMemory

if TYPE_CHECKING:
    import pyarrow as pa

_RUNS_AT_ONCE = 5_000
_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})/?")
_OF_RUN = re.compile(r"runs:/([0-9a-f]{32})/(.+)")


class MlflowDatabase:
    """One backend database. Every column is read as text or number by CAST."""

    def __init__(self, at: Path | Engine) -> None:
        self._engine: Engine = SqliteEngine(at) if isinstance(at, Path) else at
        self._columns: dict[str, set[str]] = {}

    def check(self) -> None:
        """Say at once whether this is an MLflow database that can be read.

        Raises:
            MalformedInput: it is no database, or not MLflow's.
            ConnectorRefused: its schema is not known, or lacks what is read here.
        """
        with self.moment():
            self._check()

    def _check(self) -> None:
        if not self._columns_of("alembic_version"):
            raise MalformedInput(
                f"{self._engine.place} is a database, but not MLflow's",
                hint=self._engine.not_mlflow_hint,
            )
        heads = {str(row[0]) for row in self._all(_HEADS)}
        check_schema(
            self._engine.place,
            heads,
            self._columns_of,
            lacking_hint=self._engine.lacking_hint,
        )

    def moment(self) -> AbstractContextManager[None]:
        """What is read within is of one moment, where the engine can do so."""
        return self._engine.moment()

    def experiments(self) -> Iterator[ExperimentRow]:
        """See MlflowReader."""
        number, name = self._digits("experiment_id"), self._text("name")
        for row in self._all(f"SELECT {number}, {name} FROM experiments"):
            yield ExperimentRow(row[0] or "", row[1] or "")

    def runs(self) -> Iterator[RunRow]:
        """See MlflowReader."""
        name = self._text("name") if "name" in self._columns_of("runs") else "''"
        texts = ("user_id", "status", "lifecycle_stage", "artifact_uri")
        user, status, lifecycle, location = map(self._text, texts)
        select_runs = (
            f"SELECT run_uuid, {self._digits('experiment_id')}, {name}, "
            f"{user}, {status}, start_time, end_time, {lifecycle}, {location} "
            "FROM runs WHERE run_uuid > ? ORDER BY run_uuid LIMIT ?"
        )
        between = "WHERE run_uuid > ? AND run_uuid <= ?"
        key = self._text("key")
        named = f"SELECT run_uuid, {key}, {self._text('value')} FROM"
        select_metrics = (
            f'SELECT run_uuid, {key}, "value", "timestamp", step, is_nan '
            f"FROM latest_metrics {between}"
        )
        has_inputs = bool(self._columns_of("inputs"))
        last = ""
        while True:
            with self._engine.reading() as read:
                runs = read(select_runs, last, _RUNS_AT_ONCE)
                if not runs:
                    return
                span = (last, runs[-1][0])
                params = _grouped(read(f"{named} params {between}", *span))
                tags = _grouped(read(f"{named} tags {between}", *span))
                metrics = _grouped(read(select_metrics, *span))
                inputs = _grouped(read(self._inputs(), *span)) if has_inputs else {}
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
                    params=[(r[1] or "", r[2] or "") for r in params.get(found, ())],
                    metrics=[_metric(r) for r in metrics.get(found, ())],
                    tags={r[1] or "": r[2] or "" for r in tags.get(found, ())},
                    inputs=[_input(r) for r in inputs.get(found, ())],
                )

    def run_tables(
        self, source: str, memory: PartMemory
    ) -> Iterator[tuple[pa.Table, int]]:
        """See BulkReader."""
        from connectors.mlflow.bulk_runs import tell_runs

        columns = RunColumns(self._engine.dialect)
        return tell_runs(source, self._engine, columns, self._columns_of, memory)

    def models(self) -> Iterator[ModelRow]:
        """See MlflowReader."""
        if not self._columns_of("registered_models"):
            return
        version, value = self._digits("version"), self._text("value")
        aliases = self._of_models("registered_model_aliases", "alias", version)
        tags = self._of_models("registered_model_tags", "key", value)
        for row in self._all(
            f"SELECT {self._workspace_of('registered_models')}, {self._text('name')}, "
            f"{self._text('description')} FROM registered_models"
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
        columns = self._columns_of("model_versions")
        if not columns:
            return
        number, value = self._digits("version"), self._text("value")
        tags = self._of_models("model_version_tags", "key", value, number)
        has_storage = "storage_location" in columns
        storage = self._text("storage_location") if has_storage else "NULL"
        texts = ("name", "status", "current_stage", "source", "run_id")
        named, status, stage, source, run = map(self._text, texts)
        for row in self._all(
            f"SELECT {self._workspace_of('model_versions')}, {named}, {number}, "
            f"creation_time, {status}, {stage}, {source}, {storage}, {run} "
            "FROM model_versions"
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
        for row in self._all(
            f"SELECT {self._workspace_of(table)}, {self._text('name')}, "
            f"{version or 'NULL'}, {self._text(name)}, {value} FROM {table}"
        ):
            owner = qualified(row[1] or "", row[0] or "")
            owner = f"{owner}@{row[2]}" if version else owner
            found.setdefault(owner, {})[row[3] or ""] = row[4] or ""
        return found

    def _workspace_of(self, table: str) -> str:
        has_one = "workspace" in self._columns_of(table)
        return self._text("workspace") if has_one else "''"

    def _inputs(self) -> str:
        columns = (
            "d.name",
            "d.digest",
            "d.dataset_source",
            "d.dataset_schema",
            "t.value",
        )
        texts = ", ".join(map(self._engine.dialect.text.format, columns))
        return (
            f"SELECT i.destination_id, {texts} FROM inputs i "
            "JOIN datasets d ON d.dataset_uuid = i.source_id "
            "LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid "
            "AND t.name = 'mlflow.data.context' "
            "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' "
            "AND i.destination_id > ? AND i.destination_id <= ?"
        )

    def _text(self, column: str) -> str:
        return self._engine.dialect.text.format(f'"{column}"')

    def _digits(self, column: str) -> str:
        return self._engine.dialect.digits.format(f'"{column}"')

    def _columns_of(self, table: str) -> set[str]:
        if table not in self._columns:
            self._columns[table] = self._engine.columns_of(table)
        return self._columns[table]

    def _all(self, query: str, *values: str) -> list[Any]:
        with self._engine.reading() as read:
            return read(query, *values)


_HEADS = "SELECT version_num FROM alembic_version"


def _grouped(rows: Iterable[Any]) -> dict[str, list[Any]]:
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
