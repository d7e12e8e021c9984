"""Keys on tokens and hardware modules that speak PKCS #11; an optional extra.

The private key stays on the token. A session is opened for each use, so several uses in
one process do not meet. What makes a key trusted is not known here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.signers.files import Passphrase
from connectors.signers.pkcs11_address import TokenAddress, read_token_address
from store.key_algorithms import bare_algorithm
from store.ssh_wire import ED25519_SPKI, P256_SPKI

if TYPE_CHECKING:
    import pkcs11

Found = TypeVar("Found")
_P256_PARAMETERS = bytes.fromhex("06082a8648ce3d030107")
_POINT_HEADERS = {b"\x04\x41": 65, b"\x04\x20": 32}
"""DER's OCTET STRING around a point; some tokens leave it out."""


class _SigningKey(Protocol):
    """What of a private key is used here; the library finds its classes as it runs."""

    @property
    def label(self) -> str: ...

    @property
    def id(self) -> bytes: ...

    @property
    def key_type(self) -> pkcs11.KeyType: ...

    def __getitem__(self, attribute: pkcs11.Attribute) -> object: ...

    def sign(
        self, data: bytes, *, mechanism: pkcs11.Mechanism, pin: str | None
    ) -> bytes: ...


class Pin:
    """A PIN that no traceback prints."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> str:
        """As PKCS #11 takes it.

        Raises:
            MalformedInput: it is not UTF-8.
        """
        try:
            return self._value.decode()
        except UnicodeDecodeError as cause:
            raise MalformedInput("the PIN is not UTF-8") from cause

    def __repr__(self) -> str:
        return "***"


class TokenSigner:
    """One private key on a token."""

    is_demonstration = False

    def __init__(self, address: TokenAddress, pin: Pin) -> None:
        self._address = address
        self._pin = pin
        with _session(address, pin) as session:
            self._spki = _public_half(session, _private_key(session, address))

    @property
    def spki(self) -> bytes:
        """The public key, DER SubjectPublicKeyInfo."""
        return self._spki

    @property
    def algorithm(self) -> str:
        """How the key's record must read for its signatures to count."""
        return bare_algorithm(self._spki).value

    def sign(self, data: bytes) -> bytes:
        """Have the token sign exactly these bytes.

        Raises:
            ConnectorError: it did not.
        """
        from pkcs11 import Mechanism
        from pkcs11.util.ec import encode_ecdsa_signature

        with _session(self._address, self._pin) as session:
            key = _private_key(session, self._address)
            again = self._pin.reveal() if _asks_each_time(key) else None
            if self._spki.startswith(ED25519_SPKI):
                return key.sign(data, mechanism=Mechanism.EDDSA, pin=again)
            digest = hashlib.sha256(data).digest()
            return encode_ecdsa_signature(
                key.sign(digest, mechanism=Mechanism.ECDSA, pin=again)
            )


def open_token_key(address: str, passphrase: Passphrase) -> TokenSigner:
    """The private key that a `pkcs11:` URI names; asks for the token's PIN.

    Raises:
        ConnectorRefused: the extra is not installed, the PIN is wrong or missing, or
            no key or several match.
        ConnectorUnavailable: the module does not load, or the token does not answer.
        MalformedInput: the address is none, or the key of another kind.
    """
    read = read_token_address(address)
    _require_extra()
    token = _token(read)
    pin = passphrase(f"the token {token.label}")
    if not pin:
        raise ConnectorRefused(
            "the token wants a PIN and none was given",
            hint="Set COUNTERSIGN_PASSPHRASE, or run in a terminal.",
        )
    return TokenSigner(read, Pin(pin))


def _require_extra() -> None:
    try:
        import pkcs11  # noqa: F401 - asked whether it is there
    except ImportError as cause:
        raise ConnectorRefused(
            "keys on tokens need the extra countersign[pkcs11]",
            hint="pip install 'countersign[pkcs11]'",
        ) from cause


