"""The strict JSON reader, envelopes and keys: what is refused, and that it is told."""

from __future__ import annotations

import base64
import json

import pytest

from policies.dsse import Envelope, canonical_base64, read_envelope
from policies.errors import MalformedStatement
from policies.keys import ed25519_public_key, public_key
from policies.strict_json import encode, parse


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[]", "not an object"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":1,"a":2}', "stands twice"),
        (b'{"decision":"approve","DECISION":"reject"}', "stands twice"),
        (b'{"a":NaN}', "no number"),
        (b'{"a":-Infinity}', "no number"),
        (b'{"a":1.5}', "decimal string"),
        (b'{"a":1e999}', "decimal string"),
        (b'{"a":99999999999999999999}', "too large"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":' + b"[" * 40_000, "nested deeper"),
        (b'{"a":"' + b"x" * 70_000 + b'"}', "larger than"),
        (b'{"a":1}x', "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_what_other_readers_let_pass_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(MalformedStatement, match=why):
        parse(data, what="test")


def test_brackets_inside_text_are_no_nesting() -> None:
    assert parse(b'{"a":"' + b"[" * 100 + b'"}', what="test") == {"a": "[" * 100}


def test_what_is_written_is_the_same_for_the_same_value() -> None:
    assert encode({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'.encode()
    with pytest.raises(MalformedStatement):
        encode({"a": 0.5})


@pytest.mark.parametrize("text", ["YWI=", "YQ=="])
def test_base64_with_one_spelling_is_read(text: str) -> None:
    assert base64.b64encode(canonical_base64(text)).decode() == text


@pytest.mark.parametrize("text", ["YWJ=", "YQ", "YW I=", "YWI=\n", "-_8="])
def test_base64_in_a_second_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedStatement):
        canonical_base64(text)


def test_an_envelope_has_one_signature_and_our_payload_type() -> None:
    good = json.loads(Envelope(b"{}", b"s" * 64, "k").to_bytes())
    assert read_envelope(json.dumps(good).encode()).payload == b"{}"
    changes: tuple[dict[str, object], ...] = (
        {"payloadType": "text/plain"},
        {"signatures": []},
        {"signatures": good["signatures"] * 2},
        {"extra": 1},
    )
    for change in changes:
        with pytest.raises(MalformedStatement):
            read_envelope(json.dumps(good | change).encode())


@pytest.mark.parametrize(
    "raw",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ],
)
def test_keys_that_accept_forgeries_are_refused(raw: str) -> None:
    with pytest.raises(MalformedStatement, match="low order or not canonical"):
        ed25519_public_key(bytes.fromhex(raw))


def test_other_kinds_of_keys_are_refused_with_what_to_do() -> None:
    with pytest.raises(MalformedStatement) as caught:
        public_key(b"\x30\x00")
    assert "countersign key new" in caught.value.hint
