"""Checkpoints: signed heads in the form of C2SP tlog-checkpoint.

Source: c2sp.org/tlog-checkpoint. The log key is an Ed25519 key of a service named in
the trust root; witnesses add lines of their own (policies.notes).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from policies.dsse import canonical_base64
from policies.errors import MalformedStatement
from policies.keys import PublicKey
from policies.notes import (
    LARGEST_NOTE_BYTES,
    Note,
    SignatureLine,
    VerifierKey,
    cosign_note,
    is_key_name,
    note_key,
    read_note,
    sign_note,
)
from store.key_algorithms import Algorithm

LARGEST_CHECKPOINT_BYTES = LARGEST_NOTE_BYTES
_MOST_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of a log, and the lines that sign it."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[SignatureLine, ...]

    @property
    def body(self) -> bytes:
        """The signed text."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\n".encode()

    @property
    def note(self) -> Note:
        """The checkpoint as the note it is."""
        return Note(self.body, self.signatures)

    def to_bytes(self) -> bytes:
        """The checkpoint as it is stored."""
        return self.note.to_bytes()

    def is_signed_by(self, keys: Iterable[PublicKey]) -> bool:
        """Whether a line by one of the keys, under the origin's name, verifies."""
        return is_key_name(self.origin) and any(
            self.note.is_signed_by(note_key(self.origin, key))
            for key in keys
            if key.algorithm is Algorithm.ED25519
        )

    def cosigned_at(self, witness: VerifierKey) -> int | None:
        """When a witness says it saw this head; None without its good signature."""
        return self.note.cosigned_at(witness)

    def with_lines(self, lines: tuple[SignatureLine, ...]) -> Checkpoint:
        """The same head with further lines."""
        merged = self.note.with_lines(lines).signatures
        return Checkpoint(self.origin, self.size, self.root, merged)

    def cosigned(
        self, witness: VerifierKey, at: int, sign: Callable[[bytes], bytes]
    ) -> Checkpoint:
        """The same head with a witness's line in place of its earlier ones."""
        kept = tuple(line for line in self.signatures if not line.is_by(witness))
        line = cosign_note(self.body, witness, at, sign)
        return Checkpoint(self.origin, self.size, self.root, (*kept, line))


def sign_checkpoint(
    origin: str,
    size: int,
    root: bytes,
    key: PublicKey,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """A checkpoint with one signature, as it is stored."""
    unsigned = Checkpoint(origin, size, root, ())
    line = sign_note(unsigned.body, note_key(origin, key), sign)
    return unsigned.with_lines((line,)).to_bytes()


def read_checkpoint(data: bytes) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        MalformedStatement: it is none.
    """
    note = read_note(data, what="checkpoint")
    try:
        origin, size_text, root_text, _ = note.body.decode().split("\n")
    except ValueError as cause:
        raise MalformedStatement("this is no checkpoint") from cause
    root = canonical_base64(root_text)
    if (
        not origin
        or not 1 <= len(size_text) <= _MOST_DIGITS
        or not size_text.isdecimal()
        or str(int(size_text)) != size_text
        or len(root) != 32
    ):
        raise MalformedStatement("the checkpoint's size or root is malformed")
    return Checkpoint(origin, int(size_text), root, note.signatures)
