"""Project Wycheproof's signatures, through the one place that verifies.

Every signature that is valid is accepted and every other is refused, whether the key
is refused first or the signature is.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from policies.errors import MalformedStatement
from policies.keys import public_key
from store.key_algorithms import Algorithm

ACCEPTABLE: dict[str, bool] = {}
"""Our decision about vectors that Wycheproof leaves open, by flag. It leaves none open
for these two algorithms; one that appears fails here until somebody decides."""


def groups(name: str) -> list[dict[str, Any]]:
    corpora = os.environ.get("COUNTERSIGN_TEST_CORPORA", "")
    path = Path(corpora) / "wycheproof" / name
    if not corpora or not path.is_file():
        pytest.skip("peer: Wycheproof's vectors are not here")
    found: list[dict[str, Any]] = json.loads(path.read_text())["testGroups"]
    return found


def is_accepted(group: dict[str, Any], vector: dict[str, Any]) -> bool:
    """Whether a statement with this signature would count."""
    try:
        key = public_key(bytes.fromhex(group["publicKeyDer"]))
    except MalformedStatement:
        return False
    return key.verifies(bytes.fromhex(vector["sig"]), bytes.fromhex(vector["msg"]))


def is_wanted(vector: dict[str, Any]) -> bool:
    """What must come out."""
    if vector["result"] == "acceptable":
        return all(ACCEPTABLE[flag] for flag in vector["flags"])
    return bool(vector["result"] == "valid")


@pytest.mark.peer
@pytest.mark.parametrize(
    ("name", "algorithm", "least"),
    [
        ("ed25519_test.json", Algorithm.ED25519, 150),
        ("ecdsa_secp256r1_sha256_test.json", Algorithm.P256, 450),
    ],
)
def test_valid_signatures_are_accepted_and_no_others(
    name: str, algorithm: Algorithm, least: int
) -> None:
    wrong, judged, kinds = [], 0, set()
    for group in groups(name):
        for vector in group["tests"]:
            accepted = is_accepted(group, vector)
            judged += 1
            if accepted:
                kinds.add(public_key(bytes.fromhex(group["publicKeyDer"])).algorithm)
            if accepted != is_wanted(vector):
                wrong.append((vector["tcId"], vector["result"], vector["comment"]))
    assert not wrong
    assert judged >= least
    assert kinds == {algorithm}
