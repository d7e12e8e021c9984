"""Being a witness: cosigning heads of a log that extend every head cosigned before.

A witness says "I have seen this head, and it extends what I saw", and no more: it
judges no entry's worth beyond its own reading, and proves no time but its own clock's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from connectors.signers.opening import Signer
from console.services.checkpoints import checked_checkpoint
from console.services.opened import OpenStore
from console.services.problems import Refusal, Undecided
from console.services.signed_heads import contradicting_head, newest_signed
from console.services.witness_memory import WitnessMemory
from policies.checkpoint import Checkpoint, read_checkpoint
from policies.errors import Refused
from policies.keys import public_key
from policies.log_proofs import ConsistencyProof
from policies.notes import VerifierKey, witness_key
from store import merkle
from store.backend import Backend, cosigned_path


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness that can sign now."""

    key: VerifierKey
    signer: Signer
    memory: WitnessMemory


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A head that a witness has put its name to."""

    checkpoint: Checkpoint
    at: int
    """Seconds since 1970, by the witness's clock."""
    extends: int | None
    """Size of the head it cosigned before; None for the first."""


def verifier_key_of(name: str, signer: Signer) -> VerifierKey:
    """The verifier key under which a signer witnesses.

    Raises:
        MalformedStatement: the name or the key is not fit for notes.
    """
    return witness_key(name, public_key(signer.spki))


def witness_store(store: OpenStore, witness: Witness, at: int) -> Cosigned:
    """Cosign the newest signed head of a store that this machine has read itself.

    Raises:
        Refusal: the log does not extend what this witness has cosigned.
        Undecided: no head is signed yet.
    """
    with witness.memory.held():
        known = witness.memory.find(store.origin)
        if known is not None:
            _require_extension(store, witness, known, contradicting_head(store, known))
        shown = newest_signed(store)
        if known is not None and (shown is None or shown.size < known.size):
            shown = known
        if shown is None:
            raise Undecided(
                f"{store.address} holds no head signed by the log",
                hint="Sign one where the log key is: countersign log checkpoint",
            )
        return _cosign(witness, shown, at, known)


def witness_head(store: OpenStore, data: bytes, witness: Witness, at: int) -> Cosigned:
    """Cosign a checkpoint that came by another way, if the store's log holds it.

    Raises:
        Refusal: it is not the head of a prefix, or does not extend what was cosigned.
    """
    with witness.memory.held():
        known = witness.memory.find(store.origin)
        shown = read_checkpoint(data)
        if known is not None:
            _require_extension(store, witness, known, shown)
            _refuse_smaller(known, shown)
        checked_checkpoint(store, data)
        return _cosign(witness, shown, at, known)


def witness_proof(
    proof: ConsistencyProof, log_key: VerifierKey, witness: Witness, at: int
) -> Cosigned:
    """Cosign the head that a consistency proof leads to, without seeing an entry.

    Raises:
        Refusal: it does not extend what was cosigned.
        Refused: the log key did not sign it, or the proof does not hold.
    """
    shown = proof.checkpoint
    if log_key.name != shown.origin or not shown.note.is_signed_by(log_key):
        raise Refused(
            f"the checkpoint is not signed by {log_key}",
            hint="Ask the log's owner for the key: countersign log keys",
        )
    with witness.memory.held():
        known = witness.memory.find(shown.origin)
        if known is None:
            proof.check(0, merkle.EMPTY_ROOT)
        else:
            if known.size == shown.size and known.root != shown.root:
                _split(witness, known, shown.to_bytes(), shown.size, shown.root)
            _refuse_smaller(known, shown)
            try:
                proof.check(known.size, known.root)
            except Refused as refusal:
                if proof.old_size == known.size:
                    path = witness.memory.keep_evidence(known, proof.to_bytes())
                    raise Refusal(f"{refusal}", hint=_evidence_hint(path)) from refusal
                raise
        return _cosign(witness, shown, at, known)


def publish(backend: Backend, witness: VerifierKey, cosigned: Checkpoint) -> str:
    """Put a cosigned head beside the log's own, unless one of that size is there.

    Returns its path in the store.
    """
    path = cosigned_path(cosigned.size, witness.hash)
    backend.put_if_absent(path, cosigned.to_bytes())
    return path


def _cosign(
    witness: Witness, shown: Checkpoint, at: int, known: Checkpoint | None
) -> Cosigned:
    cosigned = shown.cosigned(witness.key, at, witness.signer.sign)
    witness.memory.remember(cosigned)
    return Cosigned(cosigned, at, None if known is None else known.size)


def _require_extension(
    store: OpenStore, witness: Witness, known: Checkpoint, shown: Checkpoint | None
) -> None:
    data = _unsigned_head(store) if shown is None else shown.to_bytes()
    if store.index.size < known.size:
        path = witness.memory.keep_evidence(known, data)
        raise Refusal(
            f"the log has {store.index.size} entries, and this witness has cosigned "
            f"{known.size}",
            hint=_evidence_hint(path),
        )
    here = store.index.root_at(known.size)
    if here != known.root:
        _split(witness, known, data, known.size, here)


def _split(
    witness: Witness, known: Checkpoint, shown: bytes, size: int, root: bytes
) -> NoReturn:
    path = witness.memory.keep_evidence(known, shown)
    raise Refusal(
        f"two histories of the same {size} entries: this witness has cosigned root "
        f"{known.root.hex()}, and is now shown root {root.hex()}",
        hint=_evidence_hint(path),
    )


def _refuse_smaller(known: Checkpoint, shown: Checkpoint) -> None:
    if shown.size < known.size:
        raise Refusal(
            f"the checkpoint is of {shown.size} entries, and this witness has cosigned "
            f"{known.size}",
            hint="An old checkpoint is no fork, and is not cosigned again. Give a "
            "newer one.",
        )


def _unsigned_head(store: OpenStore) -> bytes:
    """A head that was read and that nobody signed, for evidence."""
    head = store.log.head()
    return f"unsigned, as read: {head.size} entries, root {head.root}\n".encode()


def _evidence_hint(path: object) -> str:
    return (
        f"Both heads are in {path}. Keep that file, show it to everyone who relies on "
        "the log, and do not decide anything on it."
    )
