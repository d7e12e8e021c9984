"""Git repositories and bundles: every reachable commit, read by git itself.

Nothing of a repository is trusted: no hooks, no program that its configuration names,
no configuration of the system or user, no transport but local files, and names never
stand where an option could.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.git_branches import LIST_BRANCHES, branch_facts
from connectors.named_source import NamedSource
from connectors.parsing import without_userinfo
from connectors.protocols import KnownState
from store.facts import Fact, FactKind
from store.identifiers import commit_key, repository_key

TIMEOUT_SECONDS = 300.0
MOST_COMMITS = 5_000_000
LONGEST_SUBJECT = 2_000
_FORMAT = "%H%x00%P%x00%ae%x00%ce%x00%ct%x00%s"
_FIELDS = 6
_PIECE_BYTES = 1024**2
_LONGEST_RECORD_BYTES = 16 * 1024**2
_SAFE = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.pager=cat"),
    *("-c", "log.showSignature=false"),
    *("-c", "gpg.program=false"),
    *("-c", "gpg.ssh.program=false"),
    *("-c", "gpg.x509.program=false"),
    *("-c", "safe.directory=*"),
)


class GitSource(NamedSource):
    """A repository folder (bare or not) or a bundle file."""

    def __init__(self, name: str, path: Path, *, repository: str = "") -> None:
        super().__init__(name)
        self._path = path
        self._repository = repository

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        with self._folder() as folder:
            address = self._repository or self._remote(folder) or self._name
            repository = repository_key(address)
            fields: list[str] = []
            for field in _fields(folder, self._path):
                fields.append(field)
                if len(fields) == _FIELDS:
                    self._tally.accepted += 1
                    if self._tally.accepted > MOST_COMMITS:
                        raise ConnectorRefused(
                            f"{self._path} has more than {MOST_COMMITS} commits"
                        )
                    yield _commit(fields, repository)
                    fields = []
            if fields and fields != [""]:
                raise MalformedInput(f"{self._path}: git listed half a commit")
            yield from branch_facts(_run(folder, *LIST_BRANCHES), repository)
        if not self._tally.accepted and self._path.is_file():
            raise MalformedInput(
                f"git cannot read a single commit from {self._path}",
                hint="Make the bundle again: git bundle create FILE --all",
            )

    def _remote(self, folder: Path) -> str:
        """Where a clone came from, without credentials; empty for a bundle."""
        if self._path.is_file():
            return ""
        told = _run(folder, "config", "--get", "remote.origin.url", accept=(0, 1))
        return without_userinfo(told.decode("utf-8", "replace").strip())

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        if not self._path.is_file():
            yield self._path
            return
        with tempfile.TemporaryDirectory(prefix="countersign-git-") as folder:
            target = Path(folder) / "bundle.git"
            _run(
                Path(folder),
                "clone",
                "--mirror",
                "--quiet",
                "--template=",
                "--",
                str(self._path.resolve()),
                str(target),
            )
            yield target


def _commit(fields: list[str], repository: str) -> Fact:
    sha, parents, author, committer, moment, subject = fields
    return Fact(
        kind=FactKind.COMMIT,
        subject=commit_key(sha),
        object=repository,
        name=subject[:LONGEST_SUBJECT],
        text=json.dumps(parents.split()),
        digest=sha,
        actor=" ".join(
            dict.fromkeys(f"git:{_one_word(who)}" for who in (author, committer))
        ),
        started=_moment(moment),
    )


def _one_word(address: str) -> str:
    """An e-mail address that cannot pass for two names."""
    return "".join(address.split())


def _moment(seconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _fields(folder: Path, path: Path) -> Iterator[str]:
    """The NUL-separated fields of all commits, as git writes them."""
    command = ("log", "--all", "-z", f"--format={_FORMAT}", "--encoding=UTF-8")
    rest = b""
    for piece in _output(
        folder,
        *command,
        "--no-show-signature",
        "--no-mailmap",
        "--no-notes",
        "--no-color",
        "--no-patch",
        "--",
    ):
        *whole, rest = (rest + piece).split(b"\x00")
        if len(rest) > _LONGEST_RECORD_BYTES:
            raise MalformedInput(f"{path}: a commit is larger than can be read")
        for field in whole:
            yield field.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def _run(folder: Path, *arguments: str, accept: tuple[int, ...] = (0,)) -> bytes:
    return b"".join(_output(folder, *arguments, accept=accept))


def _output(
    folder: Path, *arguments: str, accept: tuple[int, ...] = (0,)
) -> Iterator[bytes]:
    """What git writes, piece by piece; no silence may last longer than is allowed."""
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
        "LC_ALL": "C.UTF-8",
    }
    command = ["git", "--no-pager", *_SAFE, "-C", str(folder), *arguments]
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(  # noqa: S603 - a fixed program, no shell
                command,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=environment,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError as cause:
            raise ConnectorRefused(
                "git is not installed", hint="Install git and try again."
            ) from cause
        with process:
            try:
                yield from _pieces(process.stdout)
                code = process.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired as cause:
                raise ConnectorUnavailable("git took too long") from cause
            finally:
                process.kill()
        if code not in accept:
            complaints.seek(0)
            said = complaints.read(10_000).decode("utf-8", "replace").split("\n")
            reason = next(
                (line for line in reversed(said) if line.strip()), "no reason"
            )
            raise MalformedInput(
                f"git cannot read {folder}: {reason[:200]}",
                hint="Give a repository, or a bundle: git bundle create F --all",
            )


def _pieces(stream: IO[bytes] | None) -> Iterator[bytes]:
    if stream is None:
        return
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(TIMEOUT_SECONDS):
                raise ConnectorUnavailable("git took too long")
            piece = os.read(stream.fileno(), _PIECE_BYTES)
            if not piece:
                return
            yield piece


def read_git(folder: Path, *arguments: str, accept: tuple[int, ...] = (0,)) -> bytes:
    """What one git command writes; nothing that a repository says is obeyed.

    Raises:
        ConnectorError: git cannot do it, or is not there.
    """
    return _run(folder, *arguments, accept=accept)
