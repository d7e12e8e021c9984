"""What a run left behind: the files below its folder that are new or were changed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from connectors.errors import ConnectorError
from connectors.pipelines.checkout import files_below, sha256_of
from connectors.pipelines.protocols import PlannedFile

MOST_OUTPUTS = 1_000


def files_seen(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file below a folder."""
    found = {}
    for path in files_below(folder):
        with contextlib.suppress(OSError):
            seen = (folder / path).lstat()
            found[path] = (seen.st_size, seen.st_mtime_ns)
    return found


def files_made(
    folder: Path, before: Mapping[str, tuple[int, int]]
) -> tuple[tuple[PlannedFile, ...], str]:
    """Files that are new or changed; and what is to be said of those left out."""
    found: list[PlannedFile] = []
    changed = [p for p, seen in files_seen(folder).items() if before.get(p) != seen]
    for path in sorted(changed)[:MOST_OUTPUTS]:
        with contextlib.suppress(ConnectorError):
            if (folder / path).is_file() and not (folder / path).is_symlink():
                found.append(PlannedFile(path, path, *sha256_of(folder / path)))
    left_out = len(changed) - MOST_OUTPUTS
    return tuple(found), f"{left_out} more files are not told" if left_out > 0 else ""
