"""What lies between two commits of a repository: commits, and files with their lines.

Two trees are compared, and nothing is checked out, converted or run. Files that changed
and their contents' ids depend on the commits alone; counts of lines are git's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from connectors.errors import ConnectorError, ConnectorRefused, MalformedInput
from connectors.git_objects import raw_commits
from connectors.git_running import Bounds, run
from connectors.protocols import ChangedPath, CodeComparison, ListedCommit
from store.git_commit import read_headers

MOST_LISTED = 50
MOST_FILES = 2_000
_BOUNDS = Bounds(silent_seconds=20, seconds=40, output_bytes=64 * 1024**2)
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TREES = ("diff-tree", "-r", "-z", "--no-renames", "--no-ext-diff", "--no-textconv")
_LONGEST_SUBJECT = 200
_SUBMODULE = "160000"


def compare_commits(folder: Path, before: str, after: str) -> CodeComparison:
    """What the commit `after` has that `before` has not, and the other way round.

    Raises:
        ConnectorRefused: the repository lacks one of them, or does not reach back.
        ConnectorError: git cannot read it, or takes too long.
    """
    for sha in (before, after):
        if not _SHA.fullmatch(sha):
            raise ConnectorRefused(f"{sha[:64]!r} is no full commit id")
        _require(folder, sha)
    if run(folder, "rev-parse", "--is-shallow-repository").strip() != b"false":
        raise ConnectorRefused(
            f"{folder} holds only a part of its history",
            hint="Fetch the rest: git fetch --unshallow",
        )
    span = f"{before}...{after}"
    told = run(
        folder, "rev-list", "--count", "--left-right", span, "--", bounds=_BOUNDS
    )
    missing, commits = (int(number) for number in told.split())
    files = list(_changed(folder, before, after))
    lines = _lines(folder, before, after)
    return CodeComparison(
        before=before,
        after=after,
        commits=commits,
        missing=missing,
        listed=tuple(_listed(folder, before, after)),
        files=tuple(_with_lines(file, lines) for file in files[:MOST_FILES]),
        all_files=len(files),
    )


def _require(folder: Path, sha: str) -> None:
    try:
        kind = run(folder, "cat-file", "-t", sha)
    except MalformedInput as cause:
        raise ConnectorRefused(f"{folder} has no commit {sha[:12]}") from cause
    if kind.strip() != b"commit":
        raise ConnectorRefused(f"{sha[:12]} is no commit")


def _listed(folder: Path, before: str, after: str) -> Iterator[ListedCommit]:
    """The newest commits between, each held to its id."""
    wanted = (f"--max-count={MOST_LISTED}", after, f"^{before}")
    for sha, data in raw_commits(folder, wanted, _BOUNDS):
        headers = read_headers(data)
        yield ListedCommit(sha, headers.subject[:_LONGEST_SUBJECT], headers.author)


def _changed(folder: Path, before: str, after: str) -> Iterator[ChangedPath]:
    told = run(
        folder, *_TREES, "--raw", "--no-abbrev", before, after, "--", bounds=_BOUNDS
    )
    parts = told.split(b"\x00")
    for header, path in zip(parts[0:-1:2], parts[1::2], strict=False):
        old_mode, new_mode, old, new, *_ = header.decode("ascii", "replace").split(" ")
        yield ChangedPath(
            path=path.decode("utf-8", "backslashreplace"),
            before=_present(old),
            after=_present(new),
            is_submodule=_SUBMODULE in (old_mode.lstrip(":"), new_mode),
        )


def _present(object_id: str) -> str:
    """An object's id; empty where git writes zeros for nothing."""
    return object_id if object_id.strip("0") else ""


def _lines(folder: Path, before: str, after: str) -> dict[str, tuple[int, int]]:
    """Lines added and removed by path, where git counts them; empty where it cannot."""
    try:
        told = run(folder, *_TREES, "--numstat", before, after, "--", bounds=_BOUNDS)
    except ConnectorError:
        return {}
    found: dict[str, tuple[int, int]] = {}
    for record in told.split(b"\x00"):
        added, _, rest = record.partition(b"\t")
        removed, _, path = rest.partition(b"\t")
        if added.isdigit() and removed.isdigit():
            name = path.decode("utf-8", "backslashreplace")
            found[name] = (int(added), int(removed))
    return found


def _with_lines(file: ChangedPath, lines: dict[str, tuple[int, int]]) -> ChangedPath:
    if file.path not in lines or file.is_submodule:
        return file
    added, removed = lines[file.path]
    return ChangedPath(file.path, file.before, file.after, False, added, removed)
