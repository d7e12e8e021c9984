"""All runs of a backend database as tables of facts, in bulk.

Tables are read one after the other, runs last, so nothing is told of a run that is not.
What was logged between two readings comes with the next import.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Protocol

from connectors.mlflow.bulk_telling import BulkTelling
from connectors.mlflow.columns import HAS_RUN, RunColumns

if TYPE_CHECKING:
    import pyarrow as pa

ColumnsOf = Callable[[str], Collection[str]]


class Parts(Protocol):
    """What reads tables part by part; see Engine."""

    def parts(
        self, table: str, columns: str, where: str = "true"
    ) -> Iterator[pa.Table]:
        """The rows of a table, in columns of one type each."""
        ...


def tell_runs(
    source: str, reader: Parts, columns: RunColumns, columns_of: ColumnsOf
) -> Iterator[tuple[pa.Table, int]]:
    """Facts of all runs, and how many runs each table tells first.

    Rows that name a run that is not there are told too; MLflow keeps none.

    Raises:
        UnusualValue: only the reader that goes row by row gets this right.
        ConnectorUnavailable: the file cannot be read now.
    """
    run = columns.run(columns_of("runs"))
    with BulkTelling(source) as telling:
        for part in reader.parts("params", columns.named(), HAS_RUN):
            yield telling.params(part), 0
        for part in reader.parts("latest_metrics", columns.metric(), HAS_RUN):
            yield telling.metrics(part), 0
        for part in reader.parts("tags", columns.named(), HAS_RUN):
            for table in telling.tags(part):
                yield table, 0
        if columns_of("inputs"):
            for part in reader.parts("datasets", columns.dataset()):
                telling.datasets(part)
            for part in reader.parts("inputs", columns.input()):
                telling.inputs(part)
        for part in reader.parts("runs", run, HAS_RUN):
            told, gone = telling.runs(part)
            yield told, part.num_rows
            yield gone, 0
        for table in telling.links():
            yield table, 0
