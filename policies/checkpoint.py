"""Checkpoints: signed heads in the form of C2SP tlog-checkpoint and signed-note.

Source: c2sp.org/tlog-checkpoint, c2sp.org/signed-note. The log key is an Ed25519 key
of a service named in the trust root.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from policies.dsse import canonical_base64
from policies.errors import MalformedStatement
from policies.keys import PublicKey
from store.key_algorithms import Algorithm

LARGEST_CHECKPOINT_BYTES = 16_384
_SIGNATURE_LINE = "\u2014 "
_ED25519_TYPE = b"\x01"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of a log, and the lines that sign it."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes], ...]
    """(key name, 4-byte key hash followed by the signature)"""

    @property
    def body(self) -> bytes:
        """The signed text."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\n".encode()

    def is_signed_by(self, keys: Iterable[PublicKey]) -> bool:
        """Whether a line by one of the keys, under the origin's name, verifies."""
        return any(
            name == self.origin
            and signature[:4] == note_key_hash(self.origin, key)
            and key.verifies(signature[4:], self.body)
            for key in keys
            if key.algorithm is Algorithm.ED25519
            for name, signature in self.signatures
        )


def note_key_hash(name: str, key: PublicKey) -> bytes:
    """The four bytes that name a key in a note."""
    data = name.encode() + b"\n" + _ED25519_TYPE + key.raw_ed25519
    return hashlib.sha256(data).digest()[:4]


def sign_checkpoint(
    origin: str,
    size: int,
    root: bytes,
    key: PublicKey,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """A checkpoint with one signature, as it is stored."""
    unsigned = Checkpoint(origin, size, root, ())
    signature = note_key_hash(origin, key) + sign(unsigned.body)
    line = f"{_SIGNATURE_LINE}{origin} {base64.b64encode(signature).decode()}\n"
    return unsigned.body + b"\n" + line.encode()


def read_checkpoint(data: bytes) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        MalformedStatement: it is none.
    """
    if len(data) > LARGEST_CHECKPOINT_BYTES:
        raise MalformedStatement("the checkpoint is too large")
    try:
        body, _, signatures = data.decode("utf-8").partition("\n\n")
        origin, size_text, root_text = body.split("\n")
    except (UnicodeDecodeError, ValueError) as cause:
        raise MalformedStatement("this is no checkpoint") from cause
    root = canonical_base64(root_text)
    if not _is_size(size_text) or len(root) != 32:
        raise MalformedStatement("the checkpoint's size or root is malformed")
    if not signatures.endswith("\n"):
        raise MalformedStatement("the checkpoint is cut short")
    found = []
    for line in signatures.removesuffix("\n").split("\n"):
        name, _, text = line.removeprefix(_SIGNATURE_LINE).rpartition(" ")
        if not line.startswith(_SIGNATURE_LINE) or not name:
            raise MalformedStatement("the checkpoint has a malformed signature line")
        signature = canonical_base64(text)
        if len(signature) < 5:
            raise MalformedStatement("the checkpoint has a short signature")
        found.append((name, signature))
    return Checkpoint(origin, int(size_text), root, tuple(found))


def _is_size(text: str) -> bool:
    """Whether text is a number of at most 19 digits, in the one spelling it has."""
    return len(text) < 20 and text.isdecimal() and str(int(text)) == text
