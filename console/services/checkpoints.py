"""Checkpoints and proofs of a store's log."""

from __future__ import annotations

from dataclasses import dataclass

from console.services.opened import OpenStore
from console.services.signing import act_as_service
from console.services.words import missing_objects
from policies.checkpoint import (
    LARGEST_CHECKPOINT_BYTES,
    Checkpoint,
    read_checkpoint,
    sign_checkpoint,
)
from policies.errors import Refused
from policies.notes import VerifierKey, note_key
from policies.trust_root import ServiceKind
from store.backend import checkpoint_path, source_of
from store.errors import StoreError, StoreRefused
from store.key_algorithms import Algorithm
from store.log import Progress


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
    store: OpenStore, *, deep: bool, progress: Progress | None = None
) -> LogReport:
    """Read every entry again, judge it anew, and compare with what is remembered.

    `deep` also rebuilds the projection and compares every row.
    """
    problems: list[StoreError] = (
        store.log.verify(progress) if progress else store.log.verify()
    )
    told = [f"{problem}" for problem in problems]
    if not problems:
        told += _judge_anew(store)
    told += missing_objects(store, batches=deep)
    if deep and not told:
        from store.projection.rebuild import compare_with_rebuilt

        store.projection.catch_up()
        told += compare_with_rebuilt(store.projection)
    standings = [entry.judgement.standing.value for entry in store.index.entries()]
    head = store.log.head()
    return LogReport(
        size=head.size,
        root=head.root,
        accepted=standings.count("accepted"),
        void=standings.count("void"),
        unknown=standings.count("unknown"),
        problems=tuple(told),
        is_deep=deep,
    )


def _judge_anew(store: OpenStore) -> list[str]:
    """Fold the whole log into a fresh index and compare every judgement."""
    import tempfile
    from pathlib import Path

    from console.services.opened import new_ledger
    from store.heads import RememberedHeads
    from store.log import Log
    from store.statement_index import StatementIndex

    with tempfile.TemporaryDirectory() as folder:
        index = StatementIndex(Path(folder) / "again.sqlite")
        heads = RememberedHeads(Path(folder) / "heads")
        Log(source_of(store.backend), index, heads, new_ledger).catch_up()
        again = {entry.index: entry for entry in index.entries(0, store.index.size)}
        index.close()
    return [
        f"entry {entry.index} is judged otherwise now: "
        f"{again[entry.index].judgement.standing.value}, "
        f"{again[entry.index].judgement.reason}"
        for entry in store.index.entries()
        if entry.index not in again or again[entry.index] != entry
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
