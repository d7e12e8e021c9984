"""Looking a store and this machine over: what is fine, what is not, what to do.

Probes write and remove throw-away names that no entry can ever have; nothing else is
changed.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from connectors.signers.looking import key_files
from console.services.opened import (
    OpenStore,
    confirmed_anchor,
    parse_time,
    wall_clock,
)
from console.services.unusable_batches import WAITING, unusable_batches
from policies.trust_root import BuiltInRole
from store.backend import source_of
from store.errors import StoreError, StoreForbidden, StoreUnavailable
from store.opening import is_remote, probe

WARN_DAYS = (90, 30, 7)
"""Days before a trust root expires on which it is worth saying."""
_PRIVATE = stat.S_IRWXG | stat.S_IRWXO


_MOST_BATCHES_NAMED = 3
LITTLE_SPACE_BYTES = 1024**3


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
        _batches,
        _key_files,
        _service_keys,
        _space_here,
        _space_there,
    ):
        finding = look(store)
        if finding is not None:
            yield finding
    if is_remote(store.address) and store.is_answering:
        from console.services.doctor_bucket import examine_bucket

        yield from examine_bucket(source_of(store.backend), wall_clock)


def not_opened(problem: StoreError) -> Finding:
    """What to say of a store that could not be opened at all."""
    is_transient = isinstance(problem, StoreUnavailable)
    return Finding(
        "the store answers",
        Health.UNKNOWN if is_transient else Health.WRONG,
        str(problem),
        problem.hint,
    )


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
        is_reader = isinstance(problem, StoreForbidden)
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


def _batches(store: OpenStore) -> Finding | None:
    if not store.index.batches(0):
        return None
    what = "every batch of facts can be taken in"
    try:
        found = unusable_batches(store)
    except StoreError as problem:
        return Finding(what, Health.UNKNOWN, str(problem), problem.hint)
    if not found:
        return Finding(what, Health.FINE, "yes")
    told = "; ".join(
        f"entry {batch.entry} (object {batch.digest}): {batch.reason}"
        for batch in found[:_MOST_BATCHES_NAMED]
    )
    if len(found) > _MOST_BATCHES_NAMED:
        told += f"; and {len(found) - _MOST_BATCHES_NAMED} more"
    if found[-1].reason == WAITING:
        return Finding(
            what,
            Health.WRONG,
            told,
            "Restore it from a backup, or have a root holder give it up: "
            f"countersign erase {found[-1].digest} --reason TEXT",
        )
    return Finding(
        what,
        Health.WARNING,
        told,
        "They change nothing. Ask who signed them: countersign log show",
    )


def _key_files(store: OpenStore) -> Finding | None:
    folder = store.places.keys
    if not folder.is_dir():
        return None
    files = sorted(folder.glob("*.pem"))
    loose = [p.name for p in files if p.stat().st_mode & _PRIVATE]
    plain = [seen.address for seen in key_files(folder) if not seen.is_encrypted]
    what = "keys on this machine are private and encrypted"
    if loose:
        return Finding(
            what,
            Health.WRONG,
            f"others can read {', '.join(loose)}",
            f"chmod 600 {folder}/*.pem",
        )
    if plain:
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


def _space_here(store: OpenStore) -> Finding:
    return _space("this machine has room for its data", store.folder)


def _space_there(store: OpenStore) -> Finding | None:
    if is_remote(store.address):
        return None
    return _space("the store's folder has room", Path(store.address).expanduser())


def _space(what: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    told = f"{free / 1024**3:.1f} GiB free at {folder}"
    if free < LITTLE_SPACE_BYTES:
        return Finding(what, Health.WARNING, told, "Free some space.")
    return Finding(what, Health.FINE, told)
