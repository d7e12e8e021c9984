"""Standard streams as a command finds them: closed, or read by somebody who left."""

from __future__ import annotations

import os
import select
import sys
from typing import TextIO

UNREAD = 141
"""Exit code where nobody read to the end, as of a program that SIGPIPE ended. Never 0:
what comes next in a script must not take it for a yes."""
COULD_NOT_TELL = 3


def open_standard_streams() -> int | None:
    """Make sure that no file of ours becomes a standard stream.

    Returns:
        The exit code where there is nowhere to answer, else None.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for good
    if sys.stdout is None:
        if sys.stderr is not None:
            sys.stderr.write("countersign: standard output is closed\n")
        return COULD_NOT_TELL
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for good
    return None


def is_written_out() -> bool:
    """Whether everything that was said has gone out; what has not is given up.

    Raises:
        OSError: it could not be written, for want of space for example.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        if not discard_unread():
            raise
        return False
    return True


def discard_unread() -> bool:
    """Let what nobody reads any more go nowhere; whether there was such a stream."""
    unread = [stream for stream in (sys.stdout, sys.stderr) if not _is_read(stream)]
    for stream in unread:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return bool(unread)


def _is_read(stream: TextIO) -> bool:
    asking = select.poll()
    asking.register(stream.fileno(), 0)
    return not any(
        told & (select.POLLERR | select.POLLHUP) for _, told in asking.poll(0)
    )
