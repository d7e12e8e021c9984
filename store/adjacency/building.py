"""Making the file from a projection, in bulk: DuckDB joins and sorts, Arrow carries.

Things are numbered in the order of their keys, so a key is found by halving. Nothing
here loops over links or things.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from store.adjacency.counting import NEVER, NO_TIME, SUBJECT_IS_RESULT, Direction
from store.adjacency.layout import Made, Writer
from store.adjacency.told import accounts, at_horizon, links_between, told_between
from store.queries.versionless import superseding

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_ROWS_AT_ONCE = 1_000_000
_MEMORY = "3GB"
"""What making the file may take before it spills to disk."""
_TABLES = (
    "graph_until",
    "graph_told",
    "graph_link",
    "graph_key",
    "graph_text",
    "graph_mark",
)


def build(connection: duckdb.DuckDBPyConnection, made: Made, aside: Path) -> None:
    """Write the file of what entries before `made.applied` brought.

    Raises:
        OSError: it cannot be written.
    """
    before = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    writer = Writer(aside)
    try:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        with at_horizon(connection, made.applied) as own:
            _write(own, writer, made)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    finally:
        writer.close()
        if before:
            connection.execute(f"SET memory_limit = '{before[0]}'")


def _write(connection: duckdb.DuckDBPyConnection, writer: Writer, made: Made) -> None:
    try:
        _number(connection, made.applied)
        _write_keys(connection, writer)
        _write_marks(connection, writer)
        for direction in Direction:
            _write_links(connection, writer, direction)
        _write_told(connection, writer)
        writer.finish(made)
    finally:
        for table in _TABLES:
            connection.execute(f"DROP TABLE IF EXISTS temp.{table}")


def _number(connection: duckdb.DuckDBPyConnection, applied: int) -> None:
    """Give keys, texts and marks their numbers, in order, and links theirs of those.

    Keys are joined by a hash of 64 bits; where two have the same one, by themselves.
    """
    links = links_between(0, applied)
    _make(connection, "graph_until", superseding(links))
    links = (
        f"SELECT l.*, coalesce(until, {NEVER}) AS until FROM ({links}) l "
        "LEFT JOIN graph_until USING (subject, name, object)"
    )
    results = ", ".join(f"'{name}'" for name in SUBJECT_IS_RESULT)
    _make(
        connection,
        "graph_told",
        f"SELECT * FROM ({told_between(0, applied, 'max')}) "
        f"LEFT JOIN ({accounts()}) USING (key)",
    )
    _make(
        connection,
        "graph_key",
        "SELECT key, hash(key) AS hash, row_number() OVER () - 1 AS id FROM ("
        f"SELECT DISTINCT key FROM (SELECT subject AS key FROM ({links}) UNION ALL "
        f"SELECT object FROM ({links}) UNION ALL SELECT key FROM graph_told) "
        "ORDER BY key)",
    )
    _make(
        connection,
        "graph_text",
        "SELECT text, row_number() OVER () - 1 AS id FROM (SELECT DISTINCT text FROM ("
        f"SELECT name AS text FROM ({links}) UNION SELECT strength FROM ({links}) "
        f"UNION SELECT text FROM ({links})) WHERE text IS NOT NULL ORDER BY text)",
    )
    _make(
        connection,
        "graph_mark",
        "SELECT *, row_number() OVER () - 1 AS id FROM (SELECT DISTINCT name, "
        f"strength, text, entry, low, high, until FROM ({links}) ORDER BY ALL)",
    )
    _make(
        connection,
        "graph_link",
        "SELECT s.id::INTEGER AS subject, o.id::INTEGER AS object, "
        f"m.id::INTEGER AS mark, l.name IN ({results}) AS is_result FROM ({links}) l "
        f"JOIN graph_key s ON {_same_key(connection, 's', 'l.subject')} "
        f"JOIN graph_key o ON {_same_key(connection, 'o', 'l.object')} "
        "JOIN graph_mark m ON m.name = l.name AND m.strength = l.strength "
        "AND m.text IS NOT DISTINCT FROM l.text AND m.entry = l.entry "
        "AND m.low = l.low AND m.high = l.high AND m.until = l.until",
    )


def _same_key(
    connection: duckdb.DuckDBPyConnection, alias: str, expression: str
) -> str:
    """SQL for the condition that a row of `graph_key` is that of a key."""
    row = connection.execute(
        "SELECT count(DISTINCT hash) = count(*) FROM graph_key"
    ).fetchone()
    if row and row[0]:
        return f"{alias}.hash = hash({expression})"
    return f"{alias}.key = {expression}"


def _make(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}")


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0] or 0) if row else 0


def _write_keys(connection: duckdb.DuckDBPyConnection, writer: Writer) -> None:
    texts = _Texts(connection, writer, "key", "graph_key", "key")
    for part in _parts(connection, "SELECT key FROM graph_key ORDER BY id"):
        texts.write(part.column(0))


def _write_marks(connection: duckdb.DuckDBPyConnection, writer: Writer) -> None:
    texts = _Texts(connection, writer, "text", "graph_text", "text")
    for part in _parts(connection, "SELECT text FROM graph_text ORDER BY id"):
        texts.write(part.column(0))
    count = _count(connection, "SELECT count(*) FROM graph_mark")
    names = ("relation", "strength", "context", "entry", "low", "high", "until")
    for name in names:
        writer.reserve(f"mark_{name}", count * 8)
    rows = _parts(
        connection,
        "SELECT n.id, s.id, coalesce(t.id, -1), entry, low, high, until "
        "FROM graph_mark m JOIN graph_text n ON n.text = m.name "
        "JOIN graph_text s ON s.text = m.strength "
        "LEFT JOIN graph_text t ON t.text = m.text ORDER BY m.id",
    )
    for part in rows:
        for name, column in zip(names, part.columns, strict=True):
            writer.write(f"mark_{name}", _values(column))


def _write_links(
    connection: duckdb.DuckDBPyConnection, writer: Writer, direction: Direction
) -> None:
    """The links by the thing that a walk in a direction leaves."""
    is_subject = "is_result" if direction is Direction.UP else "NOT is_result"
    name = direction.value
    links = _count(connection, "SELECT count(*) FROM graph_link")
    writer.reserve(f"{name}_neighbours", links * 4)
    writer.reserve(f"{name}_marks", links * 4)
    origin = f"CASE WHEN {is_subject} THEN subject ELSE object END"
    rows = _parts(
        connection,
        f"SELECT CASE WHEN {is_subject} THEN object ELSE subject END AS neighbour, "
        f"mark FROM graph_link ORDER BY {origin}, neighbour, mark",
    )
    for part in rows:
        writer.write(f"{name}_neighbours", _values(part.column(0)))
        writer.write(f"{name}_marks", _values(part.column(1)))
    counts = f"SELECT {origin} AS id, count(*) AS n FROM graph_link GROUP BY ALL"
    _write_counts(connection, writer, name, counts)


def _write_told(connection: duckdb.DuckDBPyConnection, writer: Writer) -> None:
    """Of each thing the account that holds, and the last entry that describes it."""
    _make(
        connection,
        "graph_told",
        "SELECT k.id, coalesce(label, '') AS label, "
        f"coalesce(moment, {NO_TIME + 1} - 1) AS moment, coalesce(entry, -1) AS entry "
        "FROM graph_key k LEFT JOIN graph_told t ON "
        f"{_same_key(connection, 'k', 't.key')}",
    )
    count = _count(connection, "SELECT count(*) FROM graph_told")
    writer.reserve("told_moment", count * 8)
    writer.reserve("told_entry", count * 8)
    labels = _Texts(connection, writer, "label", "graph_told", "label")
    rows = _parts(connection, "SELECT moment, entry, label FROM graph_told ORDER BY id")
    for part in rows:
        writer.write("told_moment", _values(part.column(0)))
        writer.write("told_entry", _values(part.column(1)))
        labels.write(part.column(2))


def _write_counts(
    connection: duckdb.DuckDBPyConnection, writer: Writer, name: str, counts: str
) -> None:
    """Where the rows of each thing lie, from how many it has."""
    offsets = _Offsets(
        writer, name, _count(connection, "SELECT count(*) FROM graph_key")
    )
    rows = _parts(
        connection,
        f"SELECT coalesce(n, 0) FROM graph_key k LEFT JOIN ({counts}) c "
        "ON c.id = k.id ORDER BY k.id",
    )
    for part in rows:
        offsets.write(part.column(0))


class _Offsets:
    """Writes where each of many things begins, and where the last one ends."""

    def __init__(self, writer: Writer, name: str, count: int) -> None:
        self._writer, self._name, self._end = writer, f"{name}_offsets", 0
        writer.reserve(self._name, (count + 1) * 8)
        writer.write(self._name, bytes(8))

    def write(self, lengths: pa.Array) -> None:
        """Go on with some that are so long."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if len(lengths):
            ends = pc.cumulative_sum(lengths.cast(pa.int64()), start=self._end)
            self._end = ends[-1].as_py()
            self._writer.write(self._name, _values(ends))


