"""Verification of OpenSSH's signature form (SSHSIG) over a statement or a commit.

Stricter than `ssh-keygen -Y verify`, which calls a FIDO signature good though nobody
touched the token. It does no arithmetic of its own: whoever asks hands in the
verification of the bare signature inside. It knows nothing of people or logs.

Source: OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from policies.errors import MalformedStatement
from store.errors import MalformedWire
from store.ssh_wire import (
    SSHSIG_MAGIC,
    SSHSIG_VERSION,
    STATEMENT_NAMESPACE,
    TOKEN_APPLICATION,
    SshKey,
    Wire,
    der_signature,
    sshsig_preimage,
)

LARGEST_SSHSIG_BYTES = 1024
USER_PRESENT = 0x01
_ED25519_SIGNATURE_BYTES = 64
VerifiesBare = Callable[[bytes, bytes], bool]
"""Whether a bare signature (Ed25519, or ECDSA in DER) is the key's over these bytes."""


@dataclass(frozen=True, slots=True)
class _Inner:
    """The signature inside: what was signed with, and a token's flags and counter."""

    bare: bytes
    flags_and_counter: bytes


def check_sshsig(
    key: SshKey,
    blob: bytes,
    message: bytes,
    verifies_bare: VerifiesBare,
    *,
    namespace: str = STATEMENT_NAMESPACE,
) -> None:
    """Verify an SSHSIG by exactly this key over exactly these bytes for one purpose.

    Raises:
        MalformedStatement: it is damaged, made by another key, for another purpose,
            without anybody's touch, or over other bytes.
    """
    try:
        hash_name, inner = _read(key, blob, namespace.encode())
        signed = sshsig_preimage(message, namespace.encode(), hash_name)
    except MalformedWire as cause:
        raise MalformedStatement(f"not a good SSH signature: {cause}") from cause
    if key.kind.is_token:
        _require_presence(inner)
        signed = (
            hashlib.sha256(TOKEN_APPLICATION).digest()
            + inner.flags_and_counter
            + hashlib.sha256(signed).digest()
        )
    if not verifies_bare(inner.bare, signed):
        raise MalformedStatement("the SSH signature does not verify")


def _read(key: SshKey, blob: bytes, namespace: bytes) -> tuple[bytes, _Inner]:
    if len(blob) > LARGEST_SSHSIG_BYTES:
        raise MalformedWire("it is too long")
    wire = Wire(blob)
    if wire.take(len(SSHSIG_MAGIC)) != SSHSIG_MAGIC:
        raise MalformedWire("it does not begin with SSHSIG")
    if wire.number() != SSHSIG_VERSION:
        raise MalformedWire("its version is not 1")
    if wire.string() != key.blob:
        raise MalformedWire("it was made by another key")
    if wire.string() != namespace:
        raise MalformedWire(f"its namespace is not {namespace.decode()}")
    if wire.string():
        raise MalformedWire("its reserved field is not empty")
    hash_name = wire.string()
    signature = wire.string()
    wire.end()
    return hash_name, _read_inner(key, signature)


def _read_inner(key: SshKey, signature: bytes) -> _Inner:
    wire = Wire(signature)
    if wire.string() != key.kind.encode():
        raise MalformedWire("its signature is of another kind than its key")
    bare = wire.string()
    if not key.kind.is_ed25519:
        bare = der_signature(bare)
    elif len(bare) != _ED25519_SIGNATURE_BYTES:
        raise MalformedWire("an Ed25519 signature has 64 bytes")
    flags_and_counter = wire.take(5) if key.kind.is_token else b""
    wire.end()
    return _Inner(bare, flags_and_counter)


def _require_presence(inner: _Inner) -> None:
    if not inner.flags_and_counter[0] & USER_PRESENT:
        raise MalformedStatement(
            "nobody touched the token when it signed",
            hint="Make the key without -O no-touch-required, and enrol that one.",
        )
