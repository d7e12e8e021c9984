"""Public keys: what they are, how they are named, and the one place that verifies.

Ed25519 and ECDSA P-256 (SHA-256) over the exact signed bytes, or over an SSHSIG of
them: the algorithm of the record says which, and neither form passes for the other. A
key's id is the SHA-256 of its SubjectPublicKeyInfo, computed here, whatever the
algorithm. Weak keys never become a PublicKey: RFC 8032 leaves low-order points to the
caller, so they are refused here.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from policies.dsse import canonical_base64
from policies.errors import MalformedStatement
from policies.sshsig import check_sshsig
from store.key_algorithms import Algorithm as Algorithm
from store.ssh_wire import ED25519_SPKI, GIT_NAMESPACE, P256_SPKI, SshKey

_FIELD_PRIME = 2**255 - 19
_LOW_ORDER_Y = {
    0,
    1,
    _FIELD_PRIME - 1,
    int.from_bytes(
        bytes.fromhex(
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
        ),
        "little",
    ),
    int.from_bytes(
        bytes.fromhex(
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
        ),
        "little",
    ),
}
"""y coordinates of the points of order 1, 2, 4 and 8 of edwards25519."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key fit for statements."""

    algorithm: Algorithm
    spki: bytes
    """DER SubjectPublicKeyInfo."""

    @property
    def id(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, hex."""
        return _key_id(self.spki)

    @property
    def raw_ed25519(self) -> bytes:
        """The 32 bytes of an Ed25519 key."""
        return self.spki[len(ED25519_SPKI) :]

    @property
    def ssh(self) -> SshKey:
        """The key as SSH spells it."""
        return SshKey(self.algorithm.ssh_kind, self.spki)

    @property
    def pem(self) -> str:
        """The SubjectPublicKeyInfo as OpenSSL reads it."""
        text = base64.b64encode(self.spki).decode()
        lines = [text[i : i + 64] for i in range(0, len(text), 64)]
        return "\n".join(
            ["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]
        )

    def to_json(self) -> dict[str, object]:
        """As it stands in a trust root."""
        return {
            "algorithm": self.algorithm.value,
            "spki": base64.b64encode(self.spki).decode(),
        }

    def verifies(self, signature: bytes, signed_bytes: bytes) -> bool:
        """Whether `signature` is this key's over exactly `signed_bytes`."""
        try:
            self.check(signature, signed_bytes)
        except MalformedStatement:
            return False
        return True

    def check(self, signature: bytes, signed_bytes: bytes) -> None:
        """Verify a signature and say what is wrong with it.

        Raises:
            MalformedStatement: it is not this key's over exactly `signed_bytes`, in
                the form that the key's algorithm demands.
        """
        if self.algorithm.is_sshsig:
            check_sshsig(self.ssh, signature, signed_bytes, self._verifies_bare)
        elif not self._verifies_bare(signature, signed_bytes):
            raise MalformedStatement(
                f"the key {self.id[:16]} did not make the signature"
            )

    def check_commit(self, signature: bytes, signed_bytes: bytes) -> None:
        """Verify an SSHSIG that git made of a commit.

        Raises:
            MalformedStatement: it is not this key's over exactly `signed_bytes`, made
                for git.
        """
        check_sshsig(
            self.ssh,
            signature,
            signed_bytes,
            self._verifies_bare,
            namespace=GIT_NAMESPACE,
        )

    def _verifies_bare(self, signature: bytes, signed_bytes: bytes) -> bool:
        return _verification(self.algorithm.is_ed25519, self.spki)(
            signature, signed_bytes
        )


@functools.lru_cache(maxsize=1024)
def _key_id(spki: bytes) -> str:
    return hashlib.sha256(spki).hexdigest()


@functools.lru_cache(maxsize=1024)
def _verification(is_ed25519: bool, spki: bytes) -> Callable[[bytes, bytes], bool]:
    """What checks bare signatures by a key, with the key loaded once."""
    from cryptography.exceptions import InvalidSignature

    try:
        check = _ed25519_check(spki) if is_ed25519 else _p256_check(spki)
    except ValueError:
        return lambda signature, signed_bytes: False

    def verifies(signature: bytes, signed_bytes: bytes) -> bool:
        try:
            check(signature, signed_bytes)
        except (InvalidSignature, ValueError):
            return False
        return True

    return verifies


def _ed25519_check(spki: bytes) -> Callable[[bytes, bytes], None]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(spki[len(ED25519_SPKI) :]).verify


def _p256_check(spki: bytes) -> Callable[[bytes, bytes], None]:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    key = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), spki[len(P256_SPKI) :]
    )
    return lambda signature, signed: key.verify(signature, signed, ec.ECDSA(SHA256()))


def public_key(spki: bytes, algorithm: str = "") -> PublicKey:
    """Recognise a SubjectPublicKeyInfo; without `algorithm`, as one for bare bytes.

    Raises:
        MalformedStatement: it is of another kind, a point of low order, not in the one
            encoding we accept, or not of the algorithm named.
    """
    if spki.startswith(ED25519_SPKI) and len(spki) == len(ED25519_SPKI) + 32:
        _refuse_weak_ed25519(spki[len(ED25519_SPKI) :])
        found = Algorithm.ED25519
    elif spki.startswith(P256_SPKI) and len(spki) == len(P256_SPKI) + 65:
        _refuse_off_curve(spki[len(P256_SPKI) :])
        found = Algorithm.P256
    else:
        raise MalformedStatement(
            "the key is neither Ed25519 nor ECDSA P-256",
            hint="Make one: countersign key new, or ssh-keygen -t ed25519.",
        )
    named = {one.value: one for one in Algorithm}.get(algorithm or found)
    if named is None or named.is_ed25519 is not found.is_ed25519:
        raise MalformedStatement(f"the key is not {algorithm!r} as it says")
    return PublicKey(named, spki)


def public_key_from_json(algorithm: str, spki_base64: str) -> PublicKey:
    """Read a key as a trust root or an enrolment spells it.

    Raises:
        MalformedStatement: see public_key; or no algorithm is named.
    """
    if not algorithm:
        raise MalformedStatement("the key names no algorithm")
    return public_key(canonical_base64(spki_base64), algorithm)


def ed25519_public_key(raw: bytes) -> PublicKey:
    """Wrap the 32 bytes of an Ed25519 key.

    Raises:
        MalformedStatement: see public_key.
    """
    return public_key(ED25519_SPKI + raw)


def _refuse_weak_ed25519(raw: bytes) -> None:
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    if y >= _FIELD_PRIME or y in _LOW_ORDER_Y:
        raise MalformedStatement(
            "the Ed25519 key is a point of low order or not canonical",
            hint="Such a key accepts forged signatures. Make a new one.",
        )


def _refuse_off_curve(point: bytes) -> None:
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    is_on_curve = x < p and y < p and (y * y - (x * x * x - 3 * x + b)) % p == 0
    if point[0] != 4 or not is_on_curve:
        raise MalformedStatement("the P-256 key is not a point on the curve")
