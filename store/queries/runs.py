"""Experiments, runs, and what was logged about anything: metrics, parameters, tags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from store.facts import FactKind
from store.identifiers import split_key
from store.queries.sql import Row, fetch, latest, latest_runs

if TYPE_CHECKING:
    import duckdb


_BY_TRACKING_SERVER = "starts_with(object, 'experiment:')"
"""A tracking server's own account of a run goes before an event about it."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution, as its source tells it."""

    key: str
    source: str
    native_id: str
    name: str
    experiment: str
    status: str
    started: datetime | None
    ended: datetime | None
    user: str
    """Who the client said it was; a claim."""


@dataclass(frozen=True, slots=True)
class LoggedMetric:
    """The latest value of a metric of a run."""

    name: str
    value: str
    """Shortest decimal that reads back as the double that was logged."""
    number: float | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """A named group of runs."""

    key: str
    source: str
    name: str
    run_count: int


def list_runs(
    connection: duckdb.DuckDBPyConnection,
    *,
    limit: int,
    offset: int = 0,
    experiment_key: str = "",
    key: str = "",
    as_of: datetime | None = None,
) -> list[Run]:
    """Runs, newest first; at `as_of` only those that had started."""
    moment = None if as_of is None else as_of.replace(tzinfo=None)
    rows = fetch(
        connection,
        "SELECT r.*, coalesce(e.name, j.name, '') AS experiment FROM "
        f"{latest_runs(prefer=_BY_TRACKING_SERVER)} r "
        f"LEFT JOIN {latest(FactKind.EXPERIMENT)} e ON e.subject = r.object "
        f"LEFT JOIN {latest(FactKind.JOB)} j ON j.subject = r.object "
        "WHERE ($1 = '' OR r.object = $1) AND ($2 = '' OR r.subject = $2) "
        "AND ($3::TIMESTAMP IS NULL OR r.started <= $3) "
        "ORDER BY r.started DESC NULLS LAST, r.subject LIMIT $4 OFFSET $5",
        experiment_key,
        key,
        moment,
        limit,
        offset,
    )
    return [_run(row) for row in rows]


def _run(row: Row) -> Run:
    return Run(
        key=row["subject"],
        source=row["source"],
        native_id=split_key(row["subject"])[1][-1],
        name=row["name"],
        experiment=row["experiment"],
        status=row["status"],
        started=row["started"],
        ended=row["ended"],
        user=row["actor"],
    )


def users_of(connection: duckdb.DuckDBPyConnection, run_key: str) -> tuple[str, ...]:
    """Everybody whom any account of a run names as its user; claims."""
    rows = fetch(
        connection,
        "SELECT DISTINCT actor FROM run WHERE subject = ? AND actor <> '' "
        "ORDER BY actor",
        run_key,
    )
    return tuple(row["actor"] for row in rows)


def count_runs(connection: duckdb.DuckDBPyConnection) -> int:
    """How many runs are known."""
    return int(
        fetch(connection, "SELECT count(DISTINCT subject) AS n FROM run")[0]["n"]
    )


def list_experiments(connection: duckdb.DuckDBPyConnection) -> list[Experiment]:
    """Experiments with how many runs each has."""
    rows = fetch(
        connection,
        "SELECT e.subject, e.source, e.name, count(DISTINCT r.subject) AS runs FROM "
        f"{latest(FactKind.EXPERIMENT)} e LEFT JOIN run r ON r.object = e.subject "
        "GROUP BY ALL ORDER BY e.source, e.name",
    )
    return [
        Experiment(row["subject"], row["source"], row["name"], row["runs"])
        for row in rows
    ]


def metrics_of(
    connection: duckdb.DuckDBPyConnection, subject: str
) -> list[LoggedMetric]:
    """Latest value of every metric of a subject, by name."""
    rows = fetch(
        connection,
        "SELECT name, text, number FROM metric WHERE subject = ? QUALIFY row_number() "
        "OVER (PARTITION BY name ORDER BY step DESC NULLS LAST, started DESC NULLS "
        "LAST, entry_index DESC) = 1 ORDER BY name",
        subject,
    )
    return [LoggedMetric(row["name"], row["text"] or "", row["number"]) for row in rows]


def params_of(
    connection: duckdb.DuckDBPyConnection, subject: str
) -> list[tuple[str, str]]:
    """Parameters of a run, by name."""
    return _named_texts(connection, FactKind.PARAM, subject)


def tags_of(
    connection: duckdb.DuckDBPyConnection, subject: str
) -> list[tuple[str, str]]:
    """Tags of anything, by name."""
    return _named_texts(connection, FactKind.TAG, subject)


def _named_texts(
    connection: duckdb.DuckDBPyConnection, kind: FactKind, subject: str
) -> list[tuple[str, str]]:
    rows = fetch(
        connection,
        f'SELECT name, text FROM "{kind.value}" WHERE subject = ? QUALIFY row_number() '
        "OVER (PARTITION BY name ORDER BY entry_index DESC) = 1 ORDER BY name",
        subject,
    )
    return [(row["name"], row["text"] or "") for row in rows]
