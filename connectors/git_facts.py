"""What a commit tells: who made it when, and how it is signed.

A signature is told, never judged: an SSH signature with the whole commit, so that
anybody can verify it again; others by their form alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from store.errors import MalformedCommit, MalformedWire
from store.facts import Fact, FactKind, Strength
from store.git_commit import (
    LARGEST_SIGNED_BYTES,
    CommitSignature,
    SignatureForm,
    read_headers,
    read_signature,
)
from store.identifiers import EntityKey, commit_key
from store.ssh_wire import named_fingerprint

LONGEST_SUBJECT = 2_000


def commit_facts(sha: str, data: bytes, repository: EntityKey) -> Iterator[Fact]:
    """Facts about one commit from its bytes."""
    headers = read_headers(data)
    people = (headers.author, headers.committer)
    yield Fact(
        kind=FactKind.COMMIT,
        subject=commit_key(sha),
        object=repository,
        name=headers.subject[:LONGEST_SUBJECT],
        text=json.dumps(headers.parents),
        digest=sha,
        actor=" ".join(dict.fromkeys(f"git:{_one_word(who)}" for who in people)),
        started=_moment(headers.committed_seconds),
    )
    try:
        signature = read_signature(data, sha)
    except MalformedCommit as problem:
        yield _signature(sha, repository, SignatureForm.UNKNOWN, status=str(problem))
        return
    if signature is not None:
        yield _signed(sha, data, signature, repository)


def _signed(
    sha: str, data: bytes, signature: CommitSignature, repository: EntityKey
) -> Fact:
    if len(data) > LARGEST_SIGNED_BYTES:
        return _signature(
            sha, repository, signature.form, status="the commit is too large"
        )
    digest = signature.payload_digest
    if signature.form is not SignatureForm.SSH:
        return _signature(sha, repository, signature.form, digest=digest)
    try:
        fingerprint = named_fingerprint(signature.text)
    except MalformedWire as problem:
        return _signature(
            sha, repository, signature.form, digest=digest, status=str(problem)
        )
    whole = base64.b64encode(data).decode()
    return _signature(
        sha, repository, signature.form, digest=digest, key=fingerprint, whole=whole
    )


def _signature(
    sha: str,
    repository: EntityKey,
    form: SignatureForm,
    *,
    status: str = "",
    digest: str = "",
    key: str = "",
    whole: str | None = None,
) -> Fact:
    return Fact(
        kind=FactKind.COMMIT_SIGNATURE,
        subject=commit_key(sha),
        object=repository,
        name=form.value,
        text=whole,
        status=status,
        actor=key,
        digest=digest,
        strength=Strength.REREAD.value,
    )


def _one_word(address: str) -> str:
    """An e-mail address that cannot pass for two names."""
    return "".join(address.split())


def _moment(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
