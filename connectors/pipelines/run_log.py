"""What a run prints, kept in one file: bounded, in order, without the secrets it got.

A line is `MILLISECONDS STREAM STEP TEXT`. The beginning is kept as it comes; past the
bound only the end is kept, and written when the run is over.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.errors import MalformedInput
from connectors.pipelines.protocols import LogLine

LONGEST_LINE_BYTES = 16 * 1024
TAIL_BYTES = 256 * 1024
SHORTEST_SECRET_BYTES = 4
BLOT = b"***"
_FOLLOW_SECONDS = 0.2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogWriter:
    """Writes the log of one run. Only its supervisor does."""

    def __init__(
        self, path: Path, *, at_most: int, secrets: tuple[str, ...] = ()
    ) -> None:
        self._stream = open(path, "ab", buffering=0)  # noqa: SIM115 - see close
        self._room = at_most
        self._secrets = sorted(
            {
                part.encode("utf-8", "surrogateescape")
                for secret in secrets
                for part in secret.splitlines()
                if len(part.encode("utf-8", "surrogateescape")) >= SHORTEST_SECRET_BYTES
            },
            key=len,
            reverse=True,
        )
        self._held_back = max(map(len, self._secrets), default=1) - 1
        self._rest: dict[tuple[str, str], bytes] = {}
        self._tail: deque[bytes] = deque()
        self._tail_bytes = self._left_out = 0
        self._is_full = False

    def feed(self, step: str, stream: str, data: bytes) -> None:
        """Take in what a stream of a step gave; whole lines are written at once."""
        rest = self._rest.pop((step, stream), b"") + data
        *lines, rest = rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line(step, stream, self._blotted(line))
        while len(rest) > LONGEST_LINE_BYTES + self._held_back:
            rest = self._blotted(rest)
            if len(rest) <= LONGEST_LINE_BYTES + self._held_back:
                break
            self._line(step, stream, rest[:LONGEST_LINE_BYTES])
            rest = rest[LONGEST_LINE_BYTES:]
        if rest:
            self._rest[step, stream] = rest

    def end(self, step: str) -> None:
        """Write what a step left without the end of its line."""
        for key in [key for key in self._rest if key[0] == step]:
            self._line(*key, self._blotted(self._rest.pop(key)))

    def note(self, step: str, text: str) -> None:
        """Say something of one's own."""
        self._line(step, "note", self._blotted(text.encode("utf-8", "replace")))

    def close(self) -> None:
        """Write the end of what did not fit, and close."""
        if self._left_out:
            said = f"{self._left_out} bytes are left out here"
            self._stream.write(_record("-", "note", said.encode()))
        for record in self._tail:
            self._stream.write(record)
        os.fsync(self._stream.fileno())
        self._stream.close()

    def _blotted(self, line: bytes) -> bytes:
        for secret in self._secrets:
            line = line.replace(secret, BLOT)
        return line

    def _line(self, step: str, stream: str, text: bytes) -> None:
        for start in range(0, max(len(text), 1), LONGEST_LINE_BYTES):
            self._write(_record(step, stream, text[start : start + LONGEST_LINE_BYTES]))

    def _write(self, record: bytes) -> None:
        if not self._is_full and len(record) <= self._room:
            self._stream.write(record)
            self._room -= len(record)
            return
        if not self._is_full:
            self._is_full = True
            said = b"no more is kept from here on but the end, once it is over"
            self._stream.write(_record("-", "note", said))
        self._tail.append(record)
        self._tail_bytes += len(record)
        while self._tail_bytes > TAIL_BYTES:
            gone = len(self._tail.popleft())
            self._tail_bytes -= gone
            self._left_out += gone


def read_log(
    path: Path,
    *,
    follow: bool,
    is_over: Callable[[], bool],
    stop: Callable[[], bool],
) -> Iterator[LogLine]:
    """The lines of a log; with `follow`, those that are still to come.

    Raises:
        MalformedInput: it cannot be read.
    """
    try:
        while not path.exists():
            if not follow or stop() or is_over():
                return
            time.sleep(_FOLLOW_SECONDS)
        with open(path, "rb") as stream:
            rest = b""
            while not stop():
                was_over = not follow or is_over()
                while line := stream.readline(2 * LONGEST_LINE_BYTES):
                    rest += line
                    if rest.endswith(b"\n"):
                        yield _parsed(rest)
                        rest = b""
                if was_over:
                    return
                time.sleep(_FOLLOW_SECONDS)
    except OSError as cause:
        raise MalformedInput(f"cannot read {path}: {cause.strerror}") from cause


def _record(step: str, stream: str, text: bytes) -> bytes:
    now = time.time_ns() // 1_000_000
    return b"%d %b %b %b\n" % (now, stream.encode(), step.encode(), text)


def _parsed(record: bytes) -> LogLine:
    parts = record[:-1].decode("utf-8", "replace").split(" ", 3)
    try:
        at = _EPOCH + timedelta(milliseconds=int(parts[0]))
        return LogLine(parts[2], parts[1], at, parts[3])
    except (IndexError, ValueError, OverflowError):
        return LogLine("-", "note", _EPOCH, record[:-1].decode("utf-8", "replace"))
