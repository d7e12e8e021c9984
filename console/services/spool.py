"""Events that were taken from others and wait here until they are in the log.

A SQLite file: what `add` returned from is on the disk. Of an event that is in the log
its digest stays for a while, so that the same one sent again is known.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from console.services.problems import Misuse
from store.errors import StoreUnavailable

MOST_WAITING_BYTES = 2 * 1024**3
"""What may wait for the log; beyond it nothing more is taken."""
MOST_BYTES_AT_ONCE = 128 * 1024**2
"""Of events that are taken into the log together."""
KEPT = timedelta(days=7)
"""How long an event that is in the log is known again."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    body BLOB NOT NULL,
    received INTEGER NOT NULL,
    is_logged INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS event_old ON event (received) WHERE is_logged = 1;
CREATE INDEX IF NOT EXISTS event_waiting ON event (number) WHERE is_logged = 0;
"""


class SpoolFull(StoreUnavailable):
    """Too much waits for the log; the sender may try again later."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Events to be put into the log, in the order in which they came."""

    last: int
    """Number of the newest event in it."""
    bodies: tuple[bytes, ...]

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.bodies)


class Spool:
    """The events of one folder; one program at a time holds it."""

    def __init__(
        self, folder: Path, *, most_waiting_bytes: int = MOST_WAITING_BYTES
    ) -> None:
        self._most = most_waiting_bytes
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _locked(folder)
        self._path = folder / "events.sqlite"
        self._writing = self._connection()
        _without_runs(self._writing)
        self._writing.executescript(_SCHEMA)
        self._waiting_bytes = self._measured()

    @property
    def waiting_bytes(self) -> int:
        """What waits for the log, without what the file adds to it."""
        return self._waiting_bytes

    def add(self, events: Iterable[bytes], now: datetime) -> int:
        """Keep events; return how many were new.

        They are on the disk when this returns, all of them or none.

        Raises:
            SpoolFull: too much waits already.
            StoreUnavailable: the disk does not take them.
        """
        if self._waiting_bytes > self._most:
            raise SpoolFull("too much waits for the log")
        rows = [
            (hashlib.sha256(body).digest(), len(body), body, int(now.timestamp()))
            for body in events
        ]
        added = size = 0
        try:
            with self._writing as connection:
                connection.execute("BEGIN IMMEDIATE")
                for row in rows:
                    cursor = connection.execute(
                        "INSERT INTO event (digest, size, body, received) "
                        "VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
                        row,
                    )
                    added += cursor.rowcount
                    size += row[1] * cursor.rowcount
        except sqlite3.Error as cause:
            raise StoreUnavailable(f"the spool takes nothing: {cause}") from cause
        self._waiting_bytes += size
        return added

    def waiting(self, at_most: int, *, most_bytes: int = MOST_BYTES_AT_ONCE) -> Waiting:
        """The oldest events that are not in the log, one at least if there are any."""
        last = size = 0
        bodies: list[bytes] = []
        with self._reading() as connection:
            for number, body in connection.execute(
                "SELECT number, body FROM event WHERE is_logged = 0 "
                "ORDER BY number LIMIT ?",
                (at_most,),
            ):
                last, size = int(number), size + len(body)
                bodies.append(bytes(body))
                if size >= most_bytes:
                    break
        return Waiting(last, tuple(bodies))

    def mark_logged(self, last: int, now: datetime) -> None:
        """Note that everything up to a number is in the log, and let old events go."""
        before = int((now - KEPT).timestamp())
        with self._reading() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "UPDATE event SET is_logged = 1, body = x'' "
                "WHERE is_logged = 0 AND number <= ?",
                (last,),
            )
            connection.execute(
                "DELETE FROM event WHERE is_logged = 1 AND received < ?", (before,)
            )
        self._waiting_bytes = self._measured()

    def close(self) -> None:
        """Let another program have the folder."""
        self._writing.close()
        os.close(self._lock)

    def _measured(self) -> int:
        with self._reading() as connection:
            (size,) = connection.execute(
                "SELECT coalesce(sum(size), 0) FROM event WHERE is_logged = 0"
            ).fetchone()
        return int(size)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own: whoever takes events out is another thread."""
        try:
            with contextlib.closing(self._connection()) as connection:
                yield connection
        except sqlite3.Error as cause:
            raise StoreUnavailable(f"the spool cannot be read: {cause}") from cause

    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, timeout=30, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection


def _without_runs(connection: sqlite3.Connection) -> None:
    """Take the run of each event out of a spool that still notes it."""
    columns = [row[1] for row in connection.execute("PRAGMA table_info(event)")]
    if "run" in columns:
        connection.execute("DROP INDEX IF EXISTS event_of_run")
        connection.execute("ALTER TABLE event DROP COLUMN run")


def _locked(folder: Path) -> int:
    """Hold a folder for this program alone.

    Raises:
        Misuse: another one has it.
    """
    import fcntl

    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        os.close(lock)
        raise Misuse(
            f"another program serves from {folder}",
            hint="Stop it, or give this one a folder of its own with --spool.",
        ) from cause
    return lock
