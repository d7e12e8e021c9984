"""Addresses of keys on tokens: the part of RFC 7512 that names one private key.

A PIN in an address is refused: addresses stand in process lists, histories and files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from connectors.errors import ConnectorRefused, MalformedInput

_LONGEST = 4096
_PATH = ("token", "serial", "manufacturer", "model", "object", "id", "type")
_QUERY = ("module-path",)
_SECRETS = ("pin-value", "pin-source")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """Which module, which token, which key; empty means: the only one."""

    module: str
    token: str
    serial: str
    manufacturer: str
    model: str
    label: str
    id: bytes


def read_token_address(address: str) -> TokenAddress:
    """Read a `pkcs11:` URI.

    Raises:
        ConnectorRefused: it holds a PIN, or the place of one.
        MalformedInput: it is no such URI, or says what is not understood here.
    """
    if not address.startswith("pkcs11:") or len(address) > _LONGEST:
        raise _malformed("it is no pkcs11: URI of a usual length")
    path, _, query = address.removeprefix("pkcs11:").partition("?")
    given = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
    if given.pop("type", b"private") != b"private":
        raise _malformed("only a key of type=private signs")
    identifier = given.pop("id", b"")
    text = {name: _text(name, value) for name, value in given.items()}
    module = text.get("module-path", "")
    if module and not Path(module).is_absolute():
        raise _malformed("module-path is not an absolute path")
    return TokenAddress(
        module=module,
        token=text.get("token", ""),
        serial=text.get("serial", ""),
        manufacturer=text.get("manufacturer", ""),
        model=text.get("model", ""),
        label=text.get("object", ""),
        id=identifier,
    )


def _attributes(part: str, separator: str, known: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for one in part.split(separator) if part else ():
        name, equals, value = one.partition("=")
        if name in _SECRETS:
            raise ConnectorRefused(
                f"a {name} does not belong into an address: others can read it",
                hint="Leave it out; the PIN is asked for, or set "
                "COUNTERSIGN_PASSPHRASE.",
            )
        if not equals or name not in known or name in found or _PERCENT.search(value):
            raise _malformed(f"{one[:80]!r} is not understood")
        found[name] = unquote_to_bytes(value)
    return found


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as cause:
        raise _malformed(f"{name} is not UTF-8") from cause
    if "\0" in text:
        raise _malformed(f"{name} holds a zero")
    return text


def _malformed(why: str) -> MalformedInput:
    return MalformedInput(
        f"the address of the key on a token: {why}",
        hint="pkcs11:token=LABEL;object=LABEL?module-path=/usr/lib/MODULE.so",
    )
