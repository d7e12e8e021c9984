"""All runs of a backend database as tables of facts, in bulk.

Tables are read one after the other, runs last, so nothing is told of a run that is not.
What was logged between two readings comes with the next import.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from connectors.mlflow.bulk_memory import KnownParts, Parts
from connectors.mlflow.bulk_telling import BulkTelling
from connectors.mlflow.columns import HAS_RUN, RunColumns
from connectors.protocols import PartMemory

if TYPE_CHECKING:
    import pyarrow as pa

ColumnsOf = Callable[[str], Collection[str]]
_DATASETS_AT_ONCE = 4_096
"""Few, since every run that read one of a changed part is told again."""


def tell_runs(
    source: str,
    reader: Parts,
    columns: RunColumns,
    columns_of: ColumnsOf,
    memory: PartMemory,
) -> Iterator[tuple[pa.Table, int]]:
    """Facts of all runs, and how many runs each table tells first.

    Rows that name a run that is not there are told too; MLflow keeps none. Parts of
    tables that are as they were when their facts were told are read and not told.

    Raises:
        UnusualValue: only the reader that goes row by row gets this right.
        ConnectorUnavailable: the file cannot be read now.
    """
    parts, run = KnownParts(source, reader, memory), columns.run(columns_of("runs"))
    with BulkTelling(source) as telling:
        for part, _ in parts.changed("params", columns.named(), HAS_RUN):
            yield telling.params(part), 0
        for part, _ in parts.changed("latest_metrics", columns.metric(), HAS_RUN):
            yield telling.metrics(part), 0
        for part, is_told in parts.all("tags", columns.named(), HAS_RUN):
            telling.remember_tags(part, is_told=is_told)
            if not is_told:
                for table in telling.tags(part):
                    yield table, 0
        if columns_of("inputs"):
            datasets = parts.all(
                "datasets", columns.dataset(), most_rows=_DATASETS_AT_ONCE
            )
            for part, is_told in datasets:
                telling.datasets(part, is_told=is_told)
            for part, is_told in parts.all("inputs", columns.input()):
                telling.inputs(part, is_told=is_told)
        for part, is_told in parts.all("runs", run, HAS_RUN):
            count = part.num_rows
            for table in telling.runs(part, is_told=is_told):
                yield table, count
                count = 0
        for table in telling.links():
            yield table, 0
