"""What MLflow holds, as plain rows: the same from every route."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from connectors.protocols import PartMemory

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class ExperimentRow:
    """An experiment."""

    id: str
    name: str


@dataclass(slots=True)
class MetricRow:
    """The latest value of a metric; times in milliseconds since 1970 UTC."""

    key: str
    value: float
    timestamp_ms: int | None
    step: int | None


@dataclass(slots=True)
class DatasetInputRow:
    """A dataset that a run logged as read."""

    name: str
    digest: str
    source: str
    schema: str
    context: str
    algorithm: str = "mlflow-md5-8"
    """What computed the digest, as far as anybody knows."""


@dataclass(slots=True)
class RunRow:
    """A run with everything logged on it."""

    id: str
    experiment_id: str
    name: str
    user: str
    status: str
    start_ms: int | None
    end_ms: int | None
    lifecycle: str
    artifact_uri: str
    params: list[tuple[str, str]] = field(default_factory=list)
    metrics: list[MetricRow] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: list[DatasetInputRow] = field(default_factory=list)


@dataclass(slots=True)
class ModelRow:
    """A registered model with its aliases."""

    name: str
    description: str
    aliases: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class VersionRow:
    """A version of a registered model."""

    name: str
    version: str
    created_ms: int | None
    status: str
    stage: str
    location: str
    """Where its artifacts lie, resolved; empty when unknown."""
    run_id: str
    tags: dict[str, str] = field(default_factory=dict)
    is_deleted: bool = False
    """Deleted, and its source and run redacted, but still listed."""


def qualified(name: str, workspace: str) -> str:
    """A model's name, led by its workspace where that is not the default one.

    MLflow allows no slash in a model's name.
    """
    return name if workspace in ("", "default") else f"{workspace}/{name}"


class MlflowReader(Protocol):
    """One route into one MLflow."""

    def experiments(self) -> Iterator[ExperimentRow]:
        """All experiments."""
        ...

    def runs(self) -> Iterator[RunRow]:
        """All runs, deleted ones included."""
        ...

    def models(self) -> Iterator[ModelRow]:
        """All registered models."""
        ...

    def versions(self) -> Iterator[VersionRow]:
        """All versions; deleted ones where the route still shows them."""
        ...


@runtime_checkable
class OfOneMoment(Protocol):
    """A route that can tell everything as it was at one moment."""

    def moment(self) -> AbstractContextManager[None]:
        """What is read within is of one moment, where that keeps no server waiting."""
        ...


class UnusualValue(Exception):
    """A value of another type than MLflow writes, or text that is not UTF-8."""


@runtime_checkable
class BulkReader(Protocol):
    """A route that can tell all runs without a Python object for each value."""

    def run_tables(
        self, source: str, memory: PartMemory
    ) -> Iterator[tuple[pa.Table, int]]:
        """Facts of all runs as tables, and how many runs each tells first; none of
        parts that are as they were when they were told.

        Raises:
            UnusualValue: what is there is to be read row by row.
        """
        ...