def _token(address: TokenAddress) -> pkcs11.Token:
    import pkcs11

    module = address.module or os.environ.get("PKCS11_MODULE", "")
    if not module:
        raise ConnectorRefused(
            "no PKCS #11 module is named",
            hint="Add ?module-path=/usr/lib/MODULE.so, or set PKCS11_MODULE.",
        )
    try:
        flags = pkcs11.TokenFlag.TOKEN_INITIALIZED
        tokens = list(pkcs11.lib(module).get_tokens(token_flags=flags))
    except pkcs11.PKCS11Error as cause:
        raise ConnectorUnavailable(
            f"the PKCS #11 module {module} does not work: {_told(cause)}",
            hint="Check module-path, and that the token's software is installed.",
        ) from cause
    return _only(
        [token for token in tokens if _is_meant(token, address)],
        "token",
        [f"token={token.label}" for token in tokens],
    )


def _is_meant(token: pkcs11.Token, address: TokenAddress) -> bool:
    serial = token.serial.decode("utf-8", "replace")
    wanted = (
        (address.token, token.label),
        (address.serial, serial),
        (address.manufacturer, token.manufacturer_id),
        (address.model, token.model),
    )
    return all(want in ("", found) for want, found in wanted)


@contextmanager
def _session(address: TokenAddress, pin: Pin) -> Iterator[pkcs11.Session]:
    import pkcs11

    token = _token(address)
    try:
        with token.open(user_pin=pin.reveal()) as session:
            yield session
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange) as cause:
        raise ConnectorRefused(
            f"the PIN of the token {token.label} is wrong",
            hint="Mind that a token locks itself after a few wrong ones.",
        ) from cause
    except pkcs11.PinLocked as cause:
        raise ConnectorRefused(
            f"the token {token.label} is locked",
            hint="Unlock it with its own software.",
        ) from cause
    except (pkcs11.MechanismInvalid, pkcs11.FunctionNotSupported) as cause:
        raise ConnectorRefused(
            f"the token {token.label} cannot sign with this key",
            hint="Make a P-256 key on it: many tokens have no Ed25519.",
        ) from cause
    except pkcs11.PKCS11Error as cause:
        raise ConnectorUnavailable(
            f"the token {token.label} did not answer as it should: {_told(cause)}",
            hint="Is it plugged in, and used by no other program?",
        ) from cause


def _private_key(session: pkcs11.Session, address: TokenAddress) -> _SigningKey:
    from pkcs11 import Attribute, ObjectClass

    objects = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    keys = [
        key
        for key in cast(Iterable[_SigningKey], objects)
        if address.id in (b"", key.id) and address.label in ("", key.label)
    ]
    return _only(keys, "private key", [f"object={key.label}" for key in keys])


def _public_half(session: pkcs11.Session, private: _SigningKey) -> bytes:
    """The SubjectPublicKeyInfo, from the public key beside the private one."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    if private.key_type not in (KeyType.EC, KeyType.EC_EDWARDS):
        raise MalformedInput("the key on the token is neither Ed25519 nor ECDSA P-256")
    wanted = {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.KEY_TYPE: private.key_type,
        Attribute.ID: private.id,
    }
    public = _only(list(session.get_objects(wanted)), "public key with its id", [])
    point = bytes(public[Attribute.EC_POINT])
    if _POINT_HEADERS.get(point[:2]) == len(point) - 2:
        point = point[2:]
    if private.key_type is KeyType.EC_EDWARDS and len(point) == 32:
        return ED25519_SPKI + point
    parameters = bytes(public[Attribute.EC_PARAMS])
    if parameters == _P256_PARAMETERS and len(point) == 65:
        return P256_SPKI + point
    raise MalformedInput("the key on the token is neither Ed25519 nor ECDSA P-256")


def _asks_each_time(key: _SigningKey) -> bool:
    """Whether the token wants the PIN again for every signature."""
    from pkcs11 import Attribute, PKCS11Error

    try:
        return bool(key[Attribute.ALWAYS_AUTHENTICATE])
    except PKCS11Error:
        return False


def _only(found: Sequence[Found], what: str, others: Sequence[str]) -> Found:
    if len(found) == 1:
        return found[0]
    there = ", ".join(others) or "none"
    how_many = f"{len(found)} {what}s match" if found else f"no {what} matches"
    raise ConnectorRefused(
        f"{how_many} the address",
        hint=f"There: {there}. Name one with token=, object= or id=.",
    )


def _told(cause: Exception) -> str:
    """What a module said; many say it by the kind of error alone."""
    return str(cause) or type(cause).__name__
