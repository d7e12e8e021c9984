"""JSON Schema of policy documents, made from the declarations that read them.

Draft 7, which editors of TOML understand. What no schema can say (that ids differ,
that the fields of a rule agree) is told by `countersign policy lint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies import document_reading as reading
from policies.document import LAUNCH_STAGES, PIPELINE_PREFIX
from policies.rules.forms import Field, Holds, RuleKind
from policies.rules.kinds import RULE_KINDS
from policies.strict_json import TIME_PATTERN
from policies.table_reading import LONGEST_DAYS, LONGEST_NUMBER

DIALECT = "http://json-schema.org/draft-07/schema#"
JsonSchema = dict[str, Any]
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_FILLED = {"type": "string", "pattern": r"\S"}


def policy_schema() -> JsonSchema:
    """The schema of a policy document."""
    return {
        "$schema": DIALECT,
        "$id": reading.SCHEMA,
        "title": "countersign policy",
        "description": "What evidence and whose approvals a transition needs.",
        "type": "object",
        "properties": {name: _part(name) for name in reading.PARTS},
        "required": sorted(reading.NEEDED_PARTS),
        "anyOf": [{"required": ["approvals"]}, {"properties": _launches()}],
        "additionalProperties": False,
    }


def _launches() -> JsonSchema:
    """What a policy applies to that need not ask for approvals."""
    names = {"items": {"pattern": f"^{PIPELINE_PREFIX}"}}
    where = {"models": names, "to": {"items": {"enum": sorted(LAUNCH_STAGES)}}}
    return {"applies": {"properties": where}}


def _part(name: str) -> JsonSchema:
    """The schema of one part of a document."""
    match name:
        case "schema":
            return {"const": reading.SCHEMA}
        case "id":
            return {"type": "string", "pattern": f"^{reading.ID_PATTERN}$"}
        case "version":
            return {"type": "integer", "minimum": 1}
        case "description":
            return dict(_FILLED)
        case "rules":
            kinds = [_rule(kind) for kind in RULE_KINDS.values()]
            return {"type": "array", "minItems": 1, "items": {"oneOf": kinds}}
        case _ if name in reading.LISTED_TABLES:
            table = table_schema(reading.LISTED_TABLES[name])
            return {"type": "array", "minItems": 1, "items": table}
        case _:
            return table_schema(reading.SINGLE_TABLES[name])


def _rule(kind: RuleKind) -> JsonSchema:
    judge = kind.on_evidence or kind.at_position
    told = table_schema(reading.RULE_FIELDS | dict(kind.fields))
    told["properties"]["kind"] = {"const": kind.name}
    return {
        "title": kind.name,
        "description": (judge.__doc__ or kind.name).strip().partition("\n")[0],
        **told,
    }


def table_schema(fields: Mapping[str, Field]) -> JsonSchema:
    """The schema of a table with exactly the declared fields."""
    return {
        "type": "object",
        "properties": {name: field_schema(field) for name, field in fields.items()},
        "required": sorted(name for name, field in fields.items() if field.is_needed),
        "additionalProperties": False,
    }


def field_schema(field: Field) -> JsonSchema:
    """The schema of one declared field."""
    match field.holds:
        case Holds.COUNT:
            return {"type": "integer", "minimum": 1}
        case Holds.DAYS:
            return {"type": "integer", "minimum": 1, "maximum": LONGEST_DAYS}
        case Holds.FLAG:
            return {"type": "boolean"}
        case Holds.NUMBER:
            return {"type": "string", "pattern": _NUMBER, "maxLength": LONGEST_NUMBER}
        case Holds.TIME:
            return {"type": "string", "pattern": TIME_PATTERN}
        case Holds.LIST:
            entry = _word(field.choices) if field.choices else _any_text()
            return {
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": entry,
            }
        case _:
            return _word(field.choices) if field.choices else dict(_FILLED)


def _word(choices: tuple[str, ...]) -> JsonSchema:
    return {"enum": list(choices)}


def _any_text() -> JsonSchema:
    return {"type": "string", "minLength": 1}
