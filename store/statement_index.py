"""The small local index of a log: leaves, tree nodes, standing and topics of entries.

It is derived: deleting it costs a re-verification of the log and nothing else. SQLite
keeps it, so that many processes may read and extend it, and starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from store import merkle
from store.errors import StoreUnavailable
from store.judgement import IndexedEntry, Judgement, Standing

SCHEMA_VERSION = 3
_SCHEMA = """
CREATE TABLE entry (
    idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL, standing TEXT NOT NULL,
    reason TEXT NOT NULL, statement_id TEXT NOT NULL, predicate_type TEXT NOT NULL,
    signer TEXT NOT NULL, topics TEXT NOT NULL, batch TEXT NOT NULL);
CREATE INDEX entry_statement ON entry (statement_id);
CREATE INDEX entry_batch ON entry (idx) WHERE batch <> '';
CREATE TABLE node (level INTEGER, idx INTEGER, hash BLOB NOT NULL,
    PRIMARY KEY (level, idx)) WITHOUT ROWID;
CREATE TABLE topic (topic TEXT, idx INTEGER,
    PRIMARY KEY (topic, idx)) WITHOUT ROWID;
"""
_COLUMNS = (
    "idx, leaf, standing, reason, statement_id, predicate_type, signer, topics, batch"
)
_IS_STATEMENT = "statement_id = ? AND standing = 'accepted'"


class PendingEntries:
    """What was added in this transaction and stands in no table yet."""

    def __init__(self) -> None:
        self.entries: list[IndexedEntry] = []
        self.statements: dict[str, IndexedEntry] = {}
        """The accepted ones, by statement id."""
        self.new_nodes: list[tuple[int, int, bytes]] = []
        self.nodes: dict[tuple[int, int], bytes] = {}
        """Those, and the ones read from the table while nobody else may write it."""

    def add(self, entry: IndexedEntry, nodes: Sequence[tuple[int, int, bytes]]) -> None:
        """Take one more entry and the tree nodes it completes."""
        self.entries.append(entry)
        if entry.judgement.standing is Standing.ACCEPTED:
            self.statements[entry.judgement.statement_id] = entry
        self.new_nodes.extend(nodes)
        for level, index, value in nodes:
            self.nodes[level, index] = value

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self.statements.clear()
        self.new_nodes.clear()
        self.nodes.clear()


class StatementIndex:
    """The index of one log on this machine. Use one instance per thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = self._open()
        self._pending = PendingEntries()

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return self._connect()
        except sqlite3.OperationalError as cause:
            raise StoreUnavailable(
                f"cannot open the index {self._path}: {cause}",
                hint="Check the disk and who may write there, or set COUNTERSIGN_DATA.",
            ) from cause
        except OSError as cause:
            raise StoreUnavailable(
                f"cannot create {self._path.parent}: {cause.strerror}",
                hint="Set COUNTERSIGN_DATA to a folder you can write.",
            ) from cause
        except sqlite3.DatabaseError:
            self._discard()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=30, isolation_level=None, check_same_thread=False
        )
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version not in (0, SCHEMA_VERSION):
                connection.close()
                self._discard()
                return self._connect()
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            if version == 0:
                self._create(connection)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    @staticmethod
    def _create(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")

    def _discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(str(self._path) + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    @contextlib.contextmanager
    def extending(self) -> Iterator[None]:
        """Hold the only right to add entries; leave with an error to add none.

        Raises:
            StoreUnavailable: another process held it for half a minute.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as cause:
            raise StoreUnavailable(
                f"the index {self._path} is busy: {cause}",
                hint="Another countersign process is reading the log; try again.",
            ) from cause
        try:
            yield
            self._write_pending()
            self._connection.execute("COMMIT")
        except sqlite3.Error as cause:
            self._roll_back()
            raise StoreUnavailable(
                f"cannot extend the index {self._path}: {cause}",
                hint="Free some space; the log itself is untouched.",
            ) from cause
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        """Undo what was not committed; a full disk may have done so already."""
        self._pending.clear()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    @property
    def size(self) -> int:
        """How many entries are indexed."""
        if self._pending.entries:
            return self._pending.entries[-1].index + 1
        row = self._connection.execute("SELECT max(idx) FROM entry").fetchone()
        return 0 if row[0] is None else int(row[0]) + 1

    def read_node(self, level: int, index: int) -> bytes:
        """Hash of a complete subtree (a merkle.NodeReader)."""
        known = self._pending.nodes.get((level, index))
        if known is not None:
            return known
        value = self._stored_node(level, index)
        if self._connection.in_transaction:
            self._pending.nodes[level, index] = value
        return value

    def _stored_node(self, level: int, index: int) -> bytes:
        row = self._connection.execute(
            "SELECT hash FROM node WHERE level = ? AND idx = ?", (level, index)
        ).fetchone()
        if row is None:
            raise StoreUnavailable(
                f"the index {self._path} lacks a tree node",
                hint="Delete that file; it is rebuilt from the log.",
            )
        return bytes(row[0])

    def root_at(self, size: int) -> bytes:
        """Merkle root of the first `size` entries."""
        return merkle.root_at(size, self.read_node)

    def add(self, index: int, leaf: bytes, judgement: Judgement) -> None:
        """Record one judged entry; call inside `extending`."""
        nodes = merkle.new_nodes(index, leaf, self.read_node)
        self._pending.add(
            IndexedEntry(index=index, leaf=leaf, judgement=judgement), nodes
        )

    def _write_pending(self) -> None:
        """Put what was added into the tables, all at once."""
        pending = self._pending
        if pending.entries:
            self._connection.executemany(
                f"INSERT INTO entry ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)",
                [_row(entry) for entry in pending.entries],
            )
            self._connection.executemany(
                "INSERT INTO node (level, idx, hash) VALUES (?,?,?)", pending.new_nodes
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO topic (topic, idx) VALUES (?,?)",
                [
                    (topic, entry.index)
                    for entry in pending.entries
                    for topic in entry.judgement.topics
                ],
            )
        pending.clear()

    def take_from(self, other: StatementIndex, *, only_if_larger: bool = False) -> None:
        """Hold what another index holds, and nothing else, from one moment on."""
        other._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute("ATTACH ? AS other", (str(other._path),))
        try:
            with self.extending():
                if only_if_larger and self.size >= other.size:
                    return
                for table in ("entry", "node", "topic"):
                    self._connection.execute(f"DELETE FROM main.{table}")
                    self._connection.execute(
                        f"INSERT INTO main.{table} SELECT * FROM other.{table}"
                    )
        finally:
            self._connection.execute("DETACH other")

    def cut_to(self, size: int) -> None:
        """Hold the first `size` entries only."""
        with self.extending():
            for table in ("entry", "topic"):
                self._connection.execute(f"DELETE FROM {table} WHERE idx >= ?", (size,))
            self._connection.execute(
                "DELETE FROM node WHERE ((idx + 1) << level) > ?", (size,)
            )

    def entry(self, index: int) -> IndexedEntry | None:
        """The entry at an index."""
        return self._one("idx = ?", index)

    def find_statement(self, statement_id: str) -> IndexedEntry | None:
        """The accepted entry of a statement, or None."""
        pending = self._pending.statements.get(statement_id)
        if pending is not None:
            return pending
        if self._pending.entries:
            stored = self._stored_many(_IS_STATEMENT, statement_id)
            return stored[0] if stored else None
        return self._one(_IS_STATEMENT, statement_id)

    def statements_starting(self, prefix: str) -> list[IndexedEntry]:
        """Accepted entries whose statement id begins with hex digits `prefix`."""
        return self._many(
            "statement_id >= ? AND statement_id < ? AND standing = 'accepted'",
            prefix,
            prefix + "g",
        )

    def entries(self, start: int = 0, end: int | None = None) -> list[IndexedEntry]:
        """Entries start..end-1 in order, by default all."""
        return self._many("idx >= ? AND idx < ?", start, 2**62 if end is None else end)

    def on_topics(self, *topics: str) -> list[IndexedEntry]:
        """Entries filed under any of the topics, in log order."""
        marks = ",".join("?" * len(topics))
        return self._many(
            f"idx IN (SELECT idx FROM topic WHERE topic IN ({marks}))",
            *topics,
        )

    def newest_on_topics(self, before: int, *topics: str) -> int:
        """Index of the newest entry below `before` under any of the topics, or -1."""
        marks = ",".join("?" * len(topics))
        row = self._connection.execute(
            f"SELECT max(idx) FROM topic WHERE topic IN ({marks}) AND idx < ?",
            (*topics, before),
        ).fetchone()
        return -1 if row[0] is None else int(row[0])

    def topics_starting(self, prefix: str) -> list[str]:
        """Distinct topics that begin with `prefix`."""
        self._write_pending()
        rows = self._connection.execute(
            "SELECT DISTINCT topic FROM topic WHERE topic >= ? AND topic < ?",
            (prefix, prefix + "\U0010ffff"),
        )
        return [str(row[0]) for row in rows]

    def batches(self, start: int) -> list[IndexedEntry]:
        """Accepted entries from `start` on that commit a batch of facts."""
        return self._many("idx >= ? AND batch <> '' AND standing = 'accepted'", start)

    def count_unknown(self) -> int:
        """How many entries are of a type this program does not know."""
        self._write_pending()
        row = self._connection.execute(
            "SELECT count(*) FROM entry WHERE standing = 'unknown'"
        ).fetchone()
        return int(row[0])

    def _one(self, condition: str, *values: object) -> IndexedEntry | None:
        found = self._many(condition, *values)
        return found[0] if found else None

    def _many(self, condition: str, *values: object) -> list[IndexedEntry]:
        self._write_pending()
        return self._stored_many(condition, *values)

    def _stored_many(self, condition: str, *values: object) -> list[IndexedEntry]:
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM entry WHERE {condition} ORDER BY idx",
            values,
        )
        return [_indexed(row) for row in rows]


def _row(entry: IndexedEntry) -> tuple[object, ...]:
    judgement = entry.judgement
    return (
        entry.index,
        entry.leaf,
        judgement.standing.value,
        judgement.reason,
        judgement.statement_id,
        judgement.predicate_type,
        judgement.signer,
        "\n".join(judgement.topics),
        judgement.batch,
    )


def _indexed(row: tuple[object, ...]) -> IndexedEntry:
    index, leaf, standing, reason, statement_id, predicate, signer, topics, batch = row
    return IndexedEntry(
        index=int(str(index)),
        leaf=leaf if isinstance(leaf, bytes) else b"",
        judgement=Judgement(
            standing=Standing(str(standing)),
            reason=str(reason),
            statement_id=str(statement_id),
            predicate_type=str(predicate),
            signer=str(signer),
            topics=tuple(str(topics).split("\n")) if topics else (),
            batch=str(batch),
        ),
    )
