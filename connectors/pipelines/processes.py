"""Processes of a launch: which they are, and ending them all.

A process id is reused, so a process is known by its id and the time it started. What
leaves its process group is found by a mark that its environment carries.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import ConnectorUnavailable

MARK = "COUNTERSIGN_LAUNCH"
"""Variable that every process of a launch inherits."""
_PROC = Path("/proc")
_TURN_SECONDS = 0.05
_KILL_SECONDS = 15.0
_MOST_ENVIRONMENT_BYTES = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was seen, so that another with its id is told apart."""

    id: int
    started: str
    """When, as the system counts it; empty where it does not say."""


def this_process(process_id: int) -> Process:
    """A process by its id, as it is now."""
    return Process(process_id, _started(process_id))


def living(leader: Process, mark: str) -> list[int]:
    """Ids of the processes that belong to a launch.

    `leader` led the process group that they began in; its id is 0 if none was noted.
    """
    mine = os.getpid()
    if _PROC.joinpath("self/stat").exists():
        return [
            pid
            for pid in _all_ids()
            if pid != mine and _belongs(pid, leader, mark) and not _is_zombie(pid)
        ]
    return _listed_by_ps(leader.id) if leader.id > 0 else []


def end_all(
    find: Callable[[], list[int]], leader: Process, *, grace_seconds: float
) -> None:
    """Ask every process to end, kill those that do not, and see that they are gone.

    Raises:
        ConnectorUnavailable: some are left all the same.
    """
    _signal(find(), leader, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while (left := find()) and time.monotonic() < deadline:
        time.sleep(_TURN_SECONDS)
    deadline = time.monotonic() + _KILL_SECONDS
    while left and time.monotonic() < deadline:
        _signal(left, leader, signal.SIGKILL)
        time.sleep(_TURN_SECONDS)
        left = find()
    if left:
        raise ConnectorUnavailable(
            f"processes {', '.join(map(str, left[:10]))} do not end",
            hint="Look at what they wait for; then cancel again.",
        )


def _signal(processes: list[int], leader: Process, which: signal.Signals) -> None:
    if leader.id > 0 and any(_group(pid) == leader.id for pid in processes):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.id, which)
    for pid in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, which)


def _all_ids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]


def _belongs(pid: int, leader: Process, mark: str) -> bool:
    fields = _stat(pid)
    if not fields:
        return False
    if leader.id > 0 and str(leader.id) in (fields[2], fields[3]):
        return _is_not_older(fields[19], leader.started)
    try:
        with open(_PROC / str(pid) / "environ", "rb") as stream:
            told = stream.read(_MOST_ENVIRONMENT_BYTES)
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in told.split(b"\0")


def _is_not_older(started: str, leader: str) -> bool:
    """Whether a process can have come of a leader: group ids are reused too."""
    return not leader or int(started) >= int(leader)


def _stat(pid: int) -> list[str]:
    """Fields of the system's account of a process, from its state on."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _started(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] in ("Z", "X")


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return 0


def _listed_by_ps(leader: int) -> list[int]:
    """Members of a process group where there is no /proc."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat="],  # noqa: S607 - the system's own
        capture_output=True,
        check=False,
        timeout=_KILL_SECONDS,
    ).stdout.decode("ascii", "replace")
    found = [line.split() for line in listed.splitlines()]
    return [
        int(pid)
        for pid, group, state, *_ in found
        if group == str(leader) and not state.startswith("Z")
    ]
