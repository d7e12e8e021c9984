"""The folder in which an import keeps what it is going to commit.

An import that was killed leaves its folder, which may hold gigabytes: the next one on
this machine takes it away. Whose import still runs holds a lock in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "import-"
_LOCK = "held"


@contextlib.contextmanager
def import_folder(parent: Path) -> Iterator[Path]:
    """A folder of its own, gone at the end, and so are those that were left behind."""
    with contextlib.ExitStack() as stack:
        with open(parent / "imports.lock", "ab") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            for folder in parent.glob(f"{_PREFIX}*"):
                _remove_if_left(folder)
            made = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent)
            folder = Path(stack.enter_context(made))
            held = stack.enter_context(open(folder / _LOCK, "ab"))
            fcntl.flock(held, fcntl.LOCK_EX)
        yield folder


def _remove_if_left(folder: Path) -> None:
    try:
        with open(folder / _LOCK, "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    except BlockingIOError:
        """Its import is at work."""
