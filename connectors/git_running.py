"""Running git on a repository that nobody vouches for, with bounds on what it may take.

No hooks, no program that the repository's configuration names, no configuration of the
system or user, no transport but local files, no objects put in the place of others.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput

TIMEOUT_SECONDS = 300.0
_PIECE_BYTES = 1024**2
_SAFE = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.pager=cat"),
    *("-c", "core.commitGraph=false"),
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "core.bigFileThreshold=16m"),
    *("-c", "log.showSignature=false"),
    *("-c", "gpg.program=false"),
    *("-c", "gpg.ssh.program=false"),
    *("-c", "gpg.x509.program=false"),
    *("-c", "safe.directory=*"),
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a run of git may take."""

    silent_seconds: float | None = None
    """Between two pieces of output; None: TIMEOUT_SECONDS."""
    seconds: float | None = None
    """Altogether; None: as long as it says something."""
    output_bytes: int | None = None


UNBOUNDED = Bounds()
"""As much as there is, as long as git says something."""


def run(
    folder: Path,
    *arguments: str,
    accept: tuple[int, ...] = (0,),
    bounds: Bounds = UNBOUNDED,
) -> bytes:
    """All that one command of git writes.

    Raises:
        ConnectorError: see output.
    """
    return b"".join(output(folder, arguments, accept=accept, bounds=bounds))


def output(
    folder: Path,
    *commands: Sequence[str],
    accept: tuple[int, ...] = (0,),
    bounds: Bounds = UNBOUNDED,
) -> Iterator[bytes]:
    """What git writes, piece by piece; each command reads what the one before wrote.

    Raises:
        ConnectorRefused: git is not installed, or writes more than is allowed.
        ConnectorUnavailable: it takes too long.
        MalformedInput: it cannot read the repository.
    """
    with tempfile.TemporaryFile() as complaints:
        with _started(folder, commands, complaints) as processes:
            yield from _pieces(processes[-1].stdout, bounds)
            codes = [_ended(process) for process in processes]
        if codes[0] not in accept or any(codes[1:]):
            complaints.seek(0)
            said = complaints.read(10_000).decode("utf-8", "replace").split("\n")
            reason = next(
                (line for line in reversed(said) if line.strip()), "no reason"
            )
            raise MalformedInput(
                f"git cannot read {folder}: {reason[:200]}",
                hint="Give a repository, or a bundle: git bundle create F --all",
            )


@contextlib.contextmanager
def _started(
    folder: Path, commands: Sequence[Sequence[str]], complaints: IO[bytes]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes, one behind the other; none outlives this."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
    }
    with contextlib.ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        for command in commands:
            before = processes[-1].stdout if processes else None
            try:
                process = subprocess.Popen(  # noqa: S603 - a fixed program, no shell
                    ["git", "--no-pager", *_SAFE, "-C", str(folder), *command],  # noqa: S607 - as installed
                    stdin=before or subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    env=environment,
                )
            except FileNotFoundError as cause:
                raise ConnectorRefused(
                    "git is not installed", hint="Install git and try again."
                ) from cause
            stack.enter_context(process)
            stack.callback(process.kill)
            if before is not None:
                before.close()
            processes.append(process)
        yield processes


def _ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as cause:
        raise ConnectorUnavailable("git took too long") from cause


def _pieces(stream: IO[bytes] | None, bounds: Bounds) -> Iterator[bytes]:
    if stream is None:
        return
    silent = bounds.silent_seconds or TIMEOUT_SECONDS
    end = time.monotonic() + bounds.seconds if bounds.seconds else None
    total = 0
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            left = silent if end is None else min(silent, end - time.monotonic())
            if left <= 0 or not selector.select(left):
                raise ConnectorUnavailable("git took too long")
            piece = os.read(stream.fileno(), _PIECE_BYTES)
            if not piece:
                return
            total += len(piece)
            if bounds.output_bytes is not None and total > bounds.output_bytes:
                raise ConnectorRefused(
                    f"git writes more than {bounds.output_bytes} bytes"
                )
            yield piece
