"""The strict JSON reader, on documents and damage that hypothesis makes up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policies.errors import MalformedStatement
from policies.strict_json import encode, parse
from tests.unit.policies.generated import NAMES, OBJECTS, TEXT, VALUES, changed_bytes

JsonObject = dict[str, Any]


def read(data: bytes) -> JsonObject | None:
    """What is read, or None where it is refused; any other error is a failure."""
    try:
        return parse(data, what="test")
    except MalformedStatement:
        return None


@given(OBJECTS)
def test_what_is_written_is_read_back_and_written_the_same(value: JsonObject) -> None:
    data = encode(value)
    assert read(data) == value
    assert encode(parse(data, what="test")) == data


@given(OBJECTS)
def test_other_spellings_of_a_document_have_the_same_value(value: JsonObject) -> None:
    spaced = json.dumps(value, indent=3, ensure_ascii=True).encode()
    assert read(spaced) == value


@given(st.binary(max_size=300))
@example(b"{" * 40_000)
@example(b'{"a":' * 20_000)
@example(b'{"a":' + b"9" * 5_000 + b"}")
@example(b'{"a":-' + b"0" * 5_000 + b"}")
@example(b'{"' + b"\\" * 9_999 + b'"}')
@example(b'{"a":"\\uD83D\\uDE00"}')
@example(b"\x00")
def test_bytes_are_read_or_refused_and_nothing_else_happens(data: bytes) -> None:
    read(data)


@given(st.data(), OBJECTS)
def test_damaged_documents_are_read_or_refused_and_nothing_else_happens(
    chosen: st.DataObject, value: JsonObject
) -> None:
    damaged = chosen.draw(changed_bytes(encode(value)))
    again = read(damaged)
    if again is not None:
        assert read(encode(again)) == again


@given(OBJECTS, NAMES.filter(bool), VALUES, VALUES)
def test_a_key_that_stands_twice_is_refused_however_it_is_cased(
    value: JsonObject, name: str, first: object, second: object
) -> None:
    for other in (name, name.upper(), name.title()):
        if other.casefold() == name.casefold():
            pairs = [(name, first), (other, second)]
            body = ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs)
            assert read(f"{{{body}}}".encode()) is None
            inner = encode({"inner": 1}).replace(b"1", f"[{{{body}}}]".encode())
            assert read(inner) is None
    assert read(encode(value)) is not None


@given(st.floats() | st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_numbers_with_a_fraction_are_refused_read_and_written(number: object) -> None:
    written = json.dumps(number) if isinstance(number, float) else str(number)
    assert read(f'{{"a":{written}}}'.encode()) is None
    if isinstance(number, float):
        with pytest.raises(MalformedStatement):
            encode({"a": [number]})


@given(st.integers())
@example(2**53)
@example(2**53 + 1)
@example(-(2**53))
@example(-(2**53) - 1)
@example(10**4_400)
def test_whole_numbers_are_read_up_to_the_limit_and_refused_beyond(value: int) -> None:
    import sys

    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        data = f'{{"a":{value}}}'.encode()
    finally:
        sys.set_int_max_str_digits(before)
    assert (read(data) is not None) == (abs(value) <= 2**53)


@given(st.integers(1, 40), st.sampled_from(["[", '{"a":']))
def test_nesting_is_read_up_to_the_limit_and_refused_beyond(
    depth: int, opening: str
) -> None:
    closing = "]" if opening == "[" else "}"
    inner = opening * (depth - 1) + "0" + closing * (depth - 1)
    assert (read(f'{{"a":{inner}}}'.encode()) is not None) == (depth <= 16)


@given(TEXT, st.integers(0xD800, 0xDFFF), TEXT)
def test_lone_surrogates_are_refused_escaped_or_raw_as_key_or_value(
    before: str, surrogate: int, after: str
) -> None:
    text = before + chr(surrogate) + after
    for value in ({"a": text}, {text: 1}, {"a": [{"b": text}]}):
        assert read(json.dumps(value).encode()) is None
        raw = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        assert read(raw) is None
        with pytest.raises(MalformedStatement):
            encode(value)
