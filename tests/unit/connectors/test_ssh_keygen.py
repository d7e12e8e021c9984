"""Signatures made by the real ssh-keygen, and key files that are hostile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.signers.opening import open_signer
from connectors.signers.ssh_keygen import SshKeygenSigner, read_public_line
from policies.keys import PublicKey, public_key
from store.key_algorithms import Algorithm
from store.ssh_wire import armoured
from tests.ssh_programs import running_agent, ssh_key, ssh_keygen_accepts

MESSAGE = b"exactly these bytes"
OPENSSH_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"


def key_of(path: Path) -> PublicKey:
    signer = open_signer(f"sshsig:{path}", lambda _: None)
    return public_key(signer.spki, signer.algorithm)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_ssh_keygen_s_signature_verifies_here_and_there(
    tmp_path: Path, kind: str
) -> None:
    path = ssh_key(tmp_path, kind=kind)
    signer = open_signer(f"sshsig:{path}", lambda _: None)
    key = public_key(signer.spki, signer.algorithm)
    for number in range(5):
        message = MESSAGE + bytes([number])
        signature = signer.sign(message)
        key.check(signature, message)
        assert ssh_keygen_accepts(tmp_path, key.ssh, armoured(signature), message)
    assert not key.verifies(signature, MESSAGE)
    bare = public_key(signer.spki)
    assert bare.id == key.id
    assert not bare.verifies(signature, message)


def test_an_encrypted_key_is_opened_with_the_passphrase_that_is_asked_for(
    tmp_path: Path,
) -> None:
    path = ssh_key(tmp_path, secret="correct horse")
    asked: list[str] = []

    def passphrase(name: str) -> bytes:
        asked.append(name)
        return b"correct horse"

    signer = open_signer(f"sshsig:{path}", passphrase)
    public_key(signer.spki, signer.algorithm).check(signer.sign(MESSAGE), MESSAGE)
    assert asked == [str(path)]
    with pytest.raises(ConnectorRefused, match="ssh-keygen did not sign"):
        open_signer(f"sshsig:{path}", lambda _: b"wrong").sign(MESSAGE)
    with pytest.raises(ConnectorRefused, match="no passphrase was given"):
        open_signer(f"sshsig:{path}", lambda _: None)


def test_a_pub_file_signs_with_the_key_in_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ssh_key(tmp_path)
    with running_agent(tmp_path, path) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        path.unlink()
        signer = open_signer(f"sshsig:{path}.pub", lambda _: None)
        assert signer.algorithm == Algorithm.SSHSIG_ED25519
        public_key(signer.spki, signer.algorithm).check(signer.sign(MESSAGE), MESSAGE)
    monkeypatch.delenv("SSH_AUTH_SOCK")
    with pytest.raises(ConnectorRefused) as caught:
        signer.sign(MESSAGE)
    assert "ssh-agent" in caught.value.hint


def test_an_ssh_keygen_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ssh_key(tmp_path)
    hanging = tmp_path / "bin" / "ssh-keygen"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o700)
    monkeypatch.setenv("PATH", f"{hanging.parent}:{os.environ['PATH']}")
    signer = SshKeygenSigner(path, key_of(path).ssh, None, timeout_seconds=0.2)
    with pytest.raises(ConnectorUnavailable, match="did not sign within"):
        signer.sign(MESSAGE)
    hanging.write_text("#!/bin/sh\necho not a signature\n")
    with pytest.raises(MalformedInput, match="wrote no signature"):
        signer.sign(MESSAGE)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConnectorUnavailable, match="cannot be started"):
        signer.sign(MESSAGE)


def test_escapes_in_a_comment_go_nowhere(tmp_path: Path) -> None:
    path = ssh_key(tmp_path)
    public = path.with_suffix(".pub")
    public.write_bytes(public.read_bytes().rstrip() + b"\x1b]52;c;aGk=\x07\x9b31m\n")
    assert key_of(public) == key_of(path)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa -b 384"])
def test_keys_of_other_kinds_are_refused_with_the_next_step(
    tmp_path: Path, kind: str
) -> None:
    path = ssh_key(tmp_path, kind=kind)
    for name in (path, path.with_name(path.name + ".pub")):
        with pytest.raises(ConnectorRefused, match="cannot sign statements") as caught:
            open_signer(f"sshsig:{name}", lambda _: None)
        assert "ssh-keygen -t ed25519" in caught.value.hint
    with pytest.raises(ConnectorRefused, match="neither an Ed25519 nor"):
        open_signer(str(path), lambda _: None)


@pytest.mark.parametrize("scheme", ["", "file:", "sshsig:"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"x" * 10_000_000,
        OPENSSH_BEGIN + b"\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        OPENSSH_BEGIN,
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"ssh-ed25519 AAAA",
        b"ssh-ed25519 \xff\xff",
        b"ssh-dss AAAAB3NzaC1kc3M= old",
        b"ssh-ed25519 AAAAB3NzaC1kc3M= liar",
        b"one line\nand another\n",
    ],
    ids=lambda content: content[:30].decode("latin-1"),
)
def test_a_hostile_key_file_is_an_error_with_no_traceback(
    tmp_path: Path, scheme: str, content: bytes
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ConnectorError):
        open_signer(f"{scheme}{path}", lambda _: b"secret")


@pytest.mark.parametrize("scheme", ["", "file:", "sshsig:"])
def test_a_folder_or_nothing_is_no_key(tmp_path: Path, scheme: str) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(ConnectorUnavailable, match="cannot read the key"):
            open_signer(f"{scheme}{path}", lambda _: None)


def test_an_unknown_scheme_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(ConnectorRefused, match="awskms: are not") as caught:
        open_signer("awskms:alias/x", lambda _: None)
    assert "sshsig:PATH" in caught.value.hint


def test_a_pub_line_says_what_kind_of_key_it_holds(tmp_path: Path) -> None:
    line = ssh_key(tmp_path).with_suffix(".pub").read_bytes()
    lying = line.replace(b"ssh-ed25519", b"ecdsa-sha2-nistp256", 1)
    with pytest.raises(MalformedInput, match="says one kind"):
        read_public_line(lying, "id.pub")
