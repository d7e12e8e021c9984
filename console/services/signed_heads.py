"""The signed heads that lie in a store: found, read, and held against its log.

Anybody who can write to a store can put rubbish there; what carries no good signature
is passed over, and what does and contradicts the log is a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator

from console.services.checkpoints import (
    checked_checkpoint,
    log_keys,
    make_checkpoint,
)
from console.services.opened import OpenStore
from console.services.problems import Refusal
from policies.checkpoint import LARGEST_CHECKPOINT_BYTES, Checkpoint, read_checkpoint
from policies.errors import MalformedStatement, Refused
from policies.notes import SignatureLine, VerifierKey
from store.backend import Backend, checkpoint_path, cosigned_path, numbered
from store.errors import StoreError

_CHECKPOINTS = "checkpoint/"
_MOST_COSIGNATURES = 16


def newest_cosigned(store: OpenStore, witness: VerifierKey) -> tuple[int, int] | None:
    """Size and claimed time of the largest head that a witness cosigned here.

    Raises:
        Refusal: the witness has cosigned another history, or more than there is.
    """
    suffix = f".{witness.hash.hex()}"
    sizes = [
        size
        for name in store.backend.names(_CHECKPOINTS)
        if name.endswith(suffix)
        and (size := numbered(name.removesuffix(suffix), _CHECKPOINTS)) is not None
    ]
    for size in sorted(sizes, reverse=True):
        found = _read(store.backend, cosigned_path(size, witness.hash))
        if found is None or (found.origin, found.size) != (store.origin, size):
            continue
        at = found.cosigned_at(witness)
        if at is not None:
            _require_same_history(store, witness, found)
            return size, at
    return None


def cosigned_note(store: OpenStore, witness: VerifierKey, size: int) -> bytes | None:
    """The head of a size with a witness's line, as it lies in the store."""
    found = _read(store.backend, cosigned_path(size, witness.hash))
    return None if found is None else found.to_bytes()


def cosignatures_of(store: OpenStore, size: int) -> tuple[SignatureLine, ...]:
    """Every line that the store holds beside its signed head of a size.

    Lines are not believed here: whoever names a witness verifies its line.
    """
    lines: list[SignatureLine] = []
    prefix = checkpoint_path(size) + "."
    head = store.index.root_at(size)
    for name in sorted(store.backend.names(prefix)):
        found = _read(store.backend, name)
        if (
            found is not None
            and (found.origin, found.size, found.root) == (store.origin, size, head)
            and len(lines) < _MOST_COSIGNATURES
        ):
            wanted = name.removeprefix(prefix)
            lines += [s for s in found.signatures if s.key_hash.hex() == wanted][:1]
    return tuple(lines)


def cosigned_head(store: OpenStore) -> bytes:
    """The signed head over everything there is, with every witness's line on it."""
    head = read_checkpoint(make_checkpoint(store))
    return head.with_lines(cosignatures_of(store, head.size)).to_bytes()


def _stored_heads(store: OpenStore) -> Iterator[Checkpoint]:
    """What lies in a store as heads of the log, the largest first."""
    sizes = [
        size
        for name in store.backend.names(_CHECKPOINTS)
        if (size := numbered(name, _CHECKPOINTS)) is not None
    ]
    for size in sorted(sizes, reverse=True):
        found = _read(store.backend, checkpoint_path(size))
        if found is not None:
            yield found


def _is_by_log(store: OpenStore, head: Checkpoint) -> bool:
    return any(head.note.is_signed_by(key) for key in log_keys(store))


def newest_fitting(store: OpenStore, *, other_than: Checkpoint) -> Checkpoint | None:
    """The largest head in the store that the log signed and that fits what is there."""
    return next(
        (
            head
            for head in _stored_heads(store)
            if head.body != other_than.body
            and head.size <= store.index.size
            and store.index.root_at(head.size) == head.root
            and _is_by_log(store, head)
        ),
        None,
    )


def newest_signed(store: OpenStore) -> Checkpoint | None:
    """The largest head in a store that the log signed.

    Raises:
        Refusal: the log has signed more entries than there are, or others.
        Refused: the only heads there are carry no signature of the log.
    """
    refusal: Refused | None = None
    for head in _stored_heads(store):
        try:
            checked_checkpoint(store, head.to_bytes())
        except Refused as cause:
            if _is_by_log(store, head):
                raise Refusal(
                    f"{checkpoint_path(head.size)}: {cause}",
                    hint="Entries the log has signed are gone, or were replaced. Do "
                    "not decide anything on it; ask who changed the store.",
                ) from cause
            refusal = refusal or cause
        else:
            return head
    if refusal is not None:
        raise refusal
    return None


def _read(backend: Backend, path: str) -> Checkpoint | None:
    """A checkpoint in a store, or None for what is none."""
    try:
        data = backend.read(path, at_most=LARGEST_CHECKPOINT_BYTES)
        return None if data is None else read_checkpoint(data)
    except (StoreError, MalformedStatement):
        return None


def _require_same_history(
    store: OpenStore, witness: VerifierKey, found: Checkpoint
) -> None:
    if found.size > store.index.size:
        raise Refusal(
            f"the witness {witness.name} has cosigned {found.size} entries, and there "
            f"are {store.index.size}",
            hint="Entries were removed. Do not decide anything on it; ask the witness.",
        )
    here = store.index.root_at(found.size)
    if here != found.root:
        raise Refusal(
            f"the witness {witness.name} has cosigned another history of the first "
            f"{found.size} entries: root {found.root.hex()}, here {here.hex()}",
            hint="History was rewritten. Decide nothing on it; ask the witness.",
        )