class _Texts:
    """Writes texts: the bytes of all, and where each begins."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        writer: Writer,
        name: str,
        table: str,
        column: str,
    ) -> None:
        count = _count(connection, f"SELECT count(*) FROM {table}")
        length = _count(connection, f"SELECT sum(strlen({column})) FROM {table}")
        self._writer, self._name = writer, f"{name}_bytes"
        self._offsets = _Offsets(writer, name, count)
        writer.reserve(self._name, length)

    def write(self, texts: pa.Array) -> None:
        """Go on with some texts."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wide = texts.cast(pa.large_string())
        self._offsets.write(pc.binary_length(wide))
        _, bounds, data = wide.buffers()
        if data is not None:
            inside = memoryview(bounds).cast("q")
            first, last = inside[wide.offset], inside[wide.offset + len(wide)]
            self._writer.write(self._name, memoryview(data)[first:last])


def _parts(
    connection: duckdb.DuckDBPyConnection, query: str
) -> Iterator[pa.RecordBatch]:
    """The rows of a query, many at a time."""
    with contextlib.closing(
        connection.execute(query).to_arrow_reader(_ROWS_AT_ONCE)
    ) as reader:
        yield from reader


def _values(column: pa.Array) -> memoryview:
    """The numbers of a column that lacks none, as they lie in memory."""
    size = column.type.bit_width // 8
    _, data = column.buffers()
    if data is None:
        return memoryview(b"")
    start = column.offset * size
    return memoryview(data)[start : start + len(column) * size]
