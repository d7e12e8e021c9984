"""DSSE envelopes: the bytes that are signed, and one strict reader of them.

Source: Dead Simple Signing Envelope, protocol 1.0.2. We write and accept exactly one
signature an envelope; the key hint in it is never trusted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

from policies.errors import MalformedStatement
from policies.strict_json import Fields, encode, parse

PAYLOAD_TYPE = "application/vnd.in-toto+json"
LARGEST_ENVELOPE_BYTES = 65_535


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes a DSSE signature covers (PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def statement_id(payload: bytes) -> str:
    """SHA-256 (hex) of the PAE of an in-toto payload: what names a statement."""
    return hashlib.sha256(
        pre_authentication_encoding(PAYLOAD_TYPE, payload)
    ).hexdigest()


@dataclass(frozen=True, slots=True)
class Envelope:
    """One payload and the one signature over it."""

    payload: bytes
    signature: bytes
    key_hint: str
    """What the writer says the key is; for display, never for trust."""

    signed_bytes: bytes = field(init=False, repr=False, compare=False)
    """The bytes that the signature covers."""
    statement_id: str = field(init=False, repr=False, compare=False)
    """SHA-256 (hex) of the signed bytes."""

    def __post_init__(self) -> None:
        signed = pre_authentication_encoding(PAYLOAD_TYPE, self.payload)
        object.__setattr__(self, "signed_bytes", signed)
        object.__setattr__(self, "statement_id", hashlib.sha256(signed).hexdigest())

    def to_bytes(self) -> bytes:
        """The envelope as JSON, the form that is stored."""
        return encode(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [
                    {
                        "keyid": self.key_hint,
                        "sig": base64.b64encode(self.signature).decode(),
                    }
                ],
            }
        )


def read_envelope(data: bytes) -> Envelope:
    """Parse a stored envelope.

    Raises:
        MalformedStatement: it is not one, has several signatures, another payload
            type, or base64 that does not re-encode to itself.
    """
    fields = Fields(
        parse(data, what="envelope", at_most=LARGEST_ENVELOPE_BYTES), what="envelope"
    )
    payload = canonical_base64(fields.text("payload", LARGEST_ENVELOPE_BYTES))
    if fields.text("payloadType", 128) != PAYLOAD_TYPE:
        raise MalformedStatement("the envelope's payload type is not in-toto's")
    signatures = fields.objects("signatures")
    fields.end()
    if len(signatures) != 1:
        raise MalformedStatement("an envelope has exactly one signature")
    key_hint = signatures[0].text("keyid", 128)
    signature = canonical_base64(signatures[0].text("sig", 4096))
    signatures[0].end()
    return Envelope(payload, signature, key_hint)


def canonical_base64(text: str) -> bytes:
    """Decode standard base64 that has exactly one spelling.

    Raises:
        MalformedStatement: it is not base64, or a second spelling of the same bytes.
    """
    try:
        data = binascii.a2b_base64(text)
    except (binascii.Error, ValueError) as cause:
        raise MalformedStatement("not base64") from cause
    if binascii.b2a_base64(data, newline=False).decode() != text:
        raise MalformedStatement("base64 in a second spelling")
    return data
