"""Proofs about a log as files: read strictly, written in one spelling.

Inclusion is c2sp.org/tlog-proof@v1; consistency is the body that c2sp.org/tlog-witness
sends a witness. Both end with the checkpoint that they lead to.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from policies.checkpoint import LARGEST_CHECKPOINT_BYTES, Checkpoint, read_checkpoint
from policies.dsse import canonical_base64
from policies.errors import MalformedStatement, Refused
from store import merkle

_INCLUSION_HEADER = "c2sp.org/tlog-proof@v1"
MOST_NODES = 63
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That an entry stands at an index below a signed head."""

    index: int
    nodes: tuple[bytes, ...]
    checkpoint: Checkpoint

    def to_bytes(self) -> bytes:
        """The proof as a `.tlog-proof` file."""
        lines = [_INCLUSION_HEADER, f"index {self.index}", *_encoded(self.nodes)]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint.to_bytes()

    def check(self, entry: bytes) -> None:
        """Hold the proof against the bytes of the entry.

        The checkpoint's signature is checked by whoever knows the log key.

        Raises:
            Refused: it does not prove that the entry is there.
        """
        if not merkle.verify_inclusion(
            self.index,
            self.checkpoint.size,
            merkle.leaf_hash(entry),
            self.nodes,
            self.checkpoint.root,
        ):
            raise Refused(
                f"the proof does not show that this is entry {self.index} of the "
                f"{self.checkpoint.size} under root {self.checkpoint.root.hex()}"
            )


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That a signed head extends an earlier one."""

    old_size: int
    nodes: tuple[bytes, ...]
    checkpoint: Checkpoint

    def to_bytes(self) -> bytes:
        """The proof as a file."""
        lines = [f"old {self.old_size}", *_encoded(self.nodes)]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint.to_bytes()

    def check(self, old_size: int, old_root: bytes) -> None:
        """Hold the proof against a head known from before.

        Raises:
            Refused: it is for another size, or the new head does not extend that one.
        """
        new = self.checkpoint
        if self.old_size != old_size:
            raise Refused(
                f"the proof begins at size {self.old_size}, and the head known here is "
                f"of size {old_size}",
                hint=f"Ask for one: countersign log prove --from {old_size}",
            )
        if not merkle.verify_consistency(
            old_size, new.size, old_root, new.root, self.nodes
        ):
            raise Refused(
                f"the head of {new.size} entries with root {new.root.hex()} does not "
                f"extend that of {old_size} with root {old_root.hex()}"
            )


def read_inclusion_proof(data: bytes) -> InclusionProof:
    """Read a `.tlog-proof` file.

    Raises:
        MalformedStatement: it is none, or has more or fewer hashes than its index and
            size need.
    """
    lines, checkpoint = _parts(data)
    if len(lines) < 2 or lines[0] != _INCLUSION_HEADER:
        raise MalformedStatement("this is no inclusion proof")
    index = _number(lines[1], "index")
    nodes = _decoded(lines[2:])
    if not 0 <= index < checkpoint.size:
        raise MalformedStatement("the proof's index is not below its checkpoint's size")
    if len(nodes) != merkle.inclusion_length(index, checkpoint.size):
        raise MalformedStatement("the proof has not the hashes its index and size need")
    return InclusionProof(index, nodes, checkpoint)


def read_consistency_proof(data: bytes) -> ConsistencyProof:
    """Read a consistency proof file.

    Raises:
        MalformedStatement: it is none, or has more or fewer hashes than its two sizes
            need.
    """
    lines, checkpoint = _parts(data)
    old = _number(lines[0], "old")
    nodes = _decoded(lines[1:])
    if old > checkpoint.size:
        raise MalformedStatement("the proof goes from a larger size to a smaller one")
    if len(nodes) != merkle.consistency_length(old, checkpoint.size):
        raise MalformedStatement("the proof has not the hashes its two sizes need")
    return ConsistencyProof(old, nodes, checkpoint)


def _parts(data: bytes) -> tuple[list[str], Checkpoint]:
    head, separator, rest = data.partition(b"\n\n")
    if not separator or len(data) > 2 * LARGEST_CHECKPOINT_BYTES:
        raise MalformedStatement("this is no proof")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as cause:
        raise MalformedStatement("this is no proof") from cause
    return lines, read_checkpoint(rest)


def _number(line: str, name: str) -> int:
    word, _, digits = line.partition(" ")
    if (
        word != name
        or not 1 <= len(digits) <= _MOST_DIGITS
        or not digits.isdecimal()
        or str(int(digits)) != digits
    ):
        raise MalformedStatement(f"the proof does not say its {name!r} as a number")
    return int(digits)


def _encoded(nodes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(node).decode() for node in nodes]


def _decoded(lines: list[str]) -> tuple[bytes, ...]:
    nodes = tuple(canonical_base64(line) for line in lines[: MOST_NODES + 1])
    if len(nodes) > MOST_NODES or any(len(node) != 32 for node in nodes):
        raise MalformedStatement("the proof holds something other than hashes")
    return nodes
