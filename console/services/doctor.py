"""Looking a store and this machine over: what is fine, what is not, what to do.

Probes write and remove throw-away names that no entry can ever have; nothing else is
changed.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from console.services.opened import OpenStore, confirmed_anchor, parse_time
from policies.trust_root import BuiltInRole
from store.backend import Backend, source_of
from store.errors import StoreError, StoreUnavailable
from store.opening import is_remote, probe

if TYPE_CHECKING:
    from store.s3 import S3Backend

WARN_DAYS = (90, 30, 7)
"""Days before a trust root expires on which it is worth saying."""
LARGEST_SKEW = timedelta(seconds=60)
_PRIVATE = stat.S_IRWXG | stat.S_IRWXO


class Health(StrEnum):
    """What one look found."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    health: Health
    found: str
    next_step: str = ""


Look = Callable[[OpenStore], Finding | None]


def examine(store: OpenStore) -> Iterator[Finding]:
    """Everything worth knowing before relying on a store, one finding at a time."""
    for look in (
        _answers,
        _keeps_the_first,
        _anchor,
        _root,
        _quorum,
        _unknown_entries,
        _key_files,
        _service_keys,
    ):
        finding = look(store)
        if finding is not None:
            yield finding
    if is_remote(store.address) and store.is_answering:
        yield from _bucket(store)


def _answers(store: OpenStore) -> Finding:
    if store.is_answering:
        return Finding("the store answers", Health.FINE, f"{store.index.size} entries")
    return Finding(
        "the store answers",
        Health.UNKNOWN,
        f"last read {store.confirmed_at}",
        "Check the network and the endpoint.",
    )


def _keeps_the_first(store: OpenStore) -> Finding | None:
    if not store.is_answering:
        return None
    what = "of two writes the first is kept"
    try:
        probe(source_of(store.backend))
    except StoreUnavailable as problem:
        return Finding(what, Health.UNKNOWN, str(problem), problem.hint)
    except StoreError as problem:
        is_reader = "is refused" in str(problem)
        return Finding(
            what,
            Health.WARNING if is_reader else Health.WRONG,
            str(problem),
            "Fine for a machine that only reads." if is_reader else problem.hint,
        )
    return Finding(what, Health.FINE, "probed")


def _anchor(store: OpenStore) -> Finding:
    if confirmed_anchor(store):
        return Finding("the first trust root is confirmed here", Health.FINE, "yes")
    return Finding(
        "the first trust root is confirmed here",
        Health.WARNING,
        "no: this machine decides nothing",
        f"Compare {store.first_root} with its owner, then give it as --anchor.",
    )


def _root(store: OpenStore) -> Finding:
    root = store.root()
    left = parse_time(root.expires) - store.clock()
    told = f"version {root.version}, expires {root.expires}"
    step = "Sign the next one: countersign trust propose (docs/operations.md)."
    if left <= timedelta():
        return Finding("the trust root is in force", Health.WRONG, told, step)
    if left <= timedelta(days=max(WARN_DAYS)):
        found = f"{told}: in {left.days} days"
        return Finding("the trust root is in force", Health.WARNING, found, step)
    return Finding("the trust root is in force", Health.FINE, told)


def _quorum(store: OpenStore) -> Finding:
    root, state = store.root(), store.state()
    holders = sum(
        1 for p in state.people.values() if p.keys and p.holds(BuiltInRole.ROOT)
    )
    told = f"{holders} can sign a trust root, {root.root_threshold} must"
    what = "a lost key locks nobody out"
    if holders > root.root_threshold:
        return Finding(what, Health.FINE, told)
    return Finding(
        what,
        Health.WARNING,
        told,
        "Give the role `root` to one more person than must sign.",
    )


def _unknown_entries(store: OpenStore) -> Finding | None:
    count = store.index.count_unknown()
    if not count:
        return None
    return Finding(
        "every statement is of a known type",
        Health.WRONG,
        f"{count} are not",
        "Upgrade countersign; see: countersign log show",
    )


def _key_files(store: OpenStore) -> Finding | None:
    folder = store.places.keys
    if not folder.is_dir():
        return None
    files = sorted(folder.glob("*.pem"))
    loose = [p.name for p in files if p.stat().st_mode & _PRIVATE]
    plain = [p.name for p in files if b"ENCRYPTED" not in p.read_bytes()[:256]]
    what = "keys on this machine are private and encrypted"
    if loose:
        return Finding(
            what,
            Health.WRONG,
            f"others can read {', '.join(loose)}",
            f"chmod 600 {folder}/*.pem",
        )
    if plain and not store.root().is_demo:
        return Finding(
            what,
            Health.WARNING,
            f"not encrypted: {', '.join(plain)}",
            "Make keys with a passphrase, or keep them on a token.",
        )
    return Finding(what, Health.FINE, f"{len(files)} keys")


