"""The tree of RFC 6962: known roots, and proofs at every size."""

from __future__ import annotations

import hashlib

import pytest

from store.merkle import (
    EMPTY_ROOT,
    MemoryTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

# Leaves and roots of the reference tree in the certificate-transparency test data.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def grown(count: int) -> MemoryTree:
    return MemoryTree([leaf_hash(b"%d" % number) for number in range(count)])


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_roots_are_those_of_certificate_transparency(size: int, root: str) -> None:
    tree = MemoryTree([leaf_hash(leaf) for leaf in LEAVES[:size]])
    assert tree.root().hex() == root


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert grown(0).root() == EMPTY_ROOT == hashlib.sha256().digest()


def test_every_leaf_is_proven_at_every_size_and_at_no_other_place() -> None:
    tree = grown(20)
    for size in range(1, 21):
        for index in range(size):
            proof = inclusion_proof(index, size, tree.read)
            leaf, root = leaf_hash(b"%d" % index), tree.root(size)
            assert verify_inclusion(index, size, leaf, proof, root)
            assert not verify_inclusion(index, size, leaf_hash(b"x"), proof, root)
            assert not verify_inclusion(index, size, leaf, [*proof, root], root)
            if size > 1:
                wrong = (index + 1) % size
                assert not verify_inclusion(wrong, size, leaf, proof, root)
                assert not verify_inclusion(index, size, leaf, proof[:-1], root)


def test_every_prefix_is_proven_consistent_and_no_other_root_is() -> None:
    tree = grown(20)
    for new in range(1, 21):
        for old in range(new + 1):
            proof = consistency_proof(old, new, tree.read)
            roots = tree.root(old), tree.root(new)
            assert verify_consistency(old, new, *roots, proof)
            assert not verify_consistency(old, new, leaf_hash(b"x"), roots[1], proof)
            assert not verify_consistency(old, new, *roots, [*proof, roots[0]])


def test_a_leaf_is_never_taken_for_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


def test_a_proof_outside_the_tree_is_refused() -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_proof(3, 3, grown(3).read)
    assert not verify_inclusion(5, 3, EMPTY_ROOT, [], EMPTY_ROOT)
