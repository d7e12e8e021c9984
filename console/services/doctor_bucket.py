"""Looking a bucket over: its clock, what it refuses, and what it keeps.

Writes are tried with a name that no entry can have, or with the bytes that are there
already; a service that answers neither yes nor no leaves the question open.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum, auto
from typing import Any

from console.services.doctor import Finding, Health
from console.services.opened import Clock
from store.backend import Backend, entry_path
from store.errors import StoreError, StoreForbidden
from store.s3 import S3Backend
from store.s3_problems import told_as_ours

LARGEST_SKEW = timedelta(seconds=60)
_LARGEST_ENTRY_BYTES = 1 << 20
_POLICY = "Add the bucket policy in docs/s3.md."


class _Tried(StrEnum):
    """How a service answered a request that it ought to refuse."""

    DONE = auto()
    FORBIDDEN = auto()
    UNCLEAR = auto()


def examine_bucket(backend: Backend, clock: Clock) -> Iterator[Finding]:
    """What a bucket's owner ought to know, one finding at a time."""
    if isinstance(backend, S3Backend):
        yield _clocks_agree(backend, clock)
        yield _overwriting(backend)
        yield _deleting(backend)
        yield _versions(backend)


def _clocks_agree(backend: S3Backend, clock: Clock) -> Finding:
    what = "this machine's clock agrees with the service's"
    try:
        answer = backend.fetch(entry_path(0), at_most=_LARGEST_ENTRY_BYTES)
        theirs = parsedate_to_datetime(answer.date)
    except ValueError:
        return Finding(what, Health.UNKNOWN, "the service tells no time")
    except StoreError as problem:
        return Finding(what, Health.UNKNOWN, str(problem), problem.hint)
    skew = abs(clock() - theirs)
    told = f"{skew.total_seconds():.0f} s apart"
    if skew > LARGEST_SKEW:
        return Finding(what, Health.WARNING, told, "Set this machine's clock.")
    return Finding(what, Health.FINE, told)


def _try(backend: S3Backend, operation: str, **arguments: Any) -> tuple[_Tried, str]:
    """Ask for something with boto3; how it ended, and what was said."""
    try:
        with told_as_ours(backend.place):
            getattr(backend.client, operation)(Bucket=backend.place.bucket, **arguments)
    except StoreForbidden as problem:
        return _Tried.FORBIDDEN, str(problem)
    except StoreError as problem:
        return _Tried.UNCLEAR, str(problem)
    return _Tried.DONE, ""


def _probe_key(backend: S3Backend) -> str:
    """A name under entry/ that no index can have."""
    return backend.place.key(f"entry/probe-{secrets.token_hex(8)}")


def _may_write(backend: S3Backend) -> bool | None:
    """Whether these credentials may write under entry/ as the log does.

    The first entry is written once more with the bytes it has: nothing can change.
    """
    try:
        first = backend.read(entry_path(0), at_most=_LARGEST_ENTRY_BYTES)
        return first is not None and not backend.put_if_absent(entry_path(0), first)
    except StoreForbidden:
        return False
    except StoreError:
        return None


def _overwriting(backend: S3Backend) -> Finding:
    """Whether the bucket's policy asks for If-None-Match under entry/."""
    what = "the bucket refuses writes to entry/ without If-None-Match"
    key = _probe_key(backend)
    tried, said = _try(backend, "put_object", Key=key, Body=b"x")
    if tried is _Tried.FORBIDDEN and _may_write(backend):
        return Finding(what, Health.FINE, "with it it takes them, without it not")
    if tried is not _Tried.DONE:
        found = said if tried is _Tried.UNCLEAR else "these credentials may not write"
        step = "Run this with credentials that may append."
        return Finding(what, Health.UNKNOWN, found, step)
    found = "it accepted one: whoever may write can overwrite an entry"
    if _try(backend, "delete_object", Key=key)[0] is not _Tried.DONE:
        found += f" ({key} stays behind)"
    return Finding(what, Health.WARNING, found, _POLICY)


def _deleting(backend: S3Backend) -> Finding:
    what = "the bucket refuses deletes under entry/"
    tried, said = _try(backend, "delete_object", Key=_probe_key(backend))
    if tried is _Tried.FORBIDDEN:
        return Finding(what, Health.FINE, "to these credentials")
    if tried is _Tried.UNCLEAR:
        return Finding(what, Health.UNKNOWN, said)
    found = "these credentials may delete entries"
    return Finding(what, Health.WARNING, found, _POLICY)


def _versions(backend: S3Backend) -> Finding:
    what = "old versions are kept"
    try:
        with told_as_ours(backend.place):
            answer = backend.client.get_bucket_versioning(Bucket=backend.place.bucket)
    except StoreError as problem:
        return Finding(what, Health.UNKNOWN, str(problem))
    if str(answer.get("Status", "")) != "Enabled":
        return Finding(
            what,
            Health.WARNING,
            "versioning is off",
            "Turn on versioning, and Object Lock where the service has it.",
        )
    tried, said = _try(backend, "get_object_lock_configuration")
    if tried is _Tried.DONE:
        return Finding(what, Health.FINE, "versioning and Object Lock")
    if "ObjectLockConfigurationNotFound" not in said:
        return Finding(what, Health.UNKNOWN, f"versioning is on; Object Lock: {said}")
    return Finding(
        what,
        Health.WARNING,
        "versioning is on, Object Lock is not",
        "Object Lock keeps old versions even from the bucket's owner.",
    )
