"""The encodings of OpenSSH: length-prefixed strings, public keys, SSHSIG preimages.

Shared by those who ask an agent to sign and those who verify. It reads and writes
bytes; it knows no key worth trusting and verifies nothing.

Sources: RFC 4251 section 5, RFC 8709, RFC 5656, OpenSSH's PROTOCOL.sshsig and
PROTOCOL.u2f.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from enum import StrEnum

from store.errors import MalformedWire

SSHSIG_MAGIC = b"SSHSIG"
SSHSIG_VERSION = 1
ARMOUR_BEGIN = b"-----BEGIN SSH SIGNATURE-----"
ARMOUR_END = b"-----END SSH SIGNATURE-----"
STATEMENT_NAMESPACE = "statement@countersign.dev"
"""The namespace of every signature that OpenSSH's own form carries for us."""
GIT_NAMESPACE = "git"
"""The namespace of signatures that git makes."""
TOKEN_APPLICATION = b"ssh:"
"""The application that a FIDO key must have been made for."""
HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_CURVE = b"nistp256"
_LARGEST_STRING = 65_535


class SshKind(StrEnum):
    """The kinds of SSH key that can sign statements."""

    ED25519 = "ssh-ed25519"
    P256 = "ecdsa-sha2-nistp256"
    TOKEN_ED25519 = "sk-ssh-ed25519@openssh.com"  # noqa: S105 - a kind of key
    TOKEN_P256 = "sk-ecdsa-sha2-nistp256@openssh.com"  # noqa: S105 - a kind of key

    @property
    def is_token(self) -> bool:
        """Whether a FIDO token holds the private half."""
        return self in (SshKind.TOKEN_ED25519, SshKind.TOKEN_P256)

    @property
    def is_ed25519(self) -> bool:
        """Whether the key inside is Ed25519; else it is ECDSA P-256."""
        return self in (SshKind.ED25519, SshKind.TOKEN_ED25519)


@dataclass(frozen=True, slots=True)
class SshKey:
    """A public key as SSH spells it: its kind, and the ordinary key inside."""

    kind: SshKind
    spki: bytes
    """DER SubjectPublicKeyInfo of the Ed25519 or P-256 key."""

    @property
    def blob(self) -> bytes:
        """The key as it stands in .pub files, agents and signatures."""
        prefix = ED25519_SPKI if self.kind.is_ed25519 else P256_SPKI
        parts = [self.kind.encode(), self.spki[len(prefix) :]]
        if not self.kind.is_ed25519:
            parts.insert(1, _CURVE)
        if self.kind.is_token:
            parts.append(TOKEN_APPLICATION)
        return b"".join(string(part) for part in parts)

    @property
    def line(self) -> str:
        """The key as one line of a .pub file, without a comment."""
        return f"{self.kind.value} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-add -l` prints it."""
        return blob_fingerprint(self.blob)


