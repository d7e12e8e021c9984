"""Remembered heads: what this machine has seen of a log, which no rebuild forgets.

A history that does not extend a remembered head is refused. The file is only ever
appended to, one JSON line a head, fsynced.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from store.errors import StoreUnavailable
from store.objects import is_sha256_hex


@dataclass(frozen=True, slots=True)
class Head:
    """The first `size` entries of a log, by their Merkle root."""

    size: int
    root: str
    """Merkle root, hex."""


class RememberedHeads:
    """The heads one machine has verified for one store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def newest(self) -> Head | None:
        """The largest head seen, or None on a machine that has seen none."""
        best: Head | None = None
        for line in self._lines():
            head = _parse(line)
            if head is not None and (best is None or head.size > best.size):
                best = head
        return best

    def remember(self, head: Head) -> None:
        """Append a head durably, unless it is the newest one already."""
        if self.newest() == head:
            return
        line = json.dumps({"size": head.size, "root": head.root})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "ab") as stream:
                stream.write(line.encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as cause:
            raise StoreUnavailable(
                f"cannot remember the head in {self._path}: {cause.strerror}",
                hint="Free space or set COUNTERSIGN_DATA to a folder you can write.",
            ) from cause

    def _lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []


def _parse(line: bytes) -> Head | None:
    """A head, or None for a line that a crash cut short."""
    try:
        raw = json.loads(line)
        head = Head(int(raw["size"]), str(raw["root"]))
    except (ValueError, KeyError, TypeError):
        return None
    return head if is_sha256_hex(head.root) and head.size >= 0 else None
