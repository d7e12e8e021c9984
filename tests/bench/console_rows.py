"""Budgets of the console: its first frame, and a key until something is painted."""

from __future__ import annotations

import os
import pty
import select
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.table import REPEATS, Row

KEYS = 60
_QUIET_SECONDS = 0.05
_PATIENCE_SECONDS = 60.0


def console_rows(
    store: Path, variables: Mapping[str, str], named: str, *, has_runs: bool
) -> list[Row]:
    """First frame of a new process in a real terminal; and a step down its list of
    runs, where there is one."""
    command = [sys.executable, "-m", "console", "--store", str(store)]
    taken = [_first_frame(command, variables) for _ in range(REPEATS + 1)][1:]
    frame = f"{statistics.median(taken):.2f} s"
    rows = [Row(f"console, first useful frame ({named})", "<= 0.7 s", frame, "")]
    if has_runs:
        painted = _keys(command, variables)
        worst = statistics.quantiles(painted, n=20)[-1]
        middle = f"the middle one {statistics.median(painted) * 1000:.0f} ms"
        rows.append(
            Row(
                f"key to paint, p95 of {KEYS} steps down the runs ({named})",
                "<= 50 ms",
                f"{worst * 1000:.0f} ms",
                middle,
            )
        )
    return rows


class _Terminal:
    """The console in a terminal of 80 by 24."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def wait_for(self, word: bytes, patience: float = _PATIENCE_SECONDS) -> None:
        """Read until a word was painted."""
        seen, deadline = b"", time.monotonic() + patience
        while word not in seen:
            if time.monotonic() > deadline:
                raise SystemExit(f"the console never painted {word.decode()}")
            seen += self._painted(1.0)

    def press(self, key: bytes) -> float:
        """Seconds from a key to the first thing painted for it; waits for the rest."""
        while self._painted(_QUIET_SECONDS):
            """Until what was painted before has come."""
        pressed = time.perf_counter()
        os.write(self._descriptor, key)
        if not self._painted(_PATIENCE_SECONDS):
            raise SystemExit(f"the key {key.decode()} painted nothing")
        return time.perf_counter() - pressed

    def _painted(self, seconds: float) -> bytes:
        """What comes within a time, or nothing."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return b""
        try:
            return os.read(self._descriptor, 65_536)
        except OSError as cause:
            raise SystemExit("the console ended before it was left") from cause


@contextmanager
def terminal(command: list[str], variables: Mapping[str, str]) -> Iterator[_Terminal]:
    """A process in a terminal; it is left at the end."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.environ.clear()
        os.environ.update(variables, TERM="xterm-256color", COLUMNS="80", LINES="24")
        os.execv(sys.executable, command)  # noqa: S606 - this very program
    try:
        yield _Terminal(descriptor)
    finally:
        os.write(descriptor, b"q")
        try:
            while os.read(descriptor, 65_536):
                """Until it has left."""
        except OSError:
            os.close(descriptor)
        os.waitpid(pid, 0)


def _first_frame(command: list[str], variables: Mapping[str, str]) -> float:
    started = time.perf_counter()
    with terminal(command, variables) as screen:
        screen.wait_for(b"Overview")
        return time.perf_counter() - started


def _keys(command: list[str], variables: Mapping[str, str]) -> list[float]:
    with terminal(command, variables) as screen:
        screen.wait_for(b"Overview")
        screen.press(b"4")
        screen.wait_for(b"STARTED")
        time.sleep(1.0)
        return [screen.press(b"j") for _ in range(KEYS + 1)][1:]
