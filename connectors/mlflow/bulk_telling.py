"""From tables of runs to tables of facts, in SQL: the same facts as row by row.

What each tag means is decided in connectors.mlflow.telling; this says it once more for
many rows at a time, and a test holds the two against each other on hostile input.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from connectors.mlflow.meanings import (
    DROPPED_TAGS,
    LARGEST_DOUBLE,
    LONGEST_TAG,
    SHA_TAG,
)
from store.facts import COLUMNS, TIME_COLUMNS, FactKind, Relation, Strength
from store.identifiers import entity_key
from store.projection.batches import IdleColumns, batch_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

_MOST_MEMORY = "1GB"
_ROWS_AT_ONCE = 250_000
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
_MARKS = (
    "mlflow.user",
    "countersign.git.commit",
    "mlflow.source.git.commit",
    "mlflow.parentRunId",
)
"""Tags that say something of their run beside being tags."""


class BulkTelling:
    """Takes the tables of one MLflow in and tells facts; runs come last.

    Close it, or use it as a context: it keeps what it must remember in a database of
    its own, which spills to a temporary folder.
    """

    def __init__(self, source: str) -> None:
        import duckdb

        self._prefix = {
            kind: entity_key(kind, source) + "/" for kind in ("run", "experiment")
        }
        self._folder = tempfile.TemporaryDirectory()
        self._database = duckdb.connect(
            config={"memory_limit": _MOST_MEMORY, "temp_directory": self._folder.name}
        )
        self._is_settled = False
        self._idle = IdleColumns()
        for table in _REMEMBERED:
            self._database.execute(table)

    def __enter__(self) -> BulkTelling:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._folder.cleanup()

    def params(self, part: pa.Table) -> pa.Table:
        """From columns run, key, value."""
        columns = {"subject": _RUN, "name": "key", "text": '"value"'}
        return self._told(part, FactKind.PARAM, columns)

    def metrics(self, part: pa.Table) -> pa.Table:
        """From columns run, key, value, ms, step, is_nan."""
        columns = {
            "subject": _RUN,
            "name": "key",
            "text": f"CASE WHEN isnan({_NUMBER}) THEN 'nan' ELSE ({_NUMBER})::VARCHAR "
            "END",
            "number": _NUMBER,
            "step": "step",
            "started": _moment("ms"),
        }
        return self._told(part, FactKind.METRIC, columns)

    def remember_tags(self, part: pa.Table, *, is_told: bool) -> None:
        """From columns run, key, value: remembers those that say more of their run."""
        self._remember("marks", part, f"{_is_one_of(_MARKS)} OR {_IS_SHA_TAG}")
        if not is_told:
            self._touch(part)

    def tags(self, part: pa.Table) -> Iterator[pa.Table]:
        """From columns run, key, value."""
        kept = f"NOT ({_is_one_of(sorted(DROPPED_TAGS))})"
        tag = {
            "subject": _RUN,
            "name": "key",
            "text": f"left(value, {LONGEST_TAG})",
        }
        yield self._told(part, FactKind.TAG, tag, kept)
        cut = {
            "subject": _RUN,
            "name": "'tag too long'",
            "text": "left(key, 200) || ': ' || length(value) || ' characters, cut'",
        }
        is_cut = f"{kept} AND length(value) > {LONGEST_TAG}"
        yield self._told(part, FactKind.VIOLATION, cut, is_cut)

    def datasets(self, part: pa.Table, *, is_told: bool) -> None:
        """From columns id, name, digest, location, schema: remembered."""
        self._remember("datasets", part)
        if not is_told:
            self._with(part, "INSERT INTO changed_datasets SELECT id FROM part")

    def inputs(self, part: pa.Table, *, is_told: bool) -> None:
        """From columns run, dataset, context: remembered; no run: of something else."""
        self._remember("inputs", part, "run <> ''")
        if not is_told:
            self._touch(part, "run <> ''")

    def runs(self, part: pa.Table, *, is_told: bool) -> Iterator[pa.Table]:
        """From columns run, experiment, name, user, status, start_ms, end_ms,
        lifecycle, location. Everything else is to be told before; of a part that is
        told already, only the runs of which something else has changed are."""
        if not self._is_settled:
            self._database.execute(_TOUCHED_BY_DATASETS)
            self._is_settled = True
        which = "run IN (SELECT run FROM touched)" if is_told else "true"
        run = _fact(
            FactKind.RUN,
            subject=_RUN,
            object="$experiment || url_encode(experiment)",
            name="name",
            text="lifecycle",
            status="status",
            started=_moment("start_ms"),
            ended=_moment("end_ms"),
            actor='coalesce(marked."value", "user")',
            location="location",
        )
        marked = (
            " LEFT JOIN (SELECT run AS owner, value FROM marks WHERE key = "
            "'mlflow.user') AS marked ON marked.owner = run"
        )
        self._database.register("part", part)
        yield from self._joined(f"SELECT {run} FROM part{marked} WHERE {which}")
        self._database.unregister("part")
        gone = {"subject": _RUN, "text": "'deleted in MLflow'"}
        is_gone = f"lifecycle = 'deleted' AND {which}"
        yield self._told(part, FactKind.DELETION, gone, is_gone)

    def links(self) -> Iterator[pa.Table]:
        """What the runs of which something has changed read, ran at and belong to, once
        all tags and inputs are told."""
        for table in ("marks", "inputs"):
            self._database.execute(
                f"DELETE FROM {table} WHERE run NOT IN (SELECT run FROM touched)"
            )
        for table, query in _LINKED:
            self._database.execute(f"CREATE TABLE {table} AS SELECT * FROM {query}")
        for fact, source in (*_OF_DATA, *_OF_COMMITS, *_OF_PARENTS):
            yield from self._joined(f"SELECT {fact} FROM {source}")

    def _remember(self, table: str, part: pa.Table, which: str = "true") -> None:
        query = f"INSERT INTO {table} BY NAME SELECT * FROM part WHERE {which}"
        self._with(part, query)

    def _touch(self, part: pa.Table, which: str = "true") -> None:
        """Runs of which these rows say something new."""
        self._with(part, f"INSERT INTO touched SELECT run FROM part WHERE {which}")

    def _with(self, part: pa.Table, statement: str) -> None:
        self._database.register("part", part)
        try:
            self._database.execute(statement)
        finally:
            self._database.unregister("part")

    def _told(
        self,
        part: pa.Table,
        kind: FactKind,
        columns: Mapping[str, str],
        which: str = "true",
    ) -> pa.Table:
        forms = ", ".join(f'{form} AS "{name}"' for name, form in columns.items())
        self._database.register("part", part)
        try:
            query = f"SELECT {forms} FROM part WHERE {which}"
            found = self._database.execute(*self._bound(query)).to_arrow_table()
        finally:
            self._database.unregister("part")
        return self._idle.completed(kind, found)

    def _joined(self, query: str) -> Iterator[pa.Table]:
        """What a join finds, a bounded number of rows at a time.

        It is kept first: DuckDB may wait for itself where a join that spills to disk is
        read while it runs.
        """
        make = self._bound(f"CREATE OR REPLACE TEMP TABLE joined AS {query}")
        self._database.execute(*make)
        row = self._database.execute("SELECT count(*) FROM joined").fetchone()
        for start in range(0, int(row[0]) if row else 0, _ROWS_AT_ONCE):
            part = self._database.execute(
                f"SELECT * FROM joined WHERE rowid >= {start:d} "
                f"AND rowid < {start + _ROWS_AT_ONCE:d}"
            )
            yield part.to_arrow_table().cast(batch_schema())
        self._database.execute("DROP TABLE joined")

    def _bound(self, query: str) -> tuple[str, dict[str, str]]:
        """The query with the beginnings of keys that it names."""
        return query, {k: v for k, v in self._prefix.items() if f"${k} " in query}


_REMEMBERED = (
    "CREATE TABLE marks (run VARCHAR, key VARCHAR, value VARCHAR)",
    "CREATE TABLE inputs (run VARCHAR, dataset VARCHAR, context VARCHAR)",
    "CREATE TABLE datasets (id VARCHAR, name VARCHAR, digest VARCHAR, "
    "location VARCHAR, schema VARCHAR)",
    "CREATE TABLE touched (run VARCHAR)",
    "CREATE TABLE changed_datasets (id VARCHAR)",
)
_TOUCHED_BY_DATASETS = (
    "INSERT INTO touched SELECT run FROM inputs WHERE dataset IN "
    "(SELECT id FROM changed_datasets)"
)


def _run_key(column: str) -> str:
    """SQL of store.identifiers.run_key."""
    compact = f"replace(lower({column}), '-', '')"
    return (
        f"$run || CASE WHEN regexp_full_match({column}, '[0-9a-f]{{32}}') "
        f"THEN {column} WHEN regexp_full_match({compact}, '[0-9a-f]{{32}}') "
        f"THEN {compact} ELSE url_encode({column}) END"
    )


_RUN = _run_key("run")
_NUMBER = (
    "CASE WHEN is_nan <> 0 THEN 'nan'::DOUBLE "
    f"WHEN \"value\" >= {LARGEST_DOUBLE!r} THEN 'inf'::DOUBLE "
    f"WHEN \"value\" <= -{LARGEST_DOUBLE!r} THEN '-inf'::DOUBLE "
    'ELSE "value" END'
)
_IS_SHA_TAG = f"regexp_full_match(key, '{SHA_TAG}')"
_DATASET = "'dataset:' || url_encode(name)"
_DATASET_VERSION = "'dataset-version:' || url_encode(name) || '/' || url_encode(digest)"


def _moment(column: str) -> str:
    """Milliseconds since 1970 as a time; none for what no calendar holds."""
    within = f"greatest(least({column}, {_LAST_MS}), {_FIRST_MS})"
    return (
        f"CASE WHEN {column} BETWEEN {_FIRST_MS} AND {_LAST_MS} "
        f"THEN make_timestamp({within} * 1000) END"
    )


def _is_one_of(names: Iterable[str]) -> str:
    return "key IN (" + ", ".join(f"'{name}'" for name in names) + ")"


def _fact(kind: FactKind, **columns: str) -> str:
    """The select list of a fact; columns that are not given hold nothing."""
    absent: dict[str, str] = dict.fromkeys(TIME_COLUMNS, "NULL::TIMESTAMP")
    absent |= {
        "number": "NULL::DOUBLE",
        "step": "NULL::BIGINT",
        "text": "NULL::VARCHAR",
    }
    given = {"kind": f"'{kind.value}'", **columns}
    forms = {name: given.get(name) or absent.get(name) or "''" for name in COLUMNS}
    return ", ".join(f'{form} AS "{name}"' for name, form in forms.items())


def _violation(name: str, text: str) -> str:
    return _fact(FactKind.VIOLATION, subject=_RUN, name=name, text=text)


def _edge(subject: str, relation: Relation, target: str, text: str = "") -> str:
    return _fact(
        FactKind.EDGE,
        subject=subject,
        object=target,
        name=f"'{relation.value}'",
        strength=f"'{Strength.DECLARED.value}'",
        **({"text": text} if text else {}),
    )


_SHAS = (
    f"(SELECT run, regexp_extract(key, '{SHA_TAG}', 1) AS name, lower(value) AS sha "
    f"FROM marks WHERE {_IS_SHA_TAG} AND regexp_full_match(value, '[0-9a-fA-F]{{64}}'))"
)
_READ = (
    "(SELECT i.run, d.name, coalesce('sha256:' || s.sha, 'mlflow-md5-8:' || d.digest) "
    "AS digest, d.location, d.schema AS text, i.context FROM inputs i "
    f"JOIN datasets d ON d.id = i.dataset LEFT JOIN {_SHAS} s "
    "ON s.run = i.run AND s.name = d.name "
    f"UNION ALL SELECT s.run, s.name, 'sha256:' || s.sha, '', NULL, '' FROM {_SHAS} s "
    "WHERE NOT EXISTS (SELECT 1 FROM inputs i JOIN datasets d ON d.id = i.dataset "
    "WHERE i.run = s.run AND d.name = s.name))"
)
_NO_SHA = (
    f"marks WHERE {_IS_SHA_TAG} AND NOT regexp_full_match(value, '[0-9a-fA-F]{{64}}')"
)
_OF_DATA = (
    (
        _fact(FactKind.DATASET, subject=_DATASET, name="name"),
        "(SELECT DISTINCT name FROM read_data)",
    ),
    (
        _fact(
            FactKind.DATASET_VERSION,
            subject=_DATASET_VERSION,
            object=_DATASET,
            name="name",
            digest="digest",
            location="location",
            text="text",
        ),
        "(SELECT DISTINCT name, digest, location, text FROM read_data)",
    ),
    (_edge(_RUN, Relation.READ, _DATASET_VERSION, "nullif(context, '')"), "read_data"),
    (
        _violation(
            "'dataset digest is no SHA-256'",
            "left(key, 200) || ': ' || left(value, 200)",
        ),
        _NO_SHA,
    ),
)
_COMMITS = (
    "(SELECT run, coalesce(max(nullif(value, '')) FILTER (key = "
    "'countersign.git.commit'), max(nullif(value, '')) FILTER (key = "
    "'mlflow.source.git.commit')) AS sha FROM marks GROUP BY run)"
)
_LINKED = (("read_data", _READ), ("commits", _COMMITS))
"""What several kinds of links are told of."""
_IS_COMMIT = "regexp_full_match(sha, '[0-9a-fA-F]{40}|[0-9a-fA-F]{64}')"
_OF_COMMITS = (
    (
        _edge(_RUN, Relation.USED, "'commit:' || lower(sha)"),
        f"commits WHERE {_IS_COMMIT}",
    ),
    (
        _violation("'commit is no hash'", "left(sha, 200)"),
        f"commits WHERE NOT {_IS_COMMIT}",
    ),
)
_OF_PARENTS = (
    (
        _edge(_run_key('"value"'), Relation.CONTAINS, _RUN),
        "marks WHERE key = 'mlflow.parentRunId' AND value <> ''",
    ),
)
