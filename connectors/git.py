"""Git repositories and bundles: every reachable commit, read by git itself.

Nothing of a repository is trusted: no hooks, no configuration of the system or user,
no transport but local files, and names never stand where an option could.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.protocols import KnownState, Tally
from store.facts import Fact, FactKind
from store.identifiers import commit_key, repository_key

TIMEOUT_SECONDS = 300
_FORMAT = "%H%x1f%P%x1f%an%x1f%ae%x1f%cn%x1f%ce%x1f%ct%x1f%s%x1e"


class GitSource:
    """A repository folder (bare or not) or a bundle file."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path
        self._tally = Tally()

    @property
    def name(self) -> str:
        """See FactSource."""
        return self._name

    @property
    def tally(self) -> Tally:
        """See FactSource."""
        return self._tally

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        with self._repository() as folder:
            text = _git(folder, "log", "--all", f"--format={_FORMAT}")
            for record in text.split("\x1e"):
                if record.strip():
                    self._tally.accepted += 1
                    yield self._commit(record.lstrip("\n"))

    def _commit(self, record: str) -> Fact:
        fields = record.split("\x1f")
        if len(fields) < 8:
            raise MalformedInput(f"{self._path}: git listed a commit in an odd form")
        sha, parents, _, email, _, committer, moment, *subject = fields
        return Fact(
            kind=FactKind.COMMIT,
            subject=commit_key(sha),
            object=repository_key(self._name),
            name="\x1f".join(subject),
            text=parents,
            digest=sha,
            actor=" ".join(dict.fromkeys((f"git:{email}", f"git:{committer}"))),
            started=_moment(moment),
        )

    @contextlib.contextmanager
    def _repository(self) -> Iterator[Path]:
        if not self._path.is_file():
            yield self._path
            return
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "bundle.git"
            _git(
                Path(folder),
                "clone",
                "--bare",
                "--quiet",
                "--no-tags",
                "--template=",
                "--",
                str(self._path.resolve()),
                str(target),
            )
            yield target


def _moment(seconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file",
        "LC_ALL": "C.UTF-8",
    }
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*"]
    command += ["-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        finished = subprocess.run(  # noqa: S603 - a fixed program, no shell
            command,
            capture_output=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError as cause:
        raise ConnectorRefused(
            "git is not installed", hint="Install git and try again."
        ) from cause
    except subprocess.TimeoutExpired as cause:
        raise ConnectorUnavailable("git took too long") from cause
    if finished.returncode:
        said = finished.stderr.decode("utf-8", "replace").strip().splitlines()
        raise MalformedInput(
            f"git cannot read {folder}: {said[-1][:200] if said else 'no reason given'}",
            hint="Give a repository, or a bundle: git bundle create F --all",
        )
    return finished.stdout.decode("utf-8", "replace")
