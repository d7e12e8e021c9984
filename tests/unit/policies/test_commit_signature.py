"""Signatures of commits: verified over the commit's own bytes, or not good."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from policies.commit_signature import verify_commit
from policies.errors import MalformedStatement
from store.git_commit import commit_id
from store.ssh_wire import ED25519_SPKI, SshKey, SshKind, armoured, sshsig_blob
from tests.repositories import new_repository, raw_commit, signed_commit
from tests.ssh_programs import Token, ssh_key

EDWARDS = Token(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
P256 = Token(ec.derive_private_key(2**200 + 7, ec.SECP256R1()))
PAYLOAD = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author Ann <ann@example.org> 1700000000 +0100\n"
    b"committer Bo <bo@example.org> 1700000001 -0500\n"
    b"\nsubject\n"
)


def with_signature(payload: bytes, sshsig: bytes) -> bytes:
    """A commit with an SSHSIG among its headers, as git writes it."""
    text = armoured(sshsig).rstrip(b"\n").replace(b"\n", b"\n ")
    head, _, message = payload.partition(b"\n\n")
    return head + b"\ngpgsig " + text + b"\n\n" + message


def told(data: bytes, form: str = "sha1") -> tuple[str, str]:
    """Id and base64 of a commit, as facts tell them."""
    sha = commit_id(data, "0" * (64 if form == "sha256" else 40))
    return sha, base64.b64encode(data).decode()


@pytest.mark.parametrize("form", ["sha1", "sha256"])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa -b 256"])
def test_what_git_signed_is_good_by_the_key_that_signed(
    tmp_path: Path, kind: str, form: str
) -> None:
    folder = new_repository(tmp_path / "r", f"--object-format={form}")
    key = ssh_key(tmp_path, kind=kind)
    sha = signed_commit(folder, key, "with a body\n\ngpgsig is no header here")
    good = verify_commit(sha, base64.b64encode(raw_commit(folder, sha)).decode())
    line = Path(f"{key}.pub").read_text()
    assert line.startswith(good.key.ssh.line)


@pytest.mark.parametrize("token", [EDWARDS, P256], ids=["ed25519", "p256"])
def test_a_token_s_signature_is_good_only_with_a_touch(token: Token) -> None:
    sshsig = token.sshsig(PAYLOAD, b"git")
    assert verify_commit(*told(with_signature(PAYLOAD, sshsig))).key.ssh == token.key
    untouched = Token(token.private, flags=0).sshsig(PAYLOAD, b"git")
    with pytest.raises(MalformedStatement, match="nobody touched"):
        verify_commit(*told(with_signature(PAYLOAD, untouched)))


def test_bytes_of_another_commit_are_refused() -> None:
    sha, _ = told(with_signature(PAYLOAD, EDWARDS.sshsig(PAYLOAD, b"git")))
    _, other = told(with_signature(PAYLOAD, EDWARDS.sshsig(PAYLOAD + b"x", b"git")))
    with pytest.raises(MalformedStatement, match="another commit"):
        verify_commit(sha, other)


IDENTITY_POINT = SshKey(SshKind.ED25519, ED25519_SPKI + b"\x01" + bytes(31))


@pytest.mark.parametrize(
    ("sshsig", "message"),
    [
        (lambda: EDWARDS.sshsig(PAYLOAD, b"file"), "namespace is not git"),
        (lambda: EDWARDS.sshsig(PAYLOAD), "namespace is not git"),
        (lambda: EDWARDS.sshsig(PAYLOAD + b" ", b"git"), "does not verify"),
        (lambda: EDWARDS.sshsig(PAYLOAD[:-1], b"git"), "does not verify"),
        (lambda: b"", "ends early"),
        (lambda: b"SSHSIG" + bytes(2000), "not an SSH signature"),
        (
            lambda: sshsig_blob(
                IDENTITY_POINT.blob,
                IDENTITY_POINT.blob[:15] + b"\0\0\0\x40\x01" + bytes(63),
                b"git",
                b"sha512",
            ),
            "low order",
        ),
        (
            lambda: sshsig_blob(
                b"\0\0\0\x07ssh-rsa\0\0\0\x01\x03\0\0\0\x01\x05", b"", b"git", b"sha512"
            ),
            "not an Ed25519 or ECDSA P-256 key",
        ),
    ],
)
def test_a_signature_that_is_not_git_s_over_these_bytes_is_refused(
    sshsig: Callable[[], bytes], message: str
) -> None:
    with pytest.raises(MalformedStatement, match=message):
        verify_commit(*told(with_signature(PAYLOAD, sshsig())))


@pytest.mark.parametrize("place", range(0, len(PAYLOAD), 7))
def test_no_byte_of_what_was_signed_can_change(place: int) -> None:
    changed = bytearray(PAYLOAD)
    changed[place] ^= 1
    data = with_signature(bytes(changed), EDWARDS.sshsig(PAYLOAD, b"git"))
    with pytest.raises(MalformedStatement):
        verify_commit(*told(data))


@pytest.mark.parametrize("whole", ["", "!", "AAAA", "A" * 200_000, "é"])
def test_what_is_no_commit_is_refused(whole: str) -> None:
    with pytest.raises(MalformedStatement):
        verify_commit("0" * 40, whole)


def test_a_commit_without_a_signature_is_not_signed() -> None:
    with pytest.raises(MalformedStatement, match="not signed"):
        verify_commit(*told(PAYLOAD))