def _service_keys(store: OpenStore) -> Finding | None:
    loose = [
        p.name
        for p in store.folder.glob("service-*.pem")
        if p.stat().st_mode & _PRIVATE
    ]
    if not loose:
        return None
    return Finding(
        "service keys are private",
        Health.WRONG,
        f"others can read {', '.join(loose)}",
        f"chmod 600 {store.folder}/service-*.pem",
    )


def _bucket(store: OpenStore) -> Iterator[Finding]:
    from store.s3 import S3Backend

    backend: Backend = source_of(store.backend)
    if isinstance(backend, S3Backend):
        yield _clock(backend)
        yield _overwriting(backend)
        yield _deleting(backend)
        yield _versioning(backend)


def _clock(backend: S3Backend) -> Finding:
    from store.s3_rest import quoted

    what = "this machine's clock agrees with the service's"
    where = quoted(f"/{backend.place.bucket}/{backend.place.key('entry/000')}")
    answer = backend.reader.get(where, at_most=1 << 20)
    try:
        theirs = parsedate_to_datetime(answer.date)
    except ValueError:
        return Finding(what, Health.UNKNOWN, "the service tells no time")
    from console.services.opened import wall_clock

    skew = abs(wall_clock() - theirs)
    told = f"{skew.total_seconds():.0f} s apart"
    if skew > LARGEST_SKEW:
        return Finding(what, Health.WARNING, told, "Set this machine's clock.")
    return Finding(what, Health.FINE, told)


def _probe_key(backend: S3Backend) -> str:
    """A name under entry/ that no index can have."""
    return backend.place.key(f"entry/probe-{secrets.token_hex(8)}")


def _overwriting(backend: S3Backend) -> Finding:
    """Whether the bucket's policy asks for If-None-Match under entry/."""
    from botocore.exceptions import ClientError

    what = "the bucket refuses writes to entry/ without If-None-Match"
    key = _probe_key(backend)
    try:
        backend.client.put_object(Bucket=backend.place.bucket, Key=key, Body=b"x")
    except ClientError as cause:
        return Finding(what, Health.FINE, str(cause.response["Error"].get("Code")))
    try:
        backend.client.delete_object(Bucket=backend.place.bucket, Key=key)
    except ClientError:
        return Finding(
            what,
            Health.WARNING,
            f"it accepted one, and {key} cannot be removed",
            "Add the bucket policy in docs/s3.md.",
        )
    return Finding(
        what,
        Health.WARNING,
        "it accepted one: whoever may write can overwrite an entry",
        "Add the bucket policy in docs/s3.md.",
    )


def _deleting(backend: S3Backend) -> Finding:
    from botocore.exceptions import ClientError

    what = "the bucket refuses deletes under entry/"
    try:
        backend.client.delete_object(
            Bucket=backend.place.bucket, Key=_probe_key(backend)
        )
    except ClientError as cause:
        return Finding(what, Health.FINE, str(cause.response["Error"].get("Code")))
    return Finding(
        what,
        Health.WARNING,
        "these credentials may delete entries",
        "Add the bucket policy in docs/s3.md.",
    )


def _versioning(backend: S3Backend) -> Finding:
    from botocore.exceptions import BotoCoreError, ClientError

    what = "old versions are kept"
    try:
        answer = backend.client.get_bucket_versioning(Bucket=backend.place.bucket)
        status = str(answer.get("Status", ""))
    except (ClientError, BotoCoreError):
        return Finding(what, Health.UNKNOWN, "these credentials may not ask")
    if status != "Enabled":
        return Finding(
            what,
            Health.WARNING,
            "versioning is off",
            "Turn on versioning, and Object Lock where the service has it.",
        )
    try:
        backend.client.get_object_lock_configuration(Bucket=backend.place.bucket)
    except (ClientError, BotoCoreError):
        return Finding(
            what,
            Health.WARNING,
            "versioning is on, Object Lock is not",
            "Object Lock keeps old versions even from the bucket's owner.",
        )
    return Finding(what, Health.FINE, "versioning and Object Lock")
