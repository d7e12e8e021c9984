"""What keys are within reach of this machine, seen without opening any of them.

An encrypted PEM file hides its public half; `key new` leaves it beside the file, as
ssh-keygen does. That is a hint for lists, never for trust: signing opens the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connectors.errors import ConnectorError
from connectors.signers.agent import open_agent
from connectors.signers.files import open_key_file, read_key_file
from connectors.signers.ssh_keygen import read_private_outside, read_public_line
from store.key_algorithms import bare_algorithm, sshsig_algorithm
from store.ssh_wire import SshKey


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A key and how to name it to `--key`."""

    address: str
    kind: str
    """`file` or `agent`."""
    spki: bytes | None
    """The public half, where it can be seen."""
    algorithm: str
    is_encrypted: bool
    place: str
    """The file's path, or the comment in the agent."""


def key_files(folder: Path) -> list[SeenKey]:
    """The keys of a folder; one that cannot be read has no public half here."""
    found = sorted(folder.glob("*.pem")) if folder.is_dir() else []
    return [_seen_file(path) for path in found]


def agent_keys() -> list[SeenKey]:
    """The keys of the agent that `$SSH_AUTH_SOCK` names.

    Raises:
        ConnectorError: there is none, or it does not answer.
    """
    seen = []
    agent = open_agent()
    for key in agent.listed():
        is_token = key.ssh.kind.is_token
        algorithm = (
            sshsig_algorithm(key.ssh) if is_token else bare_algorithm(key.ssh.spki)
        )
        address = f"agent:{key.ssh.fingerprint}"
        seen.append(
            SeenKey(address, "agent", key.ssh.spki, algorithm.value, False, key.comment)
        )
    return seen


def write_public_line(path: Path, key: SshKey, comment: str) -> None:
    """Leave the public half of a new key beside it, for lists and for others.

    Raises:
        OSError: it cannot be written.
    """
    path.with_suffix(".pub").write_text(f"{key.line} {comment}\n")


def _seen_file(path: Path) -> SeenKey:
    try:
        spki, is_encrypted = _outside(path)
    except ConnectorError:
        return SeenKey(path.stem, "file", None, "", False, str(path))
    algorithm = "" if spki is None else bare_algorithm(spki).value
    return SeenKey(path.stem, "file", spki, algorithm, is_encrypted, str(path))


def _outside(path: Path) -> tuple[bytes | None, bool]:
    """The public half of a key file where it is seen, and whether it is encrypted."""
    data = read_key_file(path)
    if b"OPENSSH" in data:
        key, is_encrypted = read_private_outside(data, str(path))
        return key.spki, is_encrypted
    if b"ENCRYPTED" not in data:
        return open_key_file(path, lambda _: None).spki, False
    beside = path.with_suffix(".pub")
    if not beside.is_file():
        return None, True
    return read_public_line(read_key_file(beside), str(beside)).spki, True
