"""Envelopes and statements of every type, made up, damaged and read again."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.dsse import (
    PAYLOAD_TYPE,
    Envelope,
    pre_authentication_encoding,
    read_envelope,
    statement_id,
)
from policies.errors import MalformedStatement
from policies.keys import PublicKey, ed25519_public_key
from policies.predicates import PredicateType
from policies.statements import Statement, UnknownStatement, read_statement
from policies.strict_json import encode
from tests.unit.policies.generated import (
    OBJECTS,
    STATEMENTS,
    changed_bytes,
    statements_of,
)

JsonObject = dict[str, Any]


@cache
def signer() -> tuple[Ed25519PrivateKey, PublicKey]:
    """The same key pair in every run."""
    private = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    return private, ed25519_public_key(private.public_key().public_bytes_raw())


def signed(payload: bytes) -> Envelope:
    """An envelope whose signature verifies."""
    private, public = signer()
    signature = private.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    return Envelope(payload, signature, public.id)


def counts(data: bytes) -> Envelope | None:
    """An envelope that is read and whose signature verifies, or None."""
    try:
        envelope = read_envelope(data)
    except MalformedStatement:
        return None
    _, public = signer()
    good = public.verifies(envelope.signature, envelope.signed_bytes)
    return envelope if good else None


@pytest.mark.parametrize("kind", PredicateType, ids=lambda k: k.short)
@settings(max_examples=15)
@given(chosen=st.data())
def test_whatever_the_published_schema_describes_is_read_and_written_the_same(
    kind: PredicateType, chosen: st.DataObject
) -> None:
    payload = encode(chosen.draw(statements_of(kind)))
    statement = read_statement(payload)
    assert isinstance(statement, Statement)
    assert statement.type is kind
    assert statement.to_payload() == payload


@given(st.data(), STATEMENTS)
def test_a_changed_byte_is_refused_or_changes_what_a_statement_says(
    chosen: st.DataObject, value: JsonObject
) -> None:
    payload = encode(value)
    changed = chosen.draw(changed_bytes(payload))
    if changed == payload:
        return
    assert statement_id(changed) != statement_id(payload)
    try:
        other = read_statement(changed)
    except MalformedStatement:
        return
    if other == read_statement(payload):
        assert json.loads(changed) == value, "the same value, spelled in another way"


@given(STATEMENTS, st.sampled_from(["by", "at", "log", "surprise"]))
def test_a_statement_without_its_head_or_with_more_is_refused(
    value: JsonObject, name: str
) -> None:
    if name in value["predicate"]:
        del value["predicate"][name]
    else:
        value["predicate"][name] = ""
    with pytest.raises(MalformedStatement):
        read_statement(encode(value))


@given(OBJECTS, st.text(max_size=20))
def test_any_object_is_a_statement_or_refused(value: JsonObject, kind: str) -> None:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [],
        "predicateType": kind.encode("utf-8", "replace").decode(),
        "predicate": value,
    }
    for candidate in (value, statement):
        try:
            assert isinstance(read_statement(encode(candidate)), UnknownStatement)
        except MalformedStatement:
            continue


@given(st.binary(max_size=300))
@example(b'{"payload":"","payloadType":"","signatures":[]}')
@example(b'{"payload":"\xc3\xa9","payloadType":"","signatures":[{}]}')
def test_bytes_are_an_envelope_or_refused_and_nothing_else_happens(
    data: bytes,
) -> None:
    assert counts(data) is None
    with pytest.raises(MalformedStatement):
        read_statement(data)


@given(st.binary(max_size=200), st.binary(max_size=80), st.text("0aé\n", max_size=9))
def test_an_envelope_is_read_back_as_it_was_written(
    payload: bytes, signature: bytes, hint: str
) -> None:
    envelope = Envelope(payload, signature, hint)
    assert read_envelope(envelope.to_bytes()) == envelope
    assert read_envelope(envelope.to_bytes()).to_bytes() == envelope.to_bytes()


@given(st.data(), st.binary(max_size=60))
def test_a_changed_envelope_counts_only_with_what_was_signed_and_its_signature(
    chosen: st.DataObject, payload: bytes
) -> None:
    envelope = signed(payload)
    data = envelope.to_bytes()
    assert counts(data) == envelope
    found = counts(chosen.draw(changed_bytes(data)))
    if found is not None:
        assert (found.payload, found.signature) == (payload, envelope.signature)


@given(st.text("ab 0", max_size=6), st.binary(max_size=6), st.data())
def test_no_two_types_and_payloads_are_signed_as_the_same_bytes(
    kind: str, payload: bytes, chosen: st.DataObject
) -> None:
    other = chosen.draw(st.text("ab 0", max_size=6)), chosen.draw(st.binary(max_size=6))
    if other != (kind, payload):
        mine = pre_authentication_encoding(kind, payload)
        assert pre_authentication_encoding(*other) != mine
