"""Short-lived connections to the projection: DuckDB lets nobody read beside a writer.

Every connection is opened for one question or one transaction and closed again. A
lock held elsewhere is waited for briefly and then named.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from store.errors import StoreUnavailable
from store.projection.schema import SCHEMA_VERSION, create_statements

if TYPE_CHECKING:
    import duckdb

LOCK_WAIT_SECONDS = 10.0
MOST_MEMORY = "1500MB"
"""What a question or an import may take before it spills to disk."""
_MOST_MEMORY_OF_A_COPY = "600MB"
"""It is appended to beside everything else that an import does."""
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.1
_COPIED_AT_ONCE = 16 * 1024**2
_in_process = threading.RLock()
"""DuckDB refuses one file in two modes within a process: one connection at a time."""


class ProjectionDamaged(Exception):
    """The file is no projection of this version; it is to be rebuilt."""


@contextlib.contextmanager
def open_projection(
    path: Path, *, read_only: bool, wait_seconds: float | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file, waiting for whoever holds it.

    Raises:
        StoreUnavailable: it stayed locked; the message names the process.
        ProjectionDamaged: it is missing, damaged, or of another schema version.
    """
    import duckdb

    with _in_process:
        wait = LOCK_WAIT_SECONDS if wait_seconds is None else wait_seconds
        connection = _connect(path, read_only, time.monotonic() + wait)
        try:
            yield connection
        except (duckdb.IOException, duckdb.OutOfMemoryException) as cause:
            raise _unavailable(path, str(cause)) from cause
        except (duckdb.FatalException, duckdb.InternalException) as cause:
            raise ProjectionDamaged(str(cause)) from cause
        finally:
            with contextlib.suppress(duckdb.Error):
                connection.close()


def create_projection(path: Path) -> None:
    """Make an empty projection in a new file.

    Raises:
        StoreUnavailable: the file cannot be written.
    """
    import duckdb

    try:
        with _in_process, duckdb.connect(str(path)) as connection:
            connection.begin()
            for statement in create_statements():
                connection.execute(statement)
            connection.commit()
    except duckdb.IOException as cause:
        raise _unavailable(path, str(cause)) from cause


def identity(path: Path) -> int:
    """Tells one file at a path from another that took its place; 0: there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def making(path: Path) -> Iterator[None]:
    """Only one process at a time puts another file in a projection's place."""
    with open(path.with_suffix(".making"), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def copy_projection(path: Path, target: Path) -> None:
    """Copy a projection as it stands, while nobody writes to it.

    Raises:
        OSError: the copy cannot be written.
        StoreUnavailable: it stayed locked, or changes are still to be folded in.
        ProjectionDamaged: it is none.
    """
    with _in_process:
        with open_projection(path, read_only=False) as connection:
            connection.execute("CHECKPOINT")
        # Closing a file drops every lock that this process has on it, DuckDB's too.
        with open(path, "rb") as source, open_projection(path, read_only=True):
            if _change_log(path).exists():
                raise _unavailable(path, "another process has just written to it")
            with open(target, "wb") as copy:
                shutil.copyfileobj(source, copy, _COPIED_AT_ONCE)


def open_own(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a copy that nobody else knows of, for long. It is folded in when told to.

    Raises:
        ProjectionDamaged: it is none.
    """
    connection = _connect(path, False, time.monotonic())
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    append_in_order(connection)
    connection.execute(f"SET memory_limit = '{_MOST_MEMORY_OF_A_COPY}'")
    return connection


def append_in_order(connection: duckdb.DuckDBPyConnection) -> None:
    """Have one thread append: several leave row groups that are filled in part, and
    folding those in takes longer than they saved."""
    connection.execute("SET threads = 1")


def replace_projection(
    path: Path,
    other: Path,
    seen: int,
    may: Callable[[duckdb.DuckDBPyConnection], bool],
) -> bool:
    """Put a closed projection in the place of another, if that still is the one that
    was seen and `may` says so of it; whether it was put there.

    Raises:
        StoreUnavailable: it stayed locked.
        ProjectionDamaged: what is there is none.
    """
    with _in_process, making(path):
        if identity(path) != seen:
            return False
        with open_projection(path, read_only=False) as connection:
            # Nothing is left to be done to the old file when it is closed.
            connection.execute("CHECKPOINT")
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
            if not may(connection) or _change_log(path).exists():
                return False
            other.replace(path)
    return True


def _change_log(path: Path) -> Path:
    return Path(f"{path}.wal")


def _connect(path: Path, read_only: bool, deadline: float) -> duckdb.DuckDBPyConnection:
    import duckdb

    pause = _FIRST_PAUSE_SECONDS
    while True:
        if not path.exists():
            raise ProjectionDamaged(f"{path} is missing")
        try:
            connection = duckdb.connect(
                str(path),
                read_only=read_only,
                config={
                    "autoload_known_extensions": "false",
                    "autoinstall_known_extensions": "false",
                    "preserve_insertion_order": "true",
                    "memory_limit": MOST_MEMORY,
                    "temp_directory": f"{path}.spill",
                },
            )
        except duckdb.IOException as cause:
            if "lock" not in str(cause).lower():
                raise ProjectionDamaged(str(cause)) from cause
            if time.monotonic() > deadline:
                raise _locked(path, str(cause)) from cause
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            continue
        except duckdb.Error as cause:
            raise ProjectionDamaged(str(cause)) from cause
        _check_version(connection, path)
        return connection


def _check_version(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    import duckdb

    try:
        row = connection.execute(
            "SELECT schema_version, engine = version() FROM state"
        ).fetchone()
    except duckdb.Error as cause:
        connection.close()
        raise ProjectionDamaged(f"{path} is no projection: {cause}") from cause
    if row is None or row[0] != SCHEMA_VERSION:
        connection.close()
        raise ProjectionDamaged(f"{path} has another schema version")
    if not row[1]:
        connection.close()
        raise ProjectionDamaged(f"{path} was made with another version of DuckDB")


def _locked(path: Path, message: str) -> StoreUnavailable:
    holder = re.search(r"held in (.+?) \(PID (\d+)\)", message)
    who = f"{holder[1]} (process {holder[2]})" if holder else "another process"
    return StoreUnavailable(
        f"{path} is in use by {who}",
        hint="Wait for it to finish, or end that process, then try again.",
    )


def _unavailable(path: Path, message: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"cannot use {path}: {message.splitlines()[0]}",
        hint="Check the disk's space and rights; the log itself is untouched.",
    )
