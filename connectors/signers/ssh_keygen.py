"""Keys that OpenSSH's own program signs with: files, agents and FIDO tokens.

`ssh-keygen -Y sign` makes the signature, in its own form and for our namespace. On the
command line the terminal stays its own, to ask for a touch or a PIN; where the terminal
belongs to the console it gets none. What it returns is taken out of its armour here and
verified elsewhere.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.signers.files import Passphrase, read_key_file
from store.errors import MalformedWire
from store.key_algorithms import sshsig_algorithm
from store.ssh_wire import (
    STATEMENT_NAMESPACE,
    SshKey,
    Wire,
    read_key_blob,
    unarmoured,
)

SIGN_SECONDS = 120.0
"""Long, because a person may have to type a passphrase or to touch a token."""
_PRIVATE_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_PRIVATE_END = b"-----END OPENSSH PRIVATE KEY-----"
_PRIVATE_MAGIC = b"openssh-key-v1\0"
_ANSWERER = """#!/bin/sh
case "$1" in
*passphrase*) printf '%s\\n' "$COUNTERSIGN_ASKED" ;;
*) exit 1 ;;
esac
"""
"""Answers ssh-keygen's question for a passphrase, and no other: a wrong PIN locks a
token."""


class SshKeygenSigner:
    """A key that `ssh-keygen -Y sign -f PATH` can use."""

    is_demonstration = False

    def __init__(
        self,
        path: Path,
        key: SshKey,
        secret: bytes | None,
        *,
        timeout_seconds: float = SIGN_SECONDS,
    ) -> None:
        self._path = path
        self._key = key
        self._secret = secret
        self._timeout_seconds = timeout_seconds

    @property
    def spki(self) -> bytes:
        """The public key, DER SubjectPublicKeyInfo."""
        return self._key.spki

    @property
    def algorithm(self) -> str:
        """How the key's record must read for its signatures to count."""
        return sshsig_algorithm(self._key).value

    def sign(self, data: bytes) -> bytes:
        """Have ssh-keygen sign exactly these bytes; the binary SSHSIG.

        Raises:
            ConnectorRefused: it did not sign.
            ConnectorUnavailable: it is not installed, or did not finish in time.
            MalformedInput: what it wrote is no signature.
        """
        with _environment(self._secret) as environment:
            done = self._run(data, environment)
        if done.returncode != 0:
            raise ConnectorRefused(
                f"ssh-keygen did not sign with {self._path}: {_last_line(done.stderr)}",
                hint="A .pub file needs its key in the ssh-agent or on a token that "
                "is plugged in; a private key needs its passphrase.",
            )
        try:
            return unarmoured(done.stdout)
        except MalformedWire as cause:
            raise MalformedInput(f"ssh-keygen wrote no signature: {cause}") from cause

    def _run(
        self, data: bytes, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", STATEMENT_NAMESPACE]
        has_terminal = sys.stderr is sys.__stderr__ and os.isatty(2)
        speaks = has_terminal and self._key.kind.is_token
        try:
            return subprocess.run(  # noqa: S603 - a fixed program; the path is an option's value
                [*command, "-f", str(self._path.absolute())],
                input=data,
                stdout=subprocess.PIPE,
                stderr=None if speaks else subprocess.PIPE,
                start_new_session=not has_terminal,
                env=environment,
                timeout=self._timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as cause:
            raise ConnectorUnavailable(
                f"ssh-keygen did not sign within {self._timeout_seconds:g} s",
                hint="Does it wait for a touch or a PIN? Try again.",
            ) from cause
        except OSError as cause:
            raise ConnectorUnavailable(
                f"ssh-keygen cannot be started: {cause.strerror}",
                hint="Install OpenSSH's client, 8.2 or newer.",
            ) from cause


def open_ssh_keygen(path: Path, passphrase: Passphrase) -> SshKeygenSigner:
    """The key of a .pub file, or of an OpenSSH private key.

    Raises:
        ConnectorUnavailable: the file cannot be read.
        ConnectorRefused: its kind does not sign statements, or it is encrypted and
            there is no passphrase.
        MalformedInput: it holds no key in OpenSSH's form.
    """
    data = read_key_file(path)
    if not data.lstrip().startswith(_PRIVATE_BEGIN):
        return SshKeygenSigner(path, read_public_line(data, str(path)), None)
    key, is_encrypted = read_private_outside(data, str(path))
    secret = passphrase(str(path)) if is_encrypted and not key.kind.is_token else None
    if is_encrypted and not key.kind.is_token and not secret:
        raise ConnectorRefused(
            f"{path} is encrypted and no passphrase was given",
            hint="Set COUNTERSIGN_PASSPHRASE, or run in a terminal.",
        )
    return SshKeygenSigner(path, key, secret)


def read_public_line(data: bytes, named: str) -> SshKey:
    """The key of a .pub file: its kind, the key in base64, a comment that is ignored.

    Raises:
        ConnectorRefused: the key is of a kind that does not sign statements.
        MalformedInput: it is no such line.
    """
    lines = [line for line in data.splitlines() if line.strip()]
    fields = lines[0].split(maxsplit=2) if len(lines) == 1 else []
    if len(fields) < 2:
        raise MalformedInput(
            f"{named} is neither a .pub file nor an OpenSSH private key",
            hint="sshsig: takes what ssh-keygen makes; for PEM files give the path.",
        )
    try:
        blob = base64.b64decode(fields[1], validate=True)
        kind = Wire(blob).string()
    except (ValueError, MalformedWire) as cause:
        raise MalformedInput(f"{named} holds no SSH key") from cause
    if kind != fields[0]:
        raise MalformedInput(f"{named} says one kind of key and holds another")
    return _key(blob, named)


def read_private_outside(data: bytes, named: str) -> tuple[SshKey, bool]:
    """The public half of an OpenSSH private key, and whether it is encrypted.

    Raises:
        ConnectorRefused: the key is of a kind that does not sign statements.
        MalformedInput: it is no such file.
    """
    body = data.partition(_PRIVATE_BEGIN)[2].partition(_PRIVATE_END)[0]
    try:
        wire = Wire(base64.b64decode(b"".join(body.split()), validate=True))
        if wire.take(len(_PRIVATE_MAGIC)) != _PRIVATE_MAGIC:
            raise MalformedWire("another form of file")
        cipher, _, _ = wire.string(), wire.string(), wire.string()
        if wire.number() != 1:
            raise MalformedWire("several keys in one file")
        blob = wire.string()
    except (ValueError, MalformedWire) as cause:
        raise MalformedInput(f"{named} is no OpenSSH private key: {cause}") from cause
    return _key(blob, named), cipher != b"none"


def _key(blob: bytes, named: str) -> SshKey:
    try:
        return read_key_blob(blob)
    except MalformedWire as cause:
        raise ConnectorRefused(
            f"the key in {named} cannot sign statements: {cause}",
            hint="Make one: ssh-keygen -t ed25519, or -t ed25519-sk for a token.",
        ) from cause


@contextmanager
def _environment(secret: bytes | None) -> Iterator[dict[str, str]]:
    """Ours; with a passphrase, also a program that answers with it."""
    if secret is None:
        yield dict(os.environ)
        return
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
        answerer = Path(folder) / "answer"
        answerer.write_text(_ANSWERER)
        answerer.chmod(0o700)
        yield os.environ | {
            "SSH_ASKPASS": str(answerer),
            "SSH_ASKPASS_REQUIRE": "force",
            "COUNTERSIGN_ASKED": os.fsdecode(secret),
        }


def _last_line(said: bytes | None) -> str:
    lines = (said or b"").decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "it gave no reason"
