"""Raw git commits: their id, what their headers say, and what a signature covers.

It reads bytes alone, as git stores them, and bounds what it takes from them. Whether a
signature is good, and whose, is decided elsewhere.

Sources: git's Documentation/gitformat-signature and commit.c
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from store.errors import MalformedCommit

LARGEST_SIGNED_BYTES = 65_536
"""A signed commit of more bytes is told as signed, and never verified."""
_SIGNATURE_HEADERS = (b"gpgsig", b"gpgsig-sha256")
_MAIL = re.compile(rb"[^<]*<([^>]*)>")
_SECONDS = re.compile(rb"-?\d{1,20}")
_ENCODING = re.compile(
    r"(iso-?8859-?\d{1,2}|latin-?\d|windows-?\d{3,4}|cp-?\d{3,4}|shift_?jis|sjis|"
    r"euc-?(jp|kr)|gb(k|18030|2312)|big5|koi8-[ru]|utf-?8|us-ascii)"
)
"""Encodings of text alone: Python knows others, which are programs of a kind."""


class SignatureForm(StrEnum):
    """In which of git's forms a commit is signed."""

    SSH = "ssh"
    OPENPGP = "openpgp"
    X509 = "x509"
    UNKNOWN = "unknown"


_BEGINNINGS = (
    (b"-----BEGIN SSH SIGNATURE-----", SignatureForm.SSH),
    (b"-----BEGIN PGP SIGNATURE-----", SignatureForm.OPENPGP),
    (b"-----BEGIN PGP MESSAGE-----", SignatureForm.OPENPGP),
    (b"-----BEGIN SIGNED MESSAGE-----", SignatureForm.X509),
)


@dataclass(frozen=True, slots=True)
class CommitHeaders:
    """What a commit says of itself."""

    parents: tuple[str, ...]
    author: str
    """E-mail address, as it was typed."""
    committer: str
    committed_seconds: int | None
    """Since 1970, as the committer's clock had it."""
    subject: str
    """The first paragraph of the message, as one line."""


@dataclass(frozen=True, slots=True)
class CommitSignature:
    """A signature in a commit, and the bytes that it is over."""

    form: SignatureForm
    text: bytes
    """As it stands in the commit, without the indentation."""
    payload: bytes
    """The commit without its signature."""

    @property
    def payload_digest(self) -> str:
        """`sha256:` and the digest of what is signed."""
        return f"sha256:{hashlib.sha256(self.payload).hexdigest()}"


def commit_id(data: bytes, sha: str) -> str:
    """The id of these bytes as a commit, by the hash that an id of that length has."""
    whole = b"commit %d\x00" % len(data) + data
    if len(sha) == 64:
        return hashlib.sha256(whole).hexdigest()
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()


def read_headers(data: bytes) -> CommitHeaders:
    """What a commit says of itself, as git would show it."""
    head, _, message = data.partition(b"\n\n")
    parents, found = [], dict[bytes, bytes]()
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        if name == b"parent":
            parents.append(value.decode("ascii", "replace"))
        elif name:
            found.setdefault(name, value)
    codec = _codec(found.get(b"encoding", b""))
    committer = found.get(b"committer", b"")
    return CommitHeaders(
        parents=tuple(parents),
        author=_address(found.get(b"author", b""), codec),
        committer=_address(committer, codec),
        committed_seconds=_seconds(committer),
        subject=_text(_subject(message), codec),
    )


def read_signature(data: bytes, sha: str) -> CommitSignature | None:
    """The signature in a commit by its repository's hash, or None if it has none.

    Raises:
        MalformedCommit: it has several of one kind, or bytes no honest commit has.
    """
    wanted = _SIGNATURE_HEADERS[len(sha) == 64]
    if wanted not in data:
        return None
    head, blank, message = data.partition(b"\n\n")
    kept: list[bytes] = []
    signatures: dict[bytes, list[bytes]] = {}
    current: list[bytes] | None = None
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        if current is not None and line.startswith(b" "):
            current.append(value)
        elif name in _SIGNATURE_HEADERS:
            if name in signatures:
                raise MalformedCommit("the commit has two signatures of one kind")
            current = signatures[name] = [value]
        else:
            current = None
            kept.append(line)
    if wanted not in signatures:
        return None
    if b"\x00" in head:
        raise MalformedCommit("the headers of the commit hold a NUL byte")
    text = b"\n".join(signatures[wanted])
    return CommitSignature(_form(text), text, b"\n".join(kept) + blank + message)


def _form(text: bytes) -> SignatureForm:
    return next(
        (form for beginning, form in _BEGINNINGS if text.startswith(beginning)),
        SignatureForm.UNKNOWN,
    )


def _address(identity: bytes, codec: str) -> str:
    found = _MAIL.match(identity)
    return _text(found[1], codec) if found else ""


def _seconds(identity: bytes) -> int | None:
    found = _SECONDS.match(identity.rpartition(b">")[2].strip())
    return int(found[0]) if found else None


def _subject(message: bytes) -> bytes:
    lines: list[bytes] = []
    for line in message.partition(b"\x00")[0].lstrip(b"\n").split(b"\n"):
        text = line.rstrip()
        if text:
            lines.append(text)
        elif lines:
            break
    return b" ".join(lines)


def _codec(name: bytes) -> str:
    told = name.decode("ascii", "replace").strip().lower()
    return told if _ENCODING.fullmatch(told) else "utf-8"


def _text(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except (LookupError, UnicodeDecodeError):
        return data.decode("utf-8", "replace")
