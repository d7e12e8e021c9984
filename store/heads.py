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

    def all(self) -> list[Head]:
        """Every head seen that still counts, smallest first."""
        heads: dict[int, Head] = {}
        for line in self._lines():
            restored = _parse_restored(line)
            if restored is not None:
                heads = {size: h for size, h in heads.items() if size <= restored}
            head = _parse(line)
            if head is not None:
                heads[head.size] = head
        return [heads[size] for size in sorted(heads)]

    def newest(self) -> Head | None:
        """The largest head seen, or None on a machine that has seen none."""
        heads = self.all()
        return heads[-1] if heads else None

    def remember(self, head: Head) -> None:
        """Append a head durably, unless it is the newest one already."""
        if self.newest() != head:
            self._append({"size": head.size, "root": head.root})

    def forget_above(self, restored_size: int) -> None:
        """Let heads above a size count no longer: their history was given up."""
        self._append({"restored": restored_size})

    def _append(self, values: dict[str, object]) -> None:
        line = json.dumps(values)
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


def _parse_restored(line: bytes) -> int | None:
    try:
        return int(json.loads(line)["restored"])
    except (ValueError, KeyError, TypeError):
        return None


def _parse(line: bytes) -> Head | None:
    """A head, or None for a line that a crash cut short."""
    try:
        raw = json.loads(line)
        head = Head(int(raw["size"]), str(raw["root"]))
    except (ValueError, KeyError, TypeError):
        return None
    return head if is_sha256_hex(head.root) and head.size >= 0 else None
