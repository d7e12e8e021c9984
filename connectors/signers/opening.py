"""From a key's URI to the signer it names."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from connectors.errors import ConnectorRefused
from connectors.signers.files import Passphrase, open_key_file


class Signer(Protocol):
    """Something that holds a private key and signs with it."""

    @property
    def is_demonstration(self) -> bool:
        """Whether a demonstration made the key."""
        ...

    @property
    def spki(self) -> bytes:
        """The public key, DER SubjectPublicKeyInfo."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign exactly these bytes.

        Raises:
            ConnectorError: the key did not sign.
        """
        ...


def open_signer(address: str, passphrase: Passphrase) -> Signer:
    """Open the key at `PATH` or `file:PATH`.

    Raises:
        ConnectorError: there is no such key, or it does not open.
    """
    scheme, colon, rest = address.partition(":")
    if colon and scheme == "file":
        return open_key_file(Path(rest).expanduser(), passphrase)
    if colon and scheme in ("agent", "pkcs11", "awskms", "gcpkms"):
        raise ConnectorRefused(
            f"keys at {scheme}: are not supported in this version",
            hint="Give a key file: --key PATH.",
        )
    return open_key_file(Path(address).expanduser(), passphrase)
