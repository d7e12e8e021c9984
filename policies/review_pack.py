"""Sign-off through files: what goes to an approver elsewhere, and what comes back.

Nothing in either file is trusted for being there. Objects carry no names: a reader
finds them by digest, so an altered one is missing. Entries are judged as a log.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from policies.dsse import Envelope, canonical_base64, read_envelope
from policies.errors import MalformedStatement
from policies.strict_json import Fields, encode, parse

PACK_SCHEMA = "countersign/review-pack/v1"
ANSWER_SCHEMA = "countersign/signed-answer/v1"
LARGEST_PACK_BYTES = 64 * 1024**2
LARGEST_ANSWER_BYTES = 256 * 1024
_LONGEST_OBJECT_TEXT = 8 * 1024**2


@dataclass(frozen=True, slots=True)
class ReviewPack:
    """A request with everything that an approver's machine needs to check it."""

    request: str
    """Statement id of the request."""
    entries: tuple[bytes, ...]
    """The log from its first entry on."""
    objects: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """The file."""
        return encode(
            {
                "schema": PACK_SCHEMA,
                "request": self.request,
                "entries": [_text(entry) for entry in self.entries],
                "objects": [_text(data) for data in self.objects],
            }
        )


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """An approval or a rejection on its way to the store."""

    envelope: Envelope
    reason: bytes
    """The salted words of the reason, which the statement names by digest."""

    def to_bytes(self) -> bytes:
        """The file."""
        return encode(
            {
                "schema": ANSWER_SCHEMA,
                "envelope": self.envelope.to_bytes().decode(),
                "reason": _text(self.reason),
            }
        )


def read_pack(data: bytes) -> ReviewPack:
    """Read a review pack.

    Raises:
        MalformedStatement: it is none.
    """
    fields = Fields(
        parse(data, what="review pack", at_most=LARGEST_PACK_BYTES), what="review pack"
    )
    if fields.text("schema", 64) != PACK_SCHEMA:
        raise MalformedStatement("this file is no review pack")
    pack = ReviewPack(
        request=fields.digest("request"),
        entries=_all_bytes(fields, "entries"),
        objects=_all_bytes(fields, "objects"),
    )
    fields.end()
    return pack


def is_signed_answer(data: bytes) -> bool:
    """Whether a file says that it is a signed answer."""
    found = parse(data, what="file to hand in", at_most=len(data))
    return found.get("schema") == ANSWER_SCHEMA


def read_signed_answer(data: bytes) -> SignedAnswer:
    """Read a signed answer.

    Raises:
        MalformedStatement: it is none.
    """
    fields = Fields(
        parse(data, what="signed answer", at_most=LARGEST_ANSWER_BYTES),
        what="signed answer",
    )
    if fields.text("schema", 64) != ANSWER_SCHEMA:
        raise MalformedStatement("this file is no signed answer")
    answer = SignedAnswer(
        read_envelope(fields.text("envelope", LARGEST_ANSWER_BYTES).encode()),
        canonical_base64(fields.text("reason", LARGEST_ANSWER_BYTES)),
    )
    fields.end()
    return answer


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _all_bytes(fields: Fields, name: str) -> tuple[bytes, ...]:
    texts = fields.texts(name, longest=_LONGEST_OBJECT_TEXT)
    return tuple(canonical_base64(text) for text in texts)
