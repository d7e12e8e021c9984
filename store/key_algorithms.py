"""How keys sign: the names that trust roots, enrolments and signers share.

It knows names and forms; whether a key is to be trusted is decided elsewhere.
"""

from __future__ import annotations

from enum import StrEnum

from store.ssh_wire import P256_SPKI, SshKey, SshKind


class Algorithm(StrEnum):
    """What a key may be, and in which form it signs."""

    ED25519 = "ed25519"
    P256 = "ecdsa-p256-sha256"
    SSHSIG_ED25519 = "sshsig-ed25519"
    SSHSIG_P256 = "sshsig-ecdsa-p256"
    TOKEN_ED25519 = "sk-ssh-ed25519@openssh.com"  # noqa: S105 - a kind of key
    TOKEN_P256 = "sk-ecdsa-sha2-nistp256@openssh.com"  # noqa: S105 - a kind of key

    @property
    def ssh_kind(self) -> SshKind:
        """What SSH calls such a key."""
        return _SSH_KIND[self]

    @property
    def is_ed25519(self) -> bool:
        """Whether the key is Ed25519; else it is ECDSA P-256."""
        return self.ssh_kind.is_ed25519

    @property
    def is_sshsig(self) -> bool:
        """Whether it signs in OpenSSH's form, never over the bare bytes."""
        return self not in (Algorithm.ED25519, Algorithm.P256)


_SSH_KIND = {
    Algorithm.ED25519: SshKind.ED25519,
    Algorithm.P256: SshKind.P256,
    Algorithm.SSHSIG_ED25519: SshKind.ED25519,
    Algorithm.SSHSIG_P256: SshKind.P256,
    Algorithm.TOKEN_ED25519: SshKind.TOKEN_ED25519,
    Algorithm.TOKEN_P256: SshKind.TOKEN_P256,
}


def sshsig_algorithm(key: SshKey) -> Algorithm:
    """How an SSH key signs in OpenSSH's form."""
    return next(a for a, kind in _SSH_KIND.items() if kind is key.kind and a.is_sshsig)


def bare_algorithm(spki: bytes) -> Algorithm:
    """How a key signs bare bytes, by its SubjectPublicKeyInfo."""
    return Algorithm.P256 if spki.startswith(P256_SPKI) else Algorithm.ED25519
