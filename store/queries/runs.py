"""Experiments, runs, and what was logged about anything: metrics, parameters, tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from store.facts import FactKind
from store.identifiers import split_key
from store.queries.presence import (
    Certainty,
    accounts_of_runs,
    had_begun,
    presence,
)
from store.queries.sql import LAST_FIRST, Row, fetch, latest, without_zone
from store.queries.tenures import Held, tags_held

if TYPE_CHECKING:
    import duckdb

_RUNNING = "RUNNING"


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
    certainty: Certainty | None = None
    """Whether it had begun at the moment that was asked for."""


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
    """Runs, newest first; at `as_of` those that had started, or may have."""
    among = [
        f"{column} = ${position}"
        for column, position, value in (
            ("object", 1, experiment_key),
            ("subject", 2, key),
        )
        if value
    ]
    began = had_begun("r.started", "$3::TIMESTAMP")
    rows = fetch(
        connection,
        "SELECT r.subject, r.source, r.name, r.status, r.started, r.ended, r.actor, "
        "coalesce(e.name, j.name, '') AS experiment FROM "
        f"{accounts_of_runs(' AND '.join(among))} r "
        f"LEFT JOIN {latest(FactKind.EXPERIMENT)} e ON e.subject = r.object "
        f"LEFT JOIN {latest(FactKind.JOB)} j ON j.subject = r.object "
        f"WHERE ($1 = '' OR r.object = $1) AND ($2 = '' OR r.subject = $2) AND {began} "
        "ORDER BY r.started DESC NULLS LAST, r.subject LIMIT $4 OFFSET $5",
        experiment_key,
        key,
        without_zone(as_of),
        limit,
        offset,
    )
    return [_run(row, as_of) for row in rows]


def runs_of_keys(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str]
) -> list[Run]:
    """Those of some runs that are known; their experiments are left out."""
    rows = fetch(
        connection,
        "SELECT r.subject, r.source, r.name, r.status, r.started, r.ended, r.actor, "
        f"'' AS experiment FROM {accounts_of_runs('list_contains($1, subject)')} r",
        list(keys),
    )
    return [_run(row, None) for row in rows]


def _run(row: Row, as_of: datetime | None) -> Run:
    """A run; at a past moment before its end it had none yet, and was running."""
    ended, status = row["ended"], row["status"]
    certainty = presence(row["started"], ended, as_of) if as_of else None
    if as_of is not None and ended is not None and ended > as_of:
        ended, status = None, _RUNNING
    return Run(
        key=row["subject"],
        source=row["source"],
        native_id=split_key(row["subject"])[1][-1],
        name=row["name"],
        experiment=row["experiment"],
        status=status,
        started=row["started"],
        ended=ended,
        user=row["actor"],
        certainty=certainty,
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


def list_experiments(
    connection: duckdb.DuckDBPyConnection, *, as_of: datetime | None = None
) -> list[Experiment]:
    """Experiments with how many runs each has; at `as_of`, how many it had by then."""
    runs = "run"
    if as_of is not None:
        began = had_begun("started", "$1::TIMESTAMP")
        runs = f"(SELECT subject, object FROM {accounts_of_runs()} WHERE {began})"
    rows = fetch(
        connection,
        "SELECT e.subject, e.source, e.name, count(DISTINCT r.subject) AS runs FROM "
        f"{latest(FactKind.EXPERIMENT)} e LEFT JOIN {runs} r ON r.object = e.subject "
        "GROUP BY ALL ORDER BY e.source, e.name, e.subject",
        *([] if as_of is None else [without_zone(as_of)]),
    )
    return [
        Experiment(row["subject"], row["source"], row["name"], row["runs"])
        for row in rows
    ]


def metrics_of(
    connection: duckdb.DuckDBPyConnection,
    subject: str,
    *,
    as_of: datetime | None = None,
) -> list[LoggedMetric]:
    """Latest value of every metric of a subject, by name; of those logged by `as_of`.

    What does not say when it was logged may have been by then.
    """
    rows = fetch(
        connection,
        "SELECT name, text, number FROM metric WHERE subject = $1 "
        f"AND {had_begun('started', '$2::TIMESTAMP')} QUALIFY row_number() OVER "
        "(PARTITION BY name ORDER BY step DESC NULLS LAST, started DESC NULLS LAST, "
        f"{LAST_FIRST}) = 1 ORDER BY name",
        subject,
        without_zone(as_of),
    )
    return [LoggedMetric(row["name"], row["text"] or "", row["number"]) for row in rows]


def params_of(
    connection: duckdb.DuckDBPyConnection,
    subject: str,
    *,
    as_of: datetime | None = None,
) -> list[tuple[str, str]]:
    """Parameters of a run, by name."""
    return _texts(tags_held(connection, FactKind.PARAM, subject, as_of))


def tags_of(
    connection: duckdb.DuckDBPyConnection,
    subject: str,
    *,
    as_of: datetime | None = None,
) -> list[tuple[str, str]]:
    """Tags of anything, by name; at `as_of` those that were seen, or may have been."""
    return _texts(tags_held(connection, FactKind.TAG, subject, as_of))


def _texts(held: dict[str, Held]) -> list[tuple[str, str]]:
    return [(name, found.value) for name, found in sorted(held.items())]
