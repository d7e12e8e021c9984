"""Public keys: what they are, how they are named, and the one place that verifies.

Ed25519 and ECDSA P-256 (SHA-256) over the exact signed bytes. A key's id is the
SHA-256 of its SubjectPublicKeyInfo, computed here. Weak keys never become a
PublicKey: RFC 8032 leaves low-order points to the caller, so they are refused here.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from policies.dsse import canonical_base64
from policies.errors import MalformedStatement

_ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")
_P256_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
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


Verification = Callable[[bytes, bytes], bool]
"""Given a signature and the signed bytes: whether it verifies."""


class Algorithm(StrEnum):
    """What a key may be."""

    ED25519 = "ed25519"
    P256 = "ecdsa-p256-sha256"


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
        return self.spki[len(_ED25519_PREFIX) :]

    def to_json(self) -> dict[str, object]:
        """As it stands in a trust root."""
        return {
            "algorithm": self.algorithm.value,
            "spki": base64.b64encode(self.spki).decode(),
        }

    def verifies(self, signature: bytes, signed_bytes: bytes) -> bool:
        """Whether `signature` is this key's over exactly `signed_bytes`."""
        return _verification(self.algorithm, self.spki)(signature, signed_bytes)


@functools.lru_cache(maxsize=1024)
def _key_id(spki: bytes) -> str:
    return hashlib.sha256(spki).hexdigest()


@functools.lru_cache(maxsize=1024)
def _verification(algorithm: Algorithm, spki: bytes) -> Verification:
    """What checks signatures by a key, with the key loaded once."""
    from cryptography.exceptions import InvalidSignature

    load = _ed25519_check if algorithm is Algorithm.ED25519 else _p256_check
    try:
        check = load(spki)
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

    return Ed25519PublicKey.from_public_bytes(spki[len(_ED25519_PREFIX) :]).verify


def _p256_check(spki: bytes) -> Callable[[bytes, bytes], None]:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    key = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), spki[len(_P256_PREFIX) :]
    )
    return lambda signature, signed: key.verify(signature, signed, ec.ECDSA(SHA256()))


def public_key(spki: bytes) -> PublicKey:
    """Recognise a SubjectPublicKeyInfo.

    Raises:
        MalformedStatement: it is of another kind, a point of low order, or not in the
            one encoding we accept.
    """
    if spki.startswith(_ED25519_PREFIX) and len(spki) == len(_ED25519_PREFIX) + 32:
        _refuse_weak_ed25519(spki[len(_ED25519_PREFIX) :])
        return PublicKey(Algorithm.ED25519, spki)
    if spki.startswith(_P256_PREFIX) and len(spki) == len(_P256_PREFIX) + 65:
        _refuse_off_curve(spki[len(_P256_PREFIX) :])
        return PublicKey(Algorithm.P256, spki)
    raise MalformedStatement(
        "the key is neither Ed25519 nor ECDSA P-256",
        hint="Make one: countersign key new, or ssh-keygen -t ed25519.",
    )


def public_key_from_json(algorithm: str, spki_base64: str) -> PublicKey:
    """Read a key as a trust root or an enrolment spells it.

    Raises:
        MalformedStatement: see public_key; or the algorithm named is not the key's.
    """
    key = public_key(canonical_base64(spki_base64))
    if key.algorithm.value != algorithm:
        raise MalformedStatement(f"the key is not {algorithm!r} as it says")
    return key


def ed25519_public_key(raw: bytes) -> PublicKey:
    """Wrap the 32 bytes of an Ed25519 key.

    Raises:
        MalformedStatement: see public_key.
    """
    return public_key(_ED25519_PREFIX + raw)


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
