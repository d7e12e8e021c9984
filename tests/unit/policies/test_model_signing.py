"""Signatures over models: one that the OpenSSF's signer made, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policies.document_reading import read_policy
from policies.dsse import PAYLOAD_TYPE, pre_authentication_encoding
from policies.errors import MalformedPolicy, MalformedStatement
from policies.evidence import Evidence, FileDigest
from policies.evidence_signature import EnrolledSigner, ModelSignatureItem
from policies.keys import public_key
from policies.model_signature import (
    is_signed_by,
    read_model_signature,
    spelled,
)
from policies.rules import evaluate_facts
from policies.verdict import Node, Verdict
from tests.unit.policies.test_rules import GOOD, HEAD, QUORUMS

HERE = Path(__file__).parent / "model_signing"
REAL = (HERE / "model" / "model.sig").read_bytes()
KEY = (HERE / "key.der").read_bytes()
SPELLED_KEY = base64.b64encode(KEY).decode()
OTHER = ec.generate_private_key(ec.SECP256R1())
FILES = tuple(
    FileDigest(
        path.relative_to(HERE / "model").as_posix(),
        hashlib.sha256(path.read_bytes()).hexdigest(),
        path.stat().st_size,
    )
    for path in sorted((HERE / "model").rglob("*"))
    if path.is_file()
)
ED25519 = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
BY_KEY = f'public_keys = ["{SPELLED_KEY}"]'


def test_a_signature_by_the_reference_signer_is_read_and_verified() -> None:
    signed = read_model_signature(REAL)
    assert signed.files == {
        file.path: file.sha256 for file in FILES if file.path != "model.sig"
    }
    assert is_signed_by(public_key(KEY), signed.signed_sha256, signed.signature)
    other = OTHER.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    assert not is_signed_by(public_key(other), signed.signed_sha256, signed.signature)


def resigned(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The real statement, changed and signed anew by another key."""
    bundle = json.loads(REAL)
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    change(statement)
    payload = json.dumps(statement).encode()
    signature = OTHER.sign(
        pre_authentication_encoding(PAYLOAD_TYPE, payload), ec.ECDSA(SHA256())
    )
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(
        signature
    ).decode()
    return json.dumps(bundle).encode()


def repeat_file(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"] *= 2


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda s: s.update(predicateType="https://model_signing/Digests/v0.1"),
        lambda s: s["predicate"]["serialization"].update(method="shards"),
        lambda s: s["predicate"]["serialization"].update(hash_type="blake2b"),
        lambda s: s["predicate"]["resources"][0].update(algorithm="blake2b"),
        lambda s: s["predicate"]["resources"][0].update(digest="0" * 64),
        lambda s: s["predicate"]["resources"].pop(),
        lambda s: s["predicate"].update(resources=[]),
        repeat_file,
        lambda s: s.update(subject=s["subject"] * 2),
        lambda s: s.pop("predicate"),
    ],
)
def test_a_statement_that_does_not_say_one_thing_is_no_signature(
    change: Callable[[dict[str, Any]], object],
) -> None:
    assert read_model_signature(resigned(lambda _: None)).files
    with pytest.raises(MalformedStatement):
        read_model_signature(resigned(change))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"[" * 100_000,
        b"\xff\xfe",
        REAL.replace(b"v0.3", b"v0.1"),
        REAL.replace(b'"publicKey"', b'"certificate"'),
        REAL.replace(b"vnd.in-toto+json", b"vnd.other+json"),
        REAL.replace(b'"sig"', b'"gis"'),
        REAL[:-1],
        b" " * (4 * 1024**2 + 1),
    ],
)
def test_hostile_bytes_are_refused_and_nothing_else_goes_wrong(data: bytes) -> None:
    with pytest.raises(MalformedStatement):
        read_model_signature(data)


def signed_evidence(data: bytes = REAL, **changes: object) -> Evidence:
    signed = read_model_signature(data)
    item = ModelSignatureItem(
        is_there=True,
        signed_sha256=signed.signed_sha256,
        signature=spelled(signed.signature),
    )
    return replace(
        GOOD,
        model=replace(GOOD.model, files=FILES),
        model_signature=replace(item, **changes),  # type: ignore[arg-type]  # names checked by the dataclass
    )


def judged(fields: str, evidence: Evidence) -> Node:
    rule = f'[[rules]]\nid = "r"\nkind = "model_signed"\n{fields}\n'
    policy = read_policy((HEAD + rule + QUORUMS).encode())
    return evaluate_facts(policy, evidence).children[0]


ENROLLED = (EnrolledSigner("a" * 64, "p-ana"),)


@pytest.mark.parametrize(
    ("fields", "evidence", "wanted"),
    [
        (BY_KEY, signed_evidence(), Verdict.YES),
        (BY_KEY, signed_evidence(resigned(lambda _: None)), Verdict.NO),
        (BY_KEY, signed_evidence(signature="AAAA"), Verdict.NO),
        (BY_KEY, signed_evidence(signature="no base64"), Verdict.NO),
        (BY_KEY, signed_evidence(signed_sha256="0" * 64), Verdict.NO),
        (BY_KEY, signed_evidence(signed_sha256=""), Verdict.UNKNOWN),
        (BY_KEY, signed_evidence(differing=("MLmodel",)), Verdict.NO),
        (BY_KEY, signed_evidence(absent=("more.pkl",)), Verdict.NO),
        (BY_KEY, signed_evidence(problem="not JSON"), Verdict.UNKNOWN),
        (BY_KEY, signed_evidence(is_there=False), Verdict.NO),
        (BY_KEY, GOOD, Verdict.NO),
        (f'keys = ["{"a" * 64}"]', signed_evidence(enrolled=ENROLLED), Verdict.YES),
        (f'keys = ["{"b" * 64}"]', signed_evidence(enrolled=ENROLLED), Verdict.NO),
        ('people = ["p-ana"]', signed_evidence(enrolled=ENROLLED), Verdict.YES),
        ('people = ["p-bo"]', signed_evidence(enrolled=ENROLLED), Verdict.NO),
        ('people = ["p-ana"]', signed_evidence(), Verdict.NO),
    ],
)
def test_a_model_is_signed_by_a_named_key_over_all_of_its_files(
    fields: str, evidence: Evidence, wanted: Verdict
) -> None:
    assert judged(fields, evidence).verdict is wanted


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("", "says keys, people or public_keys"),
        ('keys = ["abc"]', "no SHA-256"),
        ('public_keys = ["abc"]', "public_keys"),
        (f'public_keys = ["{ED25519}"]', "P-256"),
    ],
)
def test_keys_that_are_none_are_refused_in_the_policy(fields: str, said: str) -> None:
    with pytest.raises(MalformedPolicy, match=said):
        judged(fields, GOOD)
