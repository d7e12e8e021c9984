"""Signed notes, cosignatures and verifier keys: C2SP's forms, and nothing beside."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from policies.errors import MalformedStatement
from policies.keys import PublicKey, ed25519_public_key
from policies.notes import (
    NoteKind,
    note_key,
    read_note,
    read_verifier_key,
    witness_key,
)

AT = 1_772_366_400


def pair(seed: int) -> tuple[Ed25519PrivateKey, PublicKey]:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return private, ed25519_public_key(private.public_key().public_bytes_raw())


LOG, LOG_KEY = pair(1)
WITNESS, WITNESS_KEY = pair(2)
VKEY = witness_key("audit.example/w1", WITNESS_KEY)


def cosigned() -> Checkpoint:
    signed = sign_checkpoint("log.example", 7, b"r" * 32, LOG_KEY, LOG.sign)
    return read_checkpoint(signed).cosigned(VKEY, AT, WITNESS.sign)


def test_the_verifier_key_published_by_sumdb_is_read_and_written_alike() -> None:
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    found = read_verifier_key(text)
    assert (found.name, found.kind) == ("sum.golang.org", NoteKind.ED25519)
    assert str(found) == text


def test_a_cosignature_covers_a_time_and_the_checkpoint() -> None:
    line = cosigned().signatures[1]
    raw = WITNESS_KEY.raw_ed25519
    named = hashlib.sha256(b"audit.example/w1\n\x04" + raw).digest()[:4]
    assert line.key_hash == named
    assert line.signature[:8] == AT.to_bytes(8, "big")
    signed = b"cosignature/v1\ntime %d\n" % AT + cosigned().body
    WITNESS.public_key().verify(line.signature[8:], signed)
    assert cosigned().cosigned_at(VKEY) == AT
    assert read_checkpoint(cosigned().to_bytes()) == cosigned()


def test_a_cosignature_counts_for_its_text_time_name_and_key_only() -> None:
    good = cosigned()
    assert (
        Checkpoint("log.example", 8, good.root, good.signatures).cosigned_at(VKEY)
        is None
    )
    assert good.cosigned_at(witness_key("audit.example/w2", WITNESS_KEY)) is None
    assert good.cosigned_at(witness_key("audit.example/w1", LOG_KEY)) is None
    assert good.cosigned_at(note_key("audit.example/w1", WITNESS_KEY)) is None
    line = good.to_bytes().splitlines()[-1]
    text = base64.b64decode(line.rpartition(b" ")[2])
    later = text[:4] + (AT + 1).to_bytes(8, "big") + text[12:]
    altered = good.to_bytes().replace(base64.b64encode(text), base64.b64encode(later))
    assert read_checkpoint(altered).cosigned_at(VKEY) is None


def test_an_ordinary_signature_of_the_witness_is_no_cosignature() -> None:
    plain = sign_checkpoint(VKEY.name, 7, b"r" * 32, WITNESS_KEY, WITNESS.sign)
    assert read_checkpoint(plain).cosigned_at(VKEY) is None
    assert not cosigned().is_signed_by([WITNESS_KEY])


def test_cosigning_again_replaces_the_witness_s_earlier_line() -> None:
    again = cosigned().cosigned(VKEY, AT + 60, WITNESS.sign)
    assert len(again.signatures) == 2
    assert again.cosigned_at(VKEY) == AT + 60
    assert again.is_signed_by([LOG_KEY])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000+",
        "na me+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "sum.golang.org+033DE0AE+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "sum.golang.org+033de0ae+As4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "zero+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_what_is_no_verifier_key_is_refused_with_the_next_step(text: str) -> None:
    with pytest.raises(MalformedStatement) as caught:
        read_verifier_key(text)
    assert "log keys" in caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n- name AAAAAAA=\n",
        "text\n\n\u2014 name AAAAAAA=".encode(),
        "text\n\n\u2014 two words AAAAAAA=\n".encode(),
        "text\n\n\u2014 name AAAA\n".encode(),
        "text\n\n\u2014 name AAAAAAB=\n".encode(),
        b"text\n\n" + "\u2014 name AAAAAAA=\n".encode() * 65,
        b"x" * 20_000,
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedStatement):
        read_note(data, what="note")


@pytest.mark.parametrize("size", ["", "-1", "+1", "1" * 5_000, "\u0663", "1_0", " 1"])
def test_a_size_in_another_spelling_is_refused(size: str) -> None:
    root = base64.b64encode(b"r" * 32).decode()
    data = f"log.example\n{size}\n{root}\n\n\u2014 log.example AAAAAAA=\n".encode()
    with pytest.raises(MalformedStatement):
        read_checkpoint(data)
