"""How the store learns what an entry is worth: a judge is handed to it from above.

The store keeps bytes in order and knows nothing of keys or roles; whoever opens it
supplies a judge that decides whether an entry counts, from the entry's bytes, the
entries before it and objects named by digest, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Standing(StrEnum):
    """What an entry counts for."""

    ACCEPTED = "accepted"
    VOID = "void"
    """Keeps its index and its leaf, and changes nothing."""
    UNKNOWN = "unknown"
    """Well signed, of a type or version this program does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The judge's word on one entry."""

    standing: Standing
    reason: str = ""
    """Why it is void or unknown, for a person."""
    statement_id: str = ""
    """SHA-256 of the signed bytes (the PAE), hex; empty for what is no envelope."""
    predicate_type: str = ""
    signer: str = ""
    """Id of the person or service whose key made the signature."""
    topics: tuple[str, ...] = ()
    """Names under which this entry is looked up again."""
    batch: str = ""
    """Digest of the object of lineage facts it commits, if it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedEntry:
    """One entry as this machine has judged it."""

    index: int
    leaf: bytes
    judgement: Judgement


class History(Protocol):
    """What a judge may ask about the entries before the one it judges."""

    @property
    def size(self) -> int:
        """How many entries there are."""
        ...

    def root_at(self, size: int) -> bytes:
        """Merkle root of the first `size` entries."""
        ...

    def find_statement(self, statement_id: str) -> IndexedEntry | None:
        """The accepted entry of a statement."""
        ...

    def on_topic(self, topic: str) -> list[IndexedEntry]:
        """Entries filed under a topic, in log order."""
        ...

    def entry_bytes(self, index: int) -> bytes:
        """The exact bytes of an earlier entry."""
        ...

    def object(self, digest: str) -> bytes | None:
        """An object by its SHA-256, or None."""
        ...


class LostHistory(Protocol):
    """A stretch of history that those entitled to have given up."""

    @property
    def restored_size(self) -> int:
        """Entries that what is there and what was lost have in common."""
        ...

    @property
    def restored_root(self) -> str:
        """Merkle root of those, hex."""
        ...

    @property
    def lost_size(self) -> int:
        """Entries that the largest known head of the lost history covers."""
        ...

    @property
    def lost_root(self) -> str:
        """Merkle root of that head, hex."""
        ...

    @property
    def index(self) -> int:
        """Entry that gave it up."""
        ...


class Judge(Protocol):
    """Decides what entries are worth, in log order."""

    def restore(self, entries: list[tuple[int, bytes]], history: History) -> None:
        """Take up the state that earlier accepted entries of `state_topics` left."""
        ...

    @property
    def state_topics(self) -> tuple[str, ...]:
        """The topics whose entries a judge needs to go on from the middle."""
        ...

    @property
    def abandoned(self) -> Sequence[LostHistory]:
        """Histories that were given up after a backup was restored."""
        ...

    def judge(self, index: int, data: bytes, history: History) -> Judgement:
        """Judge the entry at `index` and take its effect into the state."""
        ...
