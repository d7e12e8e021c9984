"""Signed notes: a text, and lines that sign it under names; keys spelled as text.

Source: c2sp.org/signed-note, c2sp.org/tlog-cosignature (version 1, Ed25519). It knows
nothing of what a text means, and trusts no line: whoever asks names the key.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from policies.dsse import canonical_base64
from policies.errors import MalformedStatement
from policies.keys import PublicKey, ed25519_public_key
from store.key_algorithms import Algorithm

LARGEST_NOTE_BYTES = 16_384
MOST_SIGNATURES = 64
_SIGNATURE_LINE = "\u2014 "
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}")
_STAMP_BYTES = 8
_LATEST_STAMP = 253_370_764_800
"""The year 9999: past what a clock can show."""


class NoteKind(IntEnum):
    """What the bytes of a signature line are; the numbers are signed-note's."""

    ED25519 = 0x01
    """Over the text itself."""
    COSIGNATURE = 0x04
    """Over a time and the text; the time stands before the signature."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key under the name it signs notes with."""

    name: str
    kind: NoteKind
    key: PublicKey

    @property
    def hash(self) -> bytes:
        """The four bytes that name this key in a signature line."""
        data = self.name.encode() + b"\n" + self._typed_key
        return hashlib.sha256(data).digest()[:4]

    @property
    def _typed_key(self) -> bytes:
        return bytes([self.kind]) + self.key.raw_ed25519

    def __str__(self) -> str:
        """The key as text: `name+hash+base64`."""
        encoded = base64.b64encode(self._typed_key).decode()
        return f"{self.name}+{self.hash.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One line under a note, not yet believed."""

    name: str
    key_hash: bytes
    signature: bytes

    def __str__(self) -> str:
        """The line as it stands in a note."""
        encoded = base64.b64encode(self.key_hash + self.signature).decode()
        return f"{_SIGNATURE_LINE}{self.name} {encoded}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """Whether the line says that this key made it."""
        return (self.name, self.key_hash) == (key.name, key.hash)


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the lines that sign it."""

    body: bytes
    """Ends with a newline."""
    signatures: tuple[SignatureLine, ...]

    def to_bytes(self) -> bytes:
        """The note as it is stored."""
        return self.body + b"\n" + "".join(map(str, self.signatures)).encode()

    def is_signed_by(self, key: VerifierKey) -> bool:
        """Whether a line by an ordinary note key verifies."""
        return key.kind is NoteKind.ED25519 and any(
            line.is_by(key) and key.key.verifies(line.signature, self.body)
            for line in self.signatures
        )

    def cosigned_at(self, key: VerifierKey) -> int | None:
        """Latest time, in seconds since 1970, at which a witness says it saw this.

        None when no line by that witness verifies.
        """
        if key.kind is not NoteKind.COSIGNATURE:
            return None
        times = (
            self._time_of(line, key) for line in self.signatures if line.is_by(key)
        )
        return max((at for at in times if at is not None), default=None)

    def _time_of(self, line: SignatureLine, key: VerifierKey) -> int | None:
        at = int.from_bytes(line.signature[:_STAMP_BYTES], "big")
        signature = line.signature[_STAMP_BYTES:]
        is_good = at <= _LATEST_STAMP and key.key.verifies(
            signature, cosigned_bytes(self.body, at)
        )
        return at if is_good else None

    def with_lines(self, lines: tuple[SignatureLine, ...]) -> Note:
        """The note with further lines, none twice, as many as a note may have."""
        merged = tuple(dict.fromkeys((*self.signatures, *lines)))
        return Note(self.body, merged[:MOST_SIGNATURES])


def cosigned_bytes(body: bytes, at: int) -> bytes:
    """The bytes a witness signs."""
    return b"cosignature/v1\ntime %d\n" % at + body