class Wire:
    """Reads SSH's encoding from the front, never past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Exactly that many bytes.

        Raises:
            MalformedWire: fewer are left.
        """
        if count > len(self._data) - self._at:
            raise MalformedWire("the SSH data ends early")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        """A uint32.

        Raises:
            MalformedWire: fewer than four bytes are left.
        """
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """A length and that many bytes.

        Raises:
            MalformedWire: it is cut short, or longer than 65,535 bytes.
        """
        length = self.number()
        if length > _LARGEST_STRING:
            raise MalformedWire(f"an SSH string claims {length} bytes")
        return self.take(length)

    def positive(self) -> int:
        """A positive multiple-precision integer in its one shortest spelling.

        Raises:
            MalformedWire: it is negative, zero, or spelled longer than needed.
        """
        data = self.string()
        if not data or data[0] & 0x80 or (data[0] == 0 and not _needs_zero(data)):
            raise MalformedWire("an SSH integer is not positive in its shortest form")
        return int.from_bytes(data, "big")

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Check that nothing follows.

        Raises:
            MalformedWire: something does.
        """
        if self._at != len(self._data):
            raise MalformedWire("bytes follow where SSH data ends")


def string(data: bytes) -> bytes:
    """A length and the bytes."""
    return len(data).to_bytes(4, "big") + data


def der_signature(numbers: bytes) -> bytes:
    """An ECDSA signature on P-256 in DER, from the two integers that SSH writes.

    Raises:
        MalformedWire: they are not two positive integers of at most 256 bits.
    """
    wire = Wire(numbers)
    integers = (wire.positive(), wire.positive())
    wire.end()
    if any(integer.bit_length() > 256 for integer in integers):
        raise MalformedWire("an ECDSA signature holds a number beyond its curve")
    body = b"".join(_der_integer(integer) for integer in integers)
    return bytes([0x30, len(body)]) + body


def read_key_blob(blob: bytes) -> SshKey:
    """Recognise a public key of a kind that can sign statements.

    Raises:
        MalformedWire: it is of another kind, damaged, or a token's key that was made
            for another application than `ssh:`.
    """
    wire = Wire(blob)
    name = wire.string()
    if name not in {kind.encode() for kind in SshKind}:
        raise MalformedWire("not an Ed25519 or ECDSA P-256 key")
    kind = SshKind(name.decode())
    if not kind.is_ed25519 and wire.string() != _CURVE:
        raise MalformedWire("the ECDSA key is on another curve than P-256")
    point = wire.string()
    if len(point) != (32 if kind.is_ed25519 else 65):
        raise MalformedWire("the public key has the wrong length")
    if kind.is_token and wire.string() != TOKEN_APPLICATION:
        raise MalformedWire("the token's key was made for another application")
    wire.end()
    return SshKey(kind, (ED25519_SPKI if kind.is_ed25519 else P256_SPKI) + point)


def sshsig_preimage(message: bytes, namespace: bytes, hash_name: bytes) -> bytes:
    """The bytes that a key signs for an SSHSIG over a message.

    Raises:
        MalformedWire: the hash is neither sha256 nor sha512.
    """
    if hash_name not in HASHES:
        raise MalformedWire("an SSHSIG is made with sha256 or sha512")
    digest = HASHES[hash_name](message).digest()
    parts = (namespace, b"", hash_name, digest)
    return SSHSIG_MAGIC + b"".join(string(part) for part in parts)


def sshsig_blob(
    key_blob: bytes, signature: bytes, namespace: bytes, hash_name: bytes
) -> bytes:
    """An SSHSIG of a signature that was made over the preimage."""
    parts = (key_blob, namespace, b"", hash_name, signature)
    return (
        SSHSIG_MAGIC
        + SSHSIG_VERSION.to_bytes(4, "big")
        + b"".join(string(part) for part in parts)
    )


def armoured(blob: bytes) -> bytes:
    """An SSHSIG as a text file, the form that `ssh-keygen -Y verify` reads."""
    text = base64.b64encode(blob)
    lines = [text[i : i + 70] for i in range(0, len(text), 70)]
    return b"\n".join([ARMOUR_BEGIN, *lines, ARMOUR_END, b""])


def unarmoured(text: bytes) -> bytes:
    """The SSHSIG inside its text form.

    Raises:
        MalformedWire: it is no such text.
    """
    stripped = text.strip()
    if not (stripped.startswith(ARMOUR_BEGIN) and stripped.endswith(ARMOUR_END)):
        raise MalformedWire("not an armoured SSH signature")
    body = stripped[len(ARMOUR_BEGIN) : -len(ARMOUR_END)]
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except ValueError as cause:
        raise MalformedWire("the armoured SSH signature is not base64") from cause


def named_key_blob(sshsig: bytes) -> bytes:
    """The public key that an SSHSIG says it was made with, of any kind.

    Raises:
        MalformedWire: it is no SSHSIG.
    """
    wire = Wire(sshsig)
    if wire.take(len(SSHSIG_MAGIC)) != SSHSIG_MAGIC or wire.number() != SSHSIG_VERSION:
        raise MalformedWire("not an SSH signature of version 1")
    return wire.string()


def blob_fingerprint(key_blob: bytes) -> str:
    """The fingerprint of a public key of any kind, as `ssh-add -l` prints it."""
    digest = base64.b64encode(hashlib.sha256(key_blob).digest()).decode()
    return "SHA256:" + digest.rstrip("=")


def named_fingerprint(armoured_text: bytes) -> str:
    """The fingerprint of the key that an armoured SSHSIG names.

    Raises:
        MalformedWire: it is no such text.
    """
    return blob_fingerprint(named_key_blob(unarmoured(armoured_text)))


def _der_integer(integer: int) -> bytes:
    data = integer.to_bytes(integer.bit_length() // 8 + 1, "big")
    return bytes([0x02, len(data)]) + data


def _needs_zero(data: bytes) -> bool:
    return len(data) > 1 and bool(data[1] & 0x80)
