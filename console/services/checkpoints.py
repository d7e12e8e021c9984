"""Checkpoints and proofs of a store's log."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from console.services.opened import OpenStore
from console.services.problems import Refusal
from console.services.signing import act_as_service
from console.services.unusable_batches import unusable_batches
from console.services.words import missing_objects
from policies.checkpoint import (
    LARGEST_CHECKPOINT_BYTES,
    Checkpoint,
    read_checkpoint,
    sign_checkpoint,
)
from policies.errors import Refused
from policies.notes import VerifierKey, note_key, read_verifier_key
from policies.trust_root import ServiceKind
from store.backend import Backend, checkpoint_path, source_of
from store.cached import CachedBackend
from store.errors import StoreRefused
from store.heads import RememberedHeads
from store.key_algorithms import Algorithm
from store.log import Progress
from store.opening import is_remote

if TYPE_CHECKING:
    from store.projection.committed import LeftOut


@dataclass(frozen=True, slots=True)
class LogReport:
    """What verifying a log found."""

    size: int
    root: str
    accepted: int
    void: int
    unknown: int
    problems: tuple[str, ...]
    is_deep: bool
    since: int = 0
    """Entries that an earlier verification covered and this one did not read."""
    unusable_batches: tuple[LeftOut, ...] = ()
    """Batches of facts that nobody can take in; looked for by a deep one."""


def log_keys(store: OpenStore, size: int | None = None) -> list[VerifierKey]:
    """The log keys in force at the end of the log, or at an earlier size."""
    return [
        note_key(store.origin, key)
        for service in store.state(before=size).services.values()
        if service.kind is ServiceKind.LOG
        for key in service.keys
        if key.algorithm is Algorithm.ED25519
    ]


def make_checkpoint(store: OpenStore) -> bytes:
    """Sign the head with the log key this machine holds, and store it."""
    acting = act_as_service(store, store.state(), ServiceKind.LOG)
    head = store.log.head()
    data = sign_checkpoint(
        store.origin,
        head.size,
        bytes.fromhex(head.root),
        acting.key,
        acting.signer.sign,
    )
    path = checkpoint_path(head.size)
    if not store.backend.put_if_absent(path, data):
        stored = store.backend.read(path, at_most=LARGEST_CHECKPOINT_BYTES)
        return checked_checkpoint(store, stored or b"")
    return data


def checked_checkpoint(store: OpenStore, data: bytes) -> bytes:
    """A checkpoint that is signed by the log key and fits the log.

    The key must be in force now, or have been at the size the checkpoint is of.

    Raises:
        Refused: it does not.
    """
    found: Checkpoint = read_checkpoint(data)
    if found.origin != store.origin:
        raise Refused(f"the checkpoint is of another log, {found.origin!r}")
    keys = [*log_keys(store), *log_keys(store, found.size)]
    if not any(found.note.is_signed_by(key) for key in keys):
        raise Refused("the checkpoint is not signed by the log key in force")
    if found.size > store.index.size:
        raise Refused(
            f"the checkpoint is of {found.size} entries, and there are "
            f"{store.index.size}: the log lacks entries that its key has signed",
        )
    here = store.index.root_at(found.size)
    if here != found.root:
        raise Refused(
            f"the checkpoint is of another history of the same size {found.size}: its "
            f"root is {found.root.hex()}, here it is {here.hex()}"
        )
    return data


def verify_log(
    store: OpenStore,
    *,
    deep: bool,
    progress: Progress | None = None,
    only_new: bool = False,
) -> LogReport:
    """Read every entry again, judge it anew, and compare with what is remembered.

    `deep` also rebuilds the projection and compares every row. `only_new` leaves out
    the entries that an earlier verification on this machine found good.
    """
    since = verified_size(store) if only_new else 0
    report = progress or (lambda _: None)
    with _read_once(store) as place:
        told = [str(p) for p in store.log.verify(report, start=since, place=place)]
        if not told:
            told += _judge_anew(store, place, since, report)
    told += _contradicting_witnesses(store)
    told += missing_objects(store, batches=deep)
    unusable = unusable_batches(store) if deep else ()
    if deep and not told:
        from store.projection.rebuild import compare_with_rebuilt

        store.projection.catch_up()
        told += compare_with_rebuilt(store.projection)
    standings = [entry.judgement.standing.value for entry in store.index.entries()]
    head = store.log.head()
    if not told:
        _verified_heads(store).remember(head)
    return LogReport(
        size=head.size,
        root=head.root,
        accepted=standings.count("accepted"),
        void=standings.count("void"),
        unknown=standings.count("unknown"),
        problems=tuple(told),
        is_deep=deep,
        since=since,
        unusable_batches=unusable,
    )


def _verified_heads(store: OpenStore) -> RememberedHeads:
    return RememberedHeads(store.folder / "verified")


def verified_size(store: OpenStore) -> int:
    """Entries that a verification here found good, if they are still the same ones."""
    for head in reversed(_verified_heads(store).all()):
        if (
            head.size <= store.index.size
            and store.index.root_at(head.size).hex() == head.root
        ):
            return head.size
    return 0


def _contradicting_witnesses(store: OpenStore) -> list[str]:
    """What this machine's witnesses have cosigned and the log does not extend."""
    from console.services.signed_heads import newest_cosigned

    problems = []
    for text in store.configuration.witnesses.values():
        try:
            newest_cosigned(store, read_verifier_key(text))
        except Refusal as problem:
            problems.append(str(problem))
    return problems


@contextlib.contextmanager
def _read_once(store: OpenStore) -> Iterator[Backend]:
    """The store itself; one that is far away is read into a folder of this moment."""
    source = source_of(store.backend)
    if not is_remote(store.address):
        yield source
        return
    with tempfile.TemporaryDirectory(dir=store.folder) as folder:
        copy = CachedBackend(source, Path(folder))
        try:
            yield copy
        finally:
            copy.close()


def _judge_anew(
    store: OpenStore, place: Backend, since: int, progress: Progress
) -> list[str]:
    """Fold the log into an index of its own, by its entries, and compare judgements."""
    from console.services.opened import new_ledger
    from store.log import Log
    from store.statement_index import StatementIndex

    with tempfile.TemporaryDirectory() as folder:
        index = StatementIndex(Path(folder) / "again.sqlite")
        if since:
            index.take_from(store.index)
            index.cut_to(since)
        heads = RememberedHeads(Path(folder) / "heads")
        Log(place, index, heads, new_ledger).catch_up(progress)
        again = {entry.index: entry for entry in index.entries(since, store.index.size)}
        index.close()
    return [
        f"entry {entry.index} is judged otherwise now: "
        f"{again[entry.index].judgement.standing.value}, "
        f"{again[entry.index].judgement.reason}"
        if entry.index in again
        else f"entry {entry.index} is no longer there"
        for entry in store.index.entries(since)
        if again.get(entry.index) != entry
    ]


def require_statement_index(store: OpenStore, text: str) -> int:
    """The index of a statement, by number or by the beginning of its id.

    Raises:
        StoreRefused: none or several answer to it.
    """
    if text.isdecimal() and int(text) < store.index.size:
        return int(text)
    prefix = text.removeprefix("statement:").removeprefix("request:").lower()
    found = store.index.statements_starting(prefix) if prefix else []
    if len(found) != 1:
        raise StoreRefused(
            f"{text} names {len(found)} statements, not one",
            hint="Give an index or more of the id; see: countersign log show",
        )
    return found[0].index
