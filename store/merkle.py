"""The Merkle tree of RFC 6962: leaf and node hashes, roots, proofs and their checks.

Pure arithmetic on hashes. A tree is addressed by (level, index) of its complete
subtrees, so that a root or a proof at any size needs logarithmically many of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

Hash = bytes
NodeReader = Callable[[int, int], Hash]
"""Returns the hash of the complete subtree of 2**level leaves at that index."""

EMPTY_ROOT: Hash = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> Hash:
    """Hash of a leaf: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def new_nodes(index: int, leaf: Hash, read: NodeReader) -> list[tuple[int, int, Hash]]:
    """Complete subtrees that come into being when `leaf` is put at `index`.

    `read` must answer for subtrees completed earlier.
    """
    made = [(0, index, leaf)]
    level, position, current = 0, index, leaf
    while position % 2 == 1:
        current = node_hash(read(level, position - 1), current)
        level, position = level + 1, position // 2
        made.append((level, position, current))
    return made


def _range_hash(start: int, end: int, read: NodeReader) -> Hash:
    """Hash of leaves start..end-1 as one subtree of RFC 6962 (start is aligned)."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return read(level, start >> level)
    split = 1 << ((size - 1).bit_length() - 1)
    return node_hash(
        _range_hash(start, start + split, read), _range_hash(start + split, end, read)
    )


def root_at(size: int, read: NodeReader) -> Hash:
    """Root hash of the first `size` leaves."""
    return EMPTY_ROOT if size == 0 else _range_hash(0, size, read)


def inclusion_proof(index: int, size: int, read: NodeReader) -> list[Hash]:
    """Audit path of the leaf at `index` in the tree of `size` leaves (RFC 6962 2.1.1).

    Raises:
        ValueError: `index` is not below `size`.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[Hash] = []
    start, end = 0, size
    while end - start > 1:
        split = 1 << ((end - start - 1).bit_length() - 1)
        if index - start < split:
            path.append(_range_hash(start + split, end, read))
            end = start + split
        else:
            path.append(_range_hash(start, start + split, read))
            start += split
    return path[::-1]


def consistency_proof(old: int, new: int, read: NodeReader) -> list[Hash]:
    """Proof that the first `old` of `new` leaves are unchanged (RFC 6962 2.1.2).

    Raises:
        ValueError: not 0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"no tree of {new} extends one of {old}")
    if old in (0, new):
        return []

    def walk(start: int, end: int, is_whole: bool) -> list[Hash]:
        if end == old:
            return [] if is_whole else [_range_hash(start, end, read)]
        split = 1 << ((end - start - 1).bit_length() - 1)
        if old <= start + split:
            return [
                *walk(start, start + split, is_whole),
                _range_hash(start + split, end, read),
            ]
        return [
            *walk(start + split, end, False),
            _range_hash(start, start + split, read),
        ]

    return walk(0, new, True)


def inclusion_length(index: int, size: int) -> int:
    """How many hashes an audit path has (RFC 9162)."""
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def consistency_length(old: int, new: int) -> int:
    """How many hashes a consistency proof has."""
    if old in (0, new):
        return 0
    trailing = ((old & -old).bit_length()) - 1
    last_complete = (old - 1) >> trailing
    tail = inclusion_length(last_complete, ((new - 1) >> trailing) + 1)
    return tail + (0 if old & (old - 1) == 0 else 1)


def verify_inclusion(
    index: int, size: int, leaf: Hash, proof: Sequence[Hash], root: Hash
) -> bool:
    """Whether `proof` shows `leaf` at `index` of the tree with `root` (RFC 9162)."""
    if not 0 <= index < size or any(len(node) != 32 for node in proof):
        return False
    position, last, current = index, size - 1, leaf
    for node in proof:
        if last == 0:
            return False
        if position % 2 == 1 or position == last:
            current = node_hash(node, current)
            while position % 2 == 0 and position != 0:
                position, last = position >> 1, last >> 1
        else:
            current = node_hash(current, node)
        position, last = position >> 1, last >> 1
    return last == 0 and current == root


def verify_consistency(
    old: int, new: int, old_root: Hash, new_root: Hash, proof: Sequence[Hash]
) -> bool:
    """Whether `proof` shows that the tree of `new` leaves extends that of `old`."""
    if not 0 <= old <= new or any(len(node) != 32 for node in proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position % 2 == 1:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if position % 2 == 1 or position == last:
            first = node_hash(node, first)
            second = node_hash(node, second)
            while position % 2 == 0 and position != 0:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, node)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


class MemoryTree:
    """A tree held in memory: for verifiers and tests, not for large logs."""

    def __init__(self, leaves: Sequence[Hash] = ()) -> None:
        self._nodes: dict[tuple[int, int], Hash] = {}
        self.size = 0
        for leaf in leaves:
            self.append(leaf)

    def read(self, level: int, index: int) -> Hash:
        """Hash of a complete subtree (a NodeReader)."""
        return self._nodes[level, index]

    def append(self, leaf: Hash) -> None:
        """Add the hash of one more leaf."""
        for level, position, value in new_nodes(self.size, leaf, self.read):
            self._nodes[level, position] = value
        self.size += 1

    def root(self, size: int | None = None) -> Hash:
        """Root hash of the first `size` leaves, by default of all."""
        return root_at(self.size if size is None else size, self.read)
