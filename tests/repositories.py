"""Git repositories made by git itself, with fixed people and times, signed or not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "Bo",
    "GIT_COMMITTER_EMAIL": "bo@example.org",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:06Z",
}


def git(folder: Path, *arguments: str, **changed: str) -> str:
    """What a command of git prints."""
    return git_fed(folder, b"", *arguments, **changed).decode().strip()


def git_fed(folder: Path, given: bytes, *arguments: str, **changed: str) -> bytes:
    """What a command of git writes when it is given bytes."""
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        input=given,
        env={**ENVIRONMENT, **changed},
    ).stdout


def new_repository(folder: Path, *options: str) -> Path:
    """An empty repository whose branch is main."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main", *options)
    return folder


def committed(folder: Path, message: str, **files: str) -> str:
    """Commit some files, without a signature; the new commit's id."""
    for name, text in files.items():
        (folder / name).write_text(text)
        git(folder, "add", "--", name)
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def signed_commit(folder: Path, key: Path, message: str = "signed", **who: str) -> str:
    """Commit with a signature by an SSH key; the new commit's id."""
    git(
        folder,
        *("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}"),
        *("commit", "-q", "--allow-empty", "-S", "-m", message),
        **who,
    )
    return git(folder, "rev-parse", "HEAD")


def raw_commit(folder: Path, sha: str) -> bytes:
    """A commit as git stores it."""
    return git_fed(folder, b"", "cat-file", "commit", sha)


def written_commit(folder: Path, data: bytes) -> str:
    """Store bytes as a commit, whatever they are, and let main point at it."""
    writing = ("hash-object", "-t", "commit", "--literally", "-w", "--stdin")
    sha = git_fed(folder, data, *writing).decode().strip()
    git(folder, "update-ref", "refs/heads/main", sha)
    return sha
