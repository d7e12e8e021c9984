"""All runs of a SQLite backend database as tables of facts, in bulk.

Tables are read one after the other, runs last, so nothing is told of a run that is not.
What was logged between two readings comes with the next import.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.mlflow.bulk_memory import KnownParts
from connectors.mlflow.bulk_reading import DatabaseParts
from connectors.mlflow.bulk_telling import BulkTelling
from connectors.protocols import PartMemory

if TYPE_CHECKING:
    import pyarrow as pa


def _text(column: str, name: str) -> str:
    return f"coalesce(CAST({column} AS TEXT), '') AS \"{name}\""


def _whole(column: str, name: str) -> str:
    return f"CASE WHEN typeof({column}) = 'integer' THEN {column} END AS \"{name}\""


_DATASETS_AT_ONCE = 4_096
"""Few, since every run that read one of a changed part is told again."""
_OWN = _text("run_uuid", "run")
_IS_ODD = "typeof(run_uuid) <> 'text'"
_HAS_RUN = "run_uuid <> ''"
_NAMED = f"{_OWN}, {_text('key', 'key')}, {_text('value', 'value')}, {_IS_ODD} AS odd"
_METRIC = (
    f"{_OWN}, {_text('key', 'key')}, coalesce(CAST(value AS REAL), 0.0) AS value, "
    f"{_whole('timestamp', 'ms')}, {_whole('step', 'step')}, "
    "coalesce(is_nan, 0) <> 0 AS is_nan, (typeof(value) NOT IN ('real', 'integer') "
    f"AND NOT coalesce(is_nan, 0)) OR {_IS_ODD} AS odd"
)
_DATASET = ", ".join(
    (
        _text("dataset_uuid", "id"),
        _text("name", "name"),
        _text("digest", "digest"),
        _text("dataset_source", "location"),
        _text("dataset_schema", "schema"),
    )
)
_INPUT = (
    "CASE WHEN source_type = 'DATASET' AND destination_type = 'RUN' "
    "THEN CAST(destination_id AS TEXT) ELSE '' END AS run, "
    f"{_text('source_id', 'dataset')}, coalesce((SELECT CAST(t.value AS TEXT) "
    "FROM input_tags t WHERE t.input_uuid = inputs.input_uuid "
    "AND t.name = 'mlflow.data.context'), '') AS context"
)


def tell_runs(
    source: str,
    path: Path,
    columns_of: Callable[[str], Collection[str]],
    memory: PartMemory,
) -> Iterator[tuple[pa.Table, int]]:
    """Facts of all runs, and how many runs each table tells first.

    Rows that name a run that is not there are told too; MLflow keeps none. Parts of
    tables that are as they were when their facts were told are read and not told.

    Raises:
        UnusualValue: only the reader that goes row by row gets this right.
        ConnectorUnavailable: the file cannot be read now.
    """
    reader = DatabaseParts(path)
    columns = _run_columns(columns_of("runs"))
    parts = KnownParts(source, reader, memory)
    with BulkTelling(source) as telling:
        for part, _ in parts.changed("params", _NAMED, _HAS_RUN):
            yield telling.params(part), 0
        for part, _ in parts.changed("latest_metrics", _METRIC, _HAS_RUN):
            yield telling.metrics(part), 0
        for part, is_told in parts.all("tags", _NAMED, _HAS_RUN):
            telling.remember_tags(part, is_told=is_told)
            if not is_told:
                for table in telling.tags(part):
                    yield table, 0
        if columns_of("inputs"):
            datasets = parts.all("datasets", _DATASET, most_rows=_DATASETS_AT_ONCE)
            for part, is_told in datasets:
                telling.datasets(part, is_told=is_told)
            for part, is_told in parts.all("inputs", _INPUT):
                telling.inputs(part, is_told=is_told)
        for part, is_told in parts.all("runs", columns, _HAS_RUN):
            count = part.num_rows
            for table in telling.runs(part, is_told=is_told):
                yield table, count
                count = 0
        for table in telling.links():
            yield table, 0


def _run_columns(there: Collection[str]) -> str:
    return ", ".join(
        (
            _OWN,
            f"{_IS_ODD} AS odd",
            _text("experiment_id", "experiment"),
            _text("name", "name") if "name" in there else "'' AS name",
            _text("user_id", "user"),
            _text("status", "status"),
            _whole("start_time", "start_ms"),
            _whole("end_time", "end_ms"),
            _text("lifecycle_stage", "lifecycle"),
            _text("artifact_uri", "location"),
        )
    )
