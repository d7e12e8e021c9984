"""Files that are whole or not there, and locks, on this machine's own disk."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from connectors.errors import ConnectorUnavailable


def write_through(path: Path, data: bytes) -> None:
    """Write a file, and see that it is on the disk."""
    with open(path, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file as a whole, whoever else does so just now."""
    aside = path.parent / f".{path.name}.{threading.get_native_id()}.new"
    write_through(aside, data)
    aside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """See that what a folder lists is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file, or say that another holds it.

    Raises:
        ConnectorUnavailable: the file system takes no locks.
    """
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as cause:
        raise ConnectorUnavailable(
            f"the file system of this machine's data folder takes no locks: {cause}",
            hint="Let COUNTERSIGN_DATA name a folder on a local disk.",
        ) from cause
    return True
