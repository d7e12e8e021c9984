"""OpenSSH's real programs for tests, and a FIDO token played in software."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from store.ssh_wire import SshKey, SshKind, sshsig_blob, sshsig_preimage, string

NAMESPACE = b"statement@countersign.dev"


def need(program: str) -> None:
    """Skip, or fail where peers are required, without a program."""
    if shutil.which(program) is None:
        pytest.skip(f"peer: {program} is not installed")


def ssh_key(
    folder: Path, *, kind: str = "ed25519", secret: str = "", comment: str = "ana"
) -> Path:
    """A key that ssh-keygen made; its .pub lies beside it."""
    need("ssh-keygen")
    path = folder / f"id_{kind.split()[0]}_{len(list(folder.iterdir()))}"
    made = ["-t", *kind.split(), "-N", secret, "-C", comment, "-f", str(path)]
    subprocess.run(["ssh-keygen", "-q", "-a", "1", *made], check=True)
    return path


@contextmanager
def running_agent(folder: Path, *keys: Path, confirm: bool = False) -> Iterator[Path]:
    """A real ssh-agent with some keys in it; yields its socket."""
    need("ssh-agent")
    path = folder / "agent.socket"
    command = ["ssh-agent", "-D", "-a", str(path)]
    refusing = {"SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | refusing
    ) as agent:
        try:
            assert agent.stdout is not None
            agent.stdout.readline()
            for key in keys:
                option = ["-c"] if confirm else []
                subprocess.run(
                    ["ssh-add", "-q", *option, str(key)],
                    env=os.environ | {"SSH_AUTH_SOCK": str(path)},
                    check=True,
                )
            yield path
        finally:
            agent.send_signal(signal.SIGTERM)


@contextmanager
def false_agent(
    folder: Path, answer: Callable[[bytes], bytes | None]
) -> Iterator[Path]:
    """A socket where each request gets what a test likes; None: silence."""
    path = folder / "false.socket"
    stop = threading.Event()
    with socket(AF_UNIX, SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.05)

        def serve() -> None:
            while not stop.is_set():
                try:
                    stream, _ = listener.accept()
                except TimeoutError:
                    continue
                with stream:
                    length = int.from_bytes(stream.recv(4), "big")
                    said = answer(stream.recv(length))
                    if said is None:
                        stop.wait(10)
                    else:
                        stream.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            stop.set()
            thread.join()


@dataclass(frozen=True)
class Token:
    """A FIDO token played by an ordinary key."""

    private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    flags: int = 1
    counter: int = 7

    @property
    def key(self) -> SshKey:
        spki = self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        is_edwards = isinstance(self.private, ed25519.Ed25519PrivateKey)
        kind = SshKind.TOKEN_ED25519 if is_edwards else SshKind.TOKEN_P256
        return SshKey(kind, spki)

    def signature(self, signed: bytes, application: bytes = b"ssh:") -> bytes:
        """What a token answers, in SSH's encoding."""
        tail = bytes([self.flags]) + self.counter.to_bytes(4, "big")
        covered = (
            hashlib.sha256(application).digest()
            + tail
            + hashlib.sha256(signed).digest()
        )
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            bare = self.private.sign(covered)
        else:
            numbers = decode_dss_signature(
                self.private.sign(covered, ec.ECDSA(SHA256()))
            )
            bare = b"".join(string(mpint(number)) for number in numbers)
        return string(self.key.kind.encode()) + string(bare) + tail

    def sshsig(self, message: bytes, namespace: bytes = NAMESPACE) -> bytes:
        """An SSHSIG over a message."""
        preimage = sshsig_preimage(message, namespace, b"sha512")
        signature = self.signature(preimage)
        return sshsig_blob(self.key.blob, signature, namespace, b"sha512")


def mpint(number: int) -> bytes:
    """A positive integer as SSH writes it."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def ssh_keygen_accepts(
    folder: Path, key: SshKey, armoured: bytes, message: bytes
) -> bool:
    """Whether `ssh-keygen -Y verify` calls a signature good."""
    need("ssh-keygen")
    (folder / "allowed_signers").write_text(f"ana {key.line}\n")
    (folder / "one.sshsig").write_bytes(armoured)
    options = ["-I", "ana", "-n", NAMESPACE.decode()]
    files = ["-f", str(folder / "allowed_signers"), "-s", str(folder / "one.sshsig")]
    done = subprocess.run(
        ["ssh-keygen", "-Y", "verify", *files, *options],
        input=message,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0
