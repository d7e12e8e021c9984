"""What an import brings, kept as files for batches: only what the store lacks.

Facts are looked up many at a time, with the projection open only for that, so others
read and write it meanwhile. Nothing here is in the log yet.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from store.facts import COLUMNS, FactKind
from store.projection.apply import Projection
from store.projection.batches import ROWS_PER_GROUP, batch_schema, batch_writer
from store.projection.new_facts import counted, new_facts
from store.projection.returned import Returning
from store.projection.seen import SeenHashes

if TYPE_CHECKING:
    import pyarrow as pa

    from store.projection.seen import Found

ROWS_AT_ONCE = 983_040
"""Facts that are looked up together: whole row groups, of DuckDB and of a batch."""
MOST_ROWS_OF_A_BATCH = 1_966_080
"""Of what an import commits; reading a batch takes about 500 bytes a fact."""
BYTES_AT_ONCE = 512 * 1024**2
"""What the facts that are looked up together may take, long texts and all."""
MOST_BYTES_OF_A_BATCH = 1024**3


@dataclass(slots=True)
class Kept:
    """What was new of all that a source told."""

    files: list[Path] = field(default_factory=list)
    """Parquet files, each of a size for one batch."""
    rows: list[int] = field(default_factory=list)
    """How many facts each of them holds."""
    new: Counter[str] = field(default_factory=Counter)
    """Facts by kind."""
    relations: Counter[str] = field(default_factory=Counter)
    """Edges by relation."""


def keep_new_facts(
    projection: Projection,
    told: Iterable[pa.Table],
    source: str,
    folder: Path,
    now: datetime,
    finished: Callable[[Path], None] = lambda _: None,
    took: Callable[[int, pa.Table, Found], None] = lambda *_: None,
) -> Kept:
    """Write the facts that the projection lacks to files of a folder.

    What came back by `now`, when the source is heard, is told as a change.

    `finished` is told of each file when nothing is added to it any more, and `took` of
    what is added to which file, and what of that may be in one already. A fact that
    is told twice far apart is in the files twice and counted once: whoever takes a
    batch in takes each fact once.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kept, seen, size = Kept(), SeenHashes(), 0
    returning: Returning | None = None
    with contextlib.ExitStack() as stack:
        for rows in _windows(told):
            with projection.reading() as connection:
                if returning is None:
                    returning = Returning(connection, source, now)
                rows = returning.with_returned(connection, rows)
                fresh = new_facts(connection, rows, source).table
            if not fresh.num_rows:
                continue
            is_again = seen.note(fresh["fact_hash"].to_numpy())
            first = fresh.filter(pa.array(~is_again)) if is_again.any() else fresh
            kept.new.update(counted(first["kind"]))
            edges = first.filter(pc.equal(first["kind"], FactKind.EDGE.value))
            kept.relations.update(counted(edges["name"]))
            size += fresh.nbytes
            is_full = bool(kept.files) and (
                kept.rows[-1] + fresh.num_rows > MOST_ROWS_OF_A_BATCH
                or size > MOST_BYTES_OF_A_BATCH
            )
            if not kept.files or is_full:
                size = fresh.nbytes
                stack.close()
                path = folder / f"new-{len(kept.files)}"
                kept.files.append(path)
                kept.rows.append(0)
                stack.callback(finished, path)
                writer = stack.enter_context(batch_writer(path))
            kept.rows[-1] += fresh.num_rows
            table = fresh.select(list(COLUMNS)).cast(batch_schema())
            took(len(kept.files) - 1, fresh, is_again)
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
    return kept


def _windows(told: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables joined, or cut, to a bounded number of rows and bytes each."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    rows = size = 0
    for part in (part for table in told for part in _cut(table)):
        if rows and size + part.nbytes > BYTES_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting, rows, size = [], 0, 0
        rest = part
        while rows + rest.num_rows >= ROWS_AT_ONCE:
            yield pa.concat_tables([*waiting, rest.slice(0, ROWS_AT_ONCE - rows)])
            rest = rest.slice(ROWS_AT_ONCE - rows)
            waiting, rows, size = [], 0, 0
        if rest.num_rows:
            waiting.append(rest)
            rows, size = rows + rest.num_rows, size + rest.nbytes
    if rows:
        yield pa.concat_tables(waiting)


def _cut(table: pa.Table) -> Iterator[pa.Table]:
    """A table in parts, if it is more than is looked up at once."""
    parts = -(-table.nbytes // BYTES_AT_ONCE)
    rows = min(ROWS_AT_ONCE, max(1, -(-table.num_rows // max(parts, 1))))
    for start in range(0, table.num_rows, rows):
        yield table.slice(start, rows)
