"""Checkpoints (C2SP signed notes), made up, damaged and read again."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from policies.checkpoint import (
    Checkpoint,
    read_checkpoint,
    sign_checkpoint,
)
from policies.errors import MalformedStatement
from policies.keys import PublicKey, ed25519_public_key
from policies.notes import note_key
from tests.unit.policies.generated import changed_bytes

ORIGINS = st.from_regex(r"[a-z0-9./-]{1,30}", fullmatch=True)
SIZES = st.integers(0, 2**53)
ROOTS = st.binary(min_size=32, max_size=32)
ROOT = base64.b64encode(b"r" * 32)
SIGNATURE = "\u2014 a ".encode() + base64.b64encode(b"s" * 68) + b"\n"


@cache
def log_key() -> tuple[Ed25519PrivateKey, PublicKey]:
    """The same key pair in every run."""
    private = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
    return private, ed25519_public_key(private.public_key().public_bytes_raw())


def written(origin: str, size: int, root: bytes) -> bytes:
    """A checkpoint that the log key signs."""
    private, public = log_key()
    return sign_checkpoint(origin, size, root, public, private.sign)


def counts(data: bytes) -> Checkpoint | None:
    """A checkpoint that is read and signed by the log key, or None."""
    try:
        checkpoint = read_checkpoint(data)
    except MalformedStatement:
        return None
    return checkpoint if checkpoint.is_signed_by([log_key()[1]]) else None


@given(ORIGINS, SIZES, ROOTS)
def test_a_checkpoint_is_read_back_as_it_was_signed(
    origin: str, size: int, root: bytes
) -> None:
    found = counts(written(origin, size, root))
    assert found is not None
    assert (found.origin, found.size, found.root) == (origin, size, root)


@given(st.data(), ORIGINS, SIZES, ROOTS)
def test_a_changed_byte_never_leaves_another_head_signed(
    chosen: st.DataObject, origin: str, size: int, root: bytes
) -> None:
    found = counts(chosen.draw(changed_bytes(written(origin, size, root))))
    if found is not None:
        assert (found.origin, found.size, found.root) == (origin, size, root)


@given(ORIGINS, ORIGINS, SIZES, ROOTS)
def test_a_signature_under_another_name_or_key_hash_does_not_count(
    origin: str, other: str, size: int, root: bytes
) -> None:
    private, public = log_key()
    unsigned = Checkpoint(origin, size, root, ())
    signature = private.sign(unsigned.body)
    for name, key_hash in (
        (other, note_key(other, public).hash),
        (origin, bytes(4)),
        (origin, note_key(other, public).hash),
    ):
        line = base64.b64encode(key_hash + signature).decode()
        data = unsigned.body + f"\n\u2014 {name} {line}\n".encode()
        is_right = (name, key_hash) == (origin, note_key(origin, public).hash)
        assert (counts(data) is not None) == is_right


@given(
    st.binary(max_size=200)
    | st.text("\n\u2014 a0=A\u0663", max_size=60).map(str.encode)
)
@example(b"a\n" + b"9" * 5_000 + b"\n" + ROOT + b"\n\n" + SIGNATURE)
@example("a\n\u0663\n".encode() + ROOT + b"\n\n" + SIGNATURE)
@example("a\n\u00b2\n".encode() + ROOT + b"\n\n" + SIGNATURE)
@example(b"a\n-0\n" + ROOT + b"\n\n" + SIGNATURE)
@example(b"a\n1\n" + ROOT + b"\n\n" + SIGNATURE * 3)
@example(b"a\n1\n" + ROOT + b"\n\n\n")
@example(b"\n1\n" + ROOT + b"\n\n" + SIGNATURE)
def test_bytes_are_a_checkpoint_or_refused_and_nothing_else_happens(
    data: bytes,
) -> None:
    assert counts(data) is None
