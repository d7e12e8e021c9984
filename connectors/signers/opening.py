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

    @property
    def algorithm(self) -> str:
        """How the key's record must read for its signatures to count."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign exactly these bytes.

        Raises:
            ConnectorError: the key did not sign.
        """
        ...


def open_signer(address: str, passphrase: Passphrase) -> Signer:
    """Open the key at `PATH`, `agent:WHICH`, `sshsig:PATH` or `pkcs11:URI`.

    Raises:
        ConnectorError: there is no such key, or it does not open.
    """
    scheme, colon, rest = address.partition(":")
    if not colon or "/" in scheme or scheme == "file":
        path = rest if scheme == "file" and colon else address
        return open_key_file(Path(path).expanduser(), passphrase)
    if scheme == "agent":
        from connectors.signers.agent import open_agent, open_agent_key

        return open_agent_key(open_agent(), rest)
    if scheme == "sshsig":
        from connectors.signers.ssh_keygen import open_ssh_keygen

        return open_ssh_keygen(Path(rest).expanduser(), passphrase)
    if scheme == "pkcs11":
        from connectors.signers.pkcs11 import open_token_key

        return open_token_key(address, passphrase)
    raise ConnectorRefused(
        f"keys at {scheme}: are not supported",
        hint="Give a file, agent:, sshsig:PATH or pkcs11:URI; see docs/keys.md.",
    )
