"""What MLflow's tables are read with, whichever database keeps them.

An engine reads; a dialect says how its SQL casts. What is read is said once, for all
engines, in `columns` and `database`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one engine's SQL gives a column one type; `{}` stands for the column."""

    text: str
    """A column of text."""
    digits: str
    """A whole number as text."""
    whole: str
    """A whole number, or nothing."""
    real: str
    """A number that is never nothing."""
    is_nan: str
    """Whether a metric is no number, as 0 or 1."""
    odd_id: str = ""
    """Whether an id is no text, where the engine lets that happen."""
    odd_number: str = ""
    """Whether a number is none, where the engine lets that happen."""


class Read(Protocol):
    """Reads all rows of a query; `?` stands for a value."""

    def __call__(self, query: str, *values: object) -> list[Any]:
        """The rows, each a tuple."""
        ...


class Engine(Protocol):
    """Reads tables of one database, and writes nothing."""

    @property
    def dialect(self) -> Dialect:
        """How its SQL casts."""
        ...

    @property
    def place(self) -> str:
        """The database, for messages: no password in it."""
        ...

    @property
    def not_mlflow_hint(self) -> str:
        """What to do when there is no table of MLflow's."""
        ...

    @property
    def lacking_hint(self) -> str:
        """What to do when a table or column is not there, or may not be seen."""
        ...

    def columns_of(self, table: str) -> set[str]:
        """The columns of a table that may be read; none where there is no such table.

        Raises:
            ConnectorError: the database cannot be read.
        """
        ...

    def reading(self) -> AbstractContextManager[Read]:
        """Gives what reads rows; all that is read within is of one moment.

        Raises:
            ConnectorError: the database cannot be read.
        """
        ...

    def parts(
        self,
        table: str,
        columns: str,
        where: str = "true",
        most_rows: int | None = None,
    ) -> Iterator[pa.Table]:
        """The rows of a table, part by part, in columns of one type each.

        A table that only grows should keep its first parts as they were: `most_rows`,
        for engines that can tell where a part ends.

        Raises:
            UnusualValue: a value is of another type; the parts before it stand.
            ConnectorError: the database cannot be read.
        """
        ...

    def moment(self) -> AbstractContextManager[None]:
        """What is read within is of one moment, where that keeps no server waiting."""
        ...


SQLITE = Dialect(
    text="CAST({} AS TEXT)",
    digits="CAST({} AS TEXT)",
    whole="CASE WHEN typeof({0}) = 'integer' THEN {0} END",
    real="coalesce(CAST({} AS REAL), 0.0)",
    is_nan="coalesce(is_nan, 0) <> 0",
    odd_id="typeof({}) <> 'text'",
    odd_number="typeof({}) NOT IN ('real', 'integer')",
)
POSTGRES = Dialect(
    text="CAST({} AS TEXT)",
    digits="CAST({} AS TEXT)",
    whole="CAST({} AS BIGINT)",
    real="coalesce(CAST({} AS DOUBLE PRECISION), 0.0)",
    is_nan="CASE WHEN is_nan OR \"value\" = 'NaN' THEN 1 ELSE 0 END",
)
MYSQL = Dialect(
    text="{}",
    digits="CAST({} AS CHAR)",
    whole="{}",
    real="coalesce({}, 0e0)",
    is_nan="CASE WHEN is_nan THEN 1 ELSE 0 END",
)
