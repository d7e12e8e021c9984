"""Inclusion and consistency proofs against the recursive definition of RFC 6962.

The definition is written down here once more, in the plainest way, so that the tree
under test is compared with something that shares no code with it.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from store.merkle import (
    MemoryTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

LARGEST = 300
SIZES = st.integers(1, LARGEST)


@cache
def tree() -> MemoryTree:
    """The largest tree; every smaller one is a prefix of it."""
    return MemoryTree([leaf_hash(b"%d" % number) for number in range(LARGEST)])


@cache
def defined_root(start: int, end: int) -> bytes:
    """MTH of RFC 6962, section 2.1, over leaves start..end-1."""
    if end == start:
        return sha256().digest()
    if end - start == 1:
        return sha256(b"\x00%d" % start).digest()
    split = 1
    while split * 2 < end - start:
        split *= 2
    left = defined_root(start, start + split)
    return sha256(b"\x01" + left + defined_root(start + split, end)).digest()


def defined_path(index: int, start: int, end: int) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if end - start == 1:
        return []
    split = 1
    while split * 2 < end - start:
        split *= 2
    middle = start + split
    if index < middle:
        return [*defined_path(index, start, middle), defined_root(middle, end)]
    return [*defined_path(index, middle, end), defined_root(start, middle)]


@st.composite
def places(draw: st.DrawFn) -> tuple[int, int]:
    """An index and the size of a tree that has it."""
    size = draw(SIZES)
    return draw(st.integers(0, size - 1)), size


@st.composite
def damaged(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """A proof with one node changed, left out, doubled, moved or of another length."""
    other = sha256(b"other").digest()
    if not proof:
        return [other]
    at = draw(st.integers(0, len(proof) - 1))
    node = proof[at]
    bit = 1 << draw(st.integers(0, 7))
    changed = bytes([node[0] ^ bit]) + node[1:]
    candidates = [
        [*proof[:at], changed, *proof[at + 1 :]],
        [*proof[:at], *proof[at + 1 :]],
        [*proof[:at], node, *proof[at:]],
        [*proof, other],
        [other, *proof],
        [*proof[:at], node[:-1], *proof[at + 1 :]],
        [*proof[:at], node + b"\x00", *proof[at + 1 :]],
    ]
    if len(proof) > 1:
        candidates.append([*proof[1:], proof[0]])
    return draw(st.sampled_from(candidates))


@given(places())
def test_roots_and_paths_are_those_of_the_definition(place: tuple[int, int]) -> None:
    index, size = place
    assert tree().root(size) == defined_root(0, size)
    path = inclusion_proof(index, size, tree().read)
    assert path == defined_path(index, 0, size)
    leaf = leaf_hash(b"%d" % index)
    assert verify_inclusion(index, size, leaf, path, defined_root(0, size))


@given(st.data(), places())
def test_a_changed_inclusion_proof_is_refused(
    chosen: st.DataObject, place: tuple[int, int]
) -> None:
    index, size = place
    leaf, root = leaf_hash(b"%d" % index), defined_root(0, size)
    path = chosen.draw(damaged(defined_path(index, 0, size)))
    assert not verify_inclusion(index, size, leaf, path, root)


@given(places(), places())
def test_a_proof_shows_one_leaf_at_one_place_under_one_head(
    place: tuple[int, int], other: tuple[int, int]
) -> None:
    (index, size), (other_index, other_size) = place, other
    path, leaf = defined_path(index, 0, size), leaf_hash(b"%d" % index)
    head = defined_root(0, other_size)
    is_same = size == other_size
    assert verify_inclusion(index, other_size, leaf, path, head) == is_same
    if other_index != index:
        elsewhere = verify_inclusion(other_index, size, leaf, path, tree().root(size))
        assert not elsewhere
        another = leaf_hash(b"%d" % other_index)
        assert not verify_inclusion(index, size, another, path, tree().root(size))


@given(places(), st.integers(-5, LARGEST + 5))
def test_an_index_outside_the_tree_is_refused(
    place: tuple[int, int], outside: int
) -> None:
    index, size = place
    path, leaf = defined_path(index, 0, size), leaf_hash(b"%d" % index)
    accepted = verify_inclusion(outside, size, leaf, path, tree().root(size))
    assert accepted == (outside == index)


@given(SIZES, SIZES)
def test_every_prefix_is_shown_consistent(one: int, another: int) -> None:
    old, new = min(one, another), max(one, another)
    proof = consistency_proof(old, new, tree().read)
    heads = defined_root(0, old), defined_root(0, new)
    assert verify_consistency(old, new, *heads, proof)


@given(st.data(), SIZES, SIZES)
def test_a_changed_consistency_proof_is_refused(
    chosen: st.DataObject, one: int, another: int
) -> None:
    old, new = min(one, another), max(one, another)
    proof = chosen.draw(damaged(consistency_proof(old, new, tree().read)))
    heads = defined_root(0, old), defined_root(0, new)
    assert not verify_consistency(old, new, *heads, proof)


@given(SIZES, SIZES, st.integers(0, LARGEST))
def test_a_consistency_proof_shows_two_heads_and_no_others(
    one: int, another: int, wrong: int
) -> None:
    old, new = min(one, another), max(one, another)
    proof = consistency_proof(old, new, tree().read)
    heads = defined_root(0, old), defined_root(0, new)
    if wrong != old:
        assert not verify_consistency(old, new, defined_root(0, wrong), heads[1], proof)
    if wrong != new:
        assert not verify_consistency(old, new, heads[0], defined_root(0, wrong), proof)
    if old < new:
        assert not verify_consistency(new, old, *heads, proof)
        assert not verify_consistency(old, new, heads[1], heads[0], proof)


@given(SIZES, SIZES, st.binary(min_size=32, max_size=32))
def test_a_history_that_was_rewritten_is_never_consistent(
    one: int, another: int, forged: bytes
) -> None:
    old, new = min(one, another), max(one, another)
    proof = consistency_proof(old, new, tree().read)
    assert not verify_consistency(old, new, forged, defined_root(0, new), proof)
    assert not verify_consistency(old, new, defined_root(0, old), forged, proof)
