"""The published schemas and vectors are those of the program that reads statements."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from policies.dsse import read_envelope
from policies.errors import MalformedStatement
from policies.predicates import PredicateType
from policies.schemas import field_names, statement_schema
from policies.statements import Statement, read_statement
from policies.strict_json import encode
from tests.unit.policies.sample_statements import (
    FOLDER,
    SAMPLES,
    public,
    published_files,
    sample,
)

KINDS = {sample(predicate).type: predicate for predicate in SAMPLES}


def payload_of(kind: PredicateType) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sample(KINDS[kind]).to_payload())
    return found


def is_read(value: object) -> bool:
    try:
        return isinstance(read_statement(encode(value)), Statement)
    except MalformedStatement:
        return False


def is_valid(value: object, kind: PredicateType) -> bool:
    validator = jsonschema.Draft202012Validator(statement_schema(kind))
    return bool(validator.is_valid(value))


def test_published_files_are_up_to_date_and_complete() -> None:
    made = published_files()
    assert {p.name for p in FOLDER.glob("*.json")} == set(made)
    for name, text in made.items():
        assert (FOLDER / name).read_text() == text, f"run: make statements ({name})"


@pytest.mark.parametrize("kind", PredicateType, ids=lambda k: k.short)
def test_a_vector_is_read_verified_and_written_byte_for_byte(
    kind: PredicateType,
) -> None:
    vector = json.loads((FOLDER / f"{kind.short}.vector.json").read_text())
    envelope = read_envelope(vector["envelope"].encode())
    assert envelope.statement_id == vector["statement_id"]
    assert public().verifies(envelope.signature, envelope.signed_bytes)
    statement = read_statement(envelope.payload)
    assert isinstance(statement, Statement)
    assert statement == sample(KINDS[kind])
    assert statement.to_payload().decode() == vector["payload"]
    assert envelope.to_bytes().decode() == vector["envelope"]


@pytest.mark.parametrize("kind", PredicateType, ids=lambda k: k.short)
def test_schema_and_reader_refuse_the_same_missing_and_unknown_fields(
    kind: PredicateType,
) -> None:
    good = payload_of(kind)
    assert is_read(good)
    assert is_valid(good, kind)
    for name in ("by", "at", "log", *field_names(kind)):
        less = copy.deepcopy(good)
        del less["predicate"][name]
        assert not is_read(less), name
        assert not is_valid(less, kind), name
    more = copy.deepcopy(good)
    more["predicate"]["surprise"] = 1
    assert not is_read(more)
    assert not is_valid(more, kind)


@pytest.mark.parametrize("kind", PredicateType, ids=lambda k: k.short)
@pytest.mark.parametrize("value", [None, [], {}, True, 1, -1, "", "x" * 5000])
def test_schema_and_reader_agree_on_values_of_another_form(
    kind: PredicateType, value: object
) -> None:
    for name in field_names(kind):
        changed = payload_of(kind)
        changed["predicate"][name] = value
        assert is_read(changed) == is_valid(changed, kind), (name, value)


@pytest.mark.parametrize("kind", PredicateType, ids=lambda k: k.short)
def test_a_statement_read_as_another_type_is_refused(kind: PredicateType) -> None:
    for other in PredicateType:
        confused = payload_of(kind) | {"predicateType": other.value}
        if other is not kind and field_names(other) != field_names(kind):
            assert not is_read(confused), other
