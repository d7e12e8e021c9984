"""What an auditor knows from elsewhere, and the file must agree with.

A head obtained by another way, witnesses, and an earlier file of the same log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from console.reports.members import (
    LARGEST_FILE_BYTES,
    MemberBackend,
    members_of,
    read_zip,
)
from console.services.opened import OpenStore, rfc3339
from policies.checkpoint import read_checkpoint
from policies.errors import PolicyError
from policies.notes import VerifierKey
from store.backend import entry_path
from store.merkle import leaf_hash


@dataclass(frozen=True, slots=True)
class Demands:
    """What the verifier knows from elsewhere and the file must agree with."""

    head: bytes | None = None
    """A checkpoint that the log must extend."""
    witnesses: tuple[VerifierKey, ...] = ()
    """Each must have cosigned the head in the file."""
    since: Path | None = None
    """An earlier file whose log must be the beginning of this one's."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A witness's word on the head in the file."""

    name: str
    at: str
    """The time it claims."""


def check_witnesses(checkpoint: bytes, witnesses: tuple[VerifierKey, ...]) -> list[str]:
    """Name each witness that has not cosigned the head."""
    if not witnesses:
        return []
    head = read_checkpoint(checkpoint)
    return [
        f"the head of {head.size} entries is not cosigned by the witness {witness}"
        for witness in witnesses
        if head.cosigned_at(witness) is None
    ]


def witnessed(
    checkpoint: bytes, witnesses: tuple[VerifierKey, ...]
) -> tuple[Witnessed, ...]:
    """What the witnesses say, of those whose signatures are good."""
    try:
        head = read_checkpoint(checkpoint)
    except PolicyError:
        return ()
    return tuple(
        Witnessed(witness.name, rfc3339(datetime.fromtimestamp(at, UTC)))
        for witness in witnesses
        if (at := head.cosigned_at(witness)) is not None
    )


def _entries_of(path: Path) -> list[bytes]:
    """The log in an earlier file, entry by entry."""
    backend = MemberBackend(members_of(read_zip(path)))
    entries: list[bytes] = []
    while (data := _entry(backend, len(entries))) is not None:
        entries.append(data)
    return entries


def _entry(backend: MemberBackend, index: int) -> bytes | None:
    return backend.read(entry_path(index), at_most=LARGEST_FILE_BYTES)


def size_of(path: Path) -> int:
    """How many entries the log in a file has."""
    return len(_entries_of(path))


def check_extends(store: OpenStore, since: Path | None) -> list[str]:
    """Hold the log against that of an earlier file, by the bytes of its entries."""
    if since is None:
        return []
    leaves = [leaf_hash(entry) for entry in _entries_of(since)]
    if not leaves:
        return [f"{since} holds no log"]
    if len(leaves) > store.index.size:
        return [f"the earlier file has {len(leaves)} entries, this {store.index.size}"]
    return [
        f"entry {entry.index} is another one than in the earlier file"
        for entry, leaf in zip(store.index.entries(0, len(leaves)), leaves, strict=True)
        if entry.leaf != leaf
    ][:1]