def note_key(name: str, key: PublicKey) -> VerifierKey:
    """The verifier key of who signs the text itself.

    Raises:
        MalformedStatement: the name or the kind of key is not fit for notes.
    """
    return _verifier_key(name, NoteKind.ED25519, key)


def witness_key(name: str, key: PublicKey) -> VerifierKey:
    """The verifier key of a witness.

    Raises:
        MalformedStatement: the name or the kind of key is not fit for notes.
    """
    return _verifier_key(name, NoteKind.COSIGNATURE, key)


def sign_note(
    body: bytes, key: VerifierKey, sign: Callable[[bytes], bytes]
) -> SignatureLine:
    """A line that signs the text."""
    return SignatureLine(key.name, key.hash, sign(body))


def cosign_note(
    body: bytes, key: VerifierKey, at: int, sign: Callable[[bytes], bytes]
) -> SignatureLine:
    """A line that says a witness saw the text at a time."""
    signature = sign(cosigned_bytes(body, at))
    return SignatureLine(
        key.name, key.hash, at.to_bytes(_STAMP_BYTES, "big") + signature
    )


def read_note(data: bytes, *, what: str) -> Note:
    """Read a note; `what` names it in errors.

    Raises:
        MalformedStatement: it is none.
    """
    if len(data) > LARGEST_NOTE_BYTES:
        raise MalformedStatement(f"the {what} is too large")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise MalformedStatement(f"this is no {what}") from cause
    body, separator, lines = text.rpartition("\n\n")
    if not separator or not body:
        raise MalformedStatement(f"this is no {what}")
    if not lines.endswith("\n"):
        raise MalformedStatement(f"the {what} is cut short")
    found = lines.removesuffix("\n").split("\n")
    if len(found) > MOST_SIGNATURES:
        raise MalformedStatement(f"the {what} has too many signature lines")
    return Note(f"{body}\n".encode(), tuple(_read_line(line, what) for line in found))


def _read_line(line: str, what: str) -> SignatureLine:
    name, _, text = line.removeprefix(_SIGNATURE_LINE).partition(" ")
    if not line.startswith(_SIGNATURE_LINE) or not _NAME.fullmatch(name):
        raise MalformedStatement(f"the {what} has a malformed signature line")
    signature = canonical_base64(text)
    if len(signature) < 5:
        raise MalformedStatement(f"the {what} has a short signature")
    return SignatureLine(name, signature[:4], signature[4:])


def read_verifier_key(text: str) -> VerifierKey:
    """Read a key from its text, `name+hash+base64`.

    Raises:
        MalformedStatement: it is none, of a kind we do not know, or its hash is not
            that of its name and key.
    """
    hint = "It reads NAME+HASH+BASE64; its holder prints it with: countersign log keys"
    name, _, rest = text.strip().partition("+")
    stated, _, encoded = rest.partition("+")
    try:
        data = canonical_base64(encoded)
        found = _verifier_key(name, NoteKind(data[0]), ed25519_public_key(data[1:]))
    except (MalformedStatement, ValueError, IndexError) as cause:
        raise MalformedStatement(
            f"{text[:80]!r} is no verifier key", hint=hint
        ) from cause
    if found.hash.hex() != stated:
        raise MalformedStatement(
            f"the hash in the verifier key of {name!r} is not that of its name and key",
            hint=hint,
        )
    return found


def is_key_name(name: str) -> bool:
    """Whether a key of notes can have that name."""
    return _NAME.fullmatch(name) is not None


def _verifier_key(name: str, kind: NoteKind, key: PublicKey) -> VerifierKey:
    if not is_key_name(name):
        raise MalformedStatement(
            f"{name[:80]!r} cannot name a key of notes",
            hint="Use a name without spaces and without +, such as audit.example/w1.",
        )
    if key.algorithm is not Algorithm.ED25519:
        raise MalformedStatement(
            "only Ed25519 keys sign notes", hint="Make one: --new-key"
        )
    return VerifierKey(name, kind, key)
