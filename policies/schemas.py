"""JSON Schemas of the statements, made from the declarations that read them."""

from __future__ import annotations

from policies.predicates.forms import (
    JsonSchema,
    fields_of,
    object_schema,
)
from policies.predicates.sign_off import Prefix
from policies.predicates.types import PredicateType, class_of
from policies.statements import STATEMENT_TYPE
from policies.strict_json import TIME_PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_IDENTIFIER = {
    "type": "string",
    "maxLength": 128,
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._@/-]*$",
}
_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def statement_schema(kind: PredicateType) -> JsonSchema:
    """The schema of the signed payload of one type.

    What no schema can say (which keys may sign it, what it must answer, that keys are
    unique when case is folded) is judged by policies.ledger.
    """
    declared = class_of(kind)
    description = (declared.__doc__ or "").strip().partition("\n")[0]
    predicate = object_schema(
        declared,
        by=_IDENTIFIER,
        at={"type": "string", "pattern": TIME_PATTERN},
        log=object_schema(Prefix),
    )
    return {
        "$schema": DIALECT,
        "$id": kind.value,
        "title": kind.short,
        "description": description,
        "type": "object",
        "properties": {
            "_type": {"const": STATEMENT_TYPE},
            "predicateType": {"const": kind.value},
            "subject": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": _object(
                    name={"type": "string", "maxLength": 2048},
                    digest=_object(sha256=_DIGEST),
                ),
            },
            "predicate": predicate,
        },
        "required": ["_type", "predicate", "predicateType", "subject"],
        "additionalProperties": False,
    }


def field_names(kind: PredicateType) -> tuple[str, ...]:
    """The fields of a predicate as they are signed, its head aside."""
    return tuple(field.name for field in fields_of(class_of(kind)))


def _object(**properties: JsonSchema) -> JsonSchema:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }
