"""Private keys in files: encrypted PKCS #8 PEM and OpenSSH, Ed25519 or ECDSA P-256."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from store.key_algorithms import bare_algorithm

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LARGEST_KEY_BYTES = 64 * 1024
DEMONSTRATION_MARK = b"countersign demonstration key: protects nothing\n"
"""Text before the PEM block of keys that a demonstration made."""
Passphrase = Callable[[str], bytes | None]
"""Asked with the file's name when a key turns out to be encrypted."""


class KeyType(StrEnum):
    """The kinds of key that are made here."""

    ED25519 = "ed25519"
    P256 = "p256"


class FileSigner:
    """A private key that was opened from a file."""

    def __init__(
        self,
        key: Ed25519PrivateKey | EllipticCurvePrivateKey,
        *,
        is_demonstration: bool = False,
    ) -> None:
        self._key = key
        self._is_demonstration = is_demonstration

    @property
    def is_demonstration(self) -> bool:
        """Whether a demonstration made it; other stores refuse such keys."""
        return self._is_demonstration

    @property
    def spki(self) -> bytes:
        """The public key, DER SubjectPublicKeyInfo."""
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            PublicFormat,
        )

        return self._key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def algorithm(self) -> str:
        """How the key's record must read for its signatures to count."""
        return bare_algorithm(self.spki).value

    def sign(self, data: bytes) -> bytes:
        """Sign exactly these bytes."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(data, ec.ECDSA(SHA256()))
        return self._key.sign(data)


def open_key_file(path: Path, passphrase: Passphrase) -> FileSigner:
    """Open a private key, asking for its passphrase only if it has one.

    Raises:
        ConnectorRefused: the passphrase is wrong or missing, or the key is of a kind
            that does not sign statements.
        ConnectorUnavailable: the file cannot be read.
        MalformedInput: it holds no private key.
    """
    data = read_key_file(path)
    if b"PRIVATE KEY" not in data:
        raise MalformedInput(
            f"{path} holds no private key",
            hint="Give a PEM or OpenSSH private key; for a .pub file, whose key is in "
            "the agent or on a token: --key sshsig:PATH",
        )
    return FileSigner(
        _load(path, data, passphrase),
        is_demonstration=data.startswith(DEMONSTRATION_MARK),
    )


def read_key_file(path: Path) -> bytes:
    """The bytes of a key file, which is small.

    Raises:
        ConnectorUnavailable: it cannot be read.
        MalformedInput: it is larger than any key.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(LARGEST_KEY_BYTES + 1)
    except OSError as cause:
        raise ConnectorUnavailable(
            f"cannot read the key {path}: {cause.strerror}",
            hint="Check --key, or make one: countersign key new",
        ) from cause
    if len(data) > LARGEST_KEY_BYTES:
        raise MalformedInput(f"{path} is larger than any key", hint="Check --key.")
    return data


def _load(
    path: Path, data: bytes, passphrase: Passphrase
) -> Ed25519PrivateKey | EllipticCurvePrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        load_pem_private_key,
        load_ssh_private_key,
    )

    load = load_ssh_private_key if b"OPENSSH" in data else load_pem_private_key
    try:
        try:
            key = load(data, None)
        except TypeError:
            secret = passphrase(str(path))
            if not secret:
                raise ConnectorRefused(
                    f"{path} is encrypted and no passphrase was given",
                    hint="Set COUNTERSIGN_PASSPHRASE, or run in a terminal.",
                ) from None
            key = load(data, secret)
    except (ValueError, UnsupportedAlgorithm) as cause:
        if b"ENCRYPTED" in data or b"OPENSSH" in data:
            raise ConnectorRefused(
                f"cannot open {path}: wrong passphrase, or a damaged key",
                hint="Try again. A lost passphrase cannot be recovered.",
            ) from cause
        raise MalformedInput(f"{path} holds no key that can be read") from cause
    if isinstance(key, ed25519.Ed25519PrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey)
        and isinstance(key.curve, ec.SECP256R1)
    ):
        return key
    raise ConnectorRefused(
        f"{path} is neither an Ed25519 nor an ECDSA P-256 key",
        hint="Make one: countersign key new, or ssh-keygen -t ed25519.",
    )


def create_key_file(
    path: Path,
    secret: bytes | None,
    *,
    kind: KeyType = KeyType.ED25519,
    is_demonstration: bool = False,
) -> FileSigner:
    """Make a key in a file only its owner can read.

    Without `secret` the file is not encrypted: right for services alone.

    Raises:
        ConnectorRefused: the file is there already.
        ConnectorUnavailable: it cannot be written.
    """
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(secret) if secret else NoEncryption()
    )
    key = _generated(kind)
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    if is_demonstration:
        data = DEMONSTRATION_MARK + data
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as cause:
        raise ConnectorRefused(
            f"{path} is there already", hint="Choose another name; keys are kept."
        ) from cause
    except OSError as cause:
        raise ConnectorUnavailable(
            f"cannot write {path}: {cause.strerror}", hint="Choose another folder."
        ) from cause
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as cause:
        with contextlib.suppress(OSError):
            path.unlink()
        raise ConnectorUnavailable(
            f"cannot write {path}: {cause.strerror}", hint="Free some space."
        ) from cause
    return FileSigner(key, is_demonstration=is_demonstration)


def _generated(kind: KeyType) -> Ed25519PrivateKey | EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if kind is KeyType.P256:
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()
