"""JSON Schema of files of cases, made from the declarations that read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.authoring import cases
from policies.authoring.fact_tables import declared_fields
from policies.authoring.schema import DIALECT, JsonSchema, field_schema, table_schema
from policies.evidence import KINDS
from policies.predicates.forms import object_schema
from policies.rules.context import Context, ModelStanding, OpenFinding
from policies.rules.forms import Field, count, number, text, time, words
from policies.rules.people import Vote
from policies.rules.records import SEVERITIES
from policies.verdict import Verdict


def cases_schema() -> JsonSchema:
    """The schema of a file of cases."""
    facts = _facts()
    case = table_schema(cases.CASE_FIELDS)
    case["properties"] |= facts | {
        "rules": _named(text(*Verdict)),
        "votes": {"type": "array", "items": _vote(needed=("person", "role"))},
        "waivers": {"type": "array", "items": _waiver()},
    }
    return {
        "$schema": DIALECT,
        "$id": cases.SCHEMA,
        "title": "countersign policy cases",
        "description": "What a policy must decide: facts in, verdicts out.",
        "type": "object",
        "properties": {
            "schema": {"const": cases.SCHEMA},
            "policy": field_schema(text()),
            "good": {
                "type": "object",
                "properties": facts,
                "additionalProperties": False,
            },
            "cases": {"type": "array", "minItems": 1, "items": case},
        },
        "required": ["cases", "policy", "schema"],
        "additionalProperties": False,
    }


def _facts() -> dict[str, JsonSchema]:
    tables: dict[str, JsonSchema] = {
        "metrics": _named(number()),
        "samples": _named(count()),
        "incumbent": _named(number()),
        "evidence": _closed({kind: _item(made) for kind, made in KINDS.items()}),
        "context": _record(Context),
        "record": _record(ModelStanding),
        "observed": _named(number()),
        "beside": _named(number()),
    }
    findings = {"type": "array", "items": _finding()}
    plain = {name: field_schema(field) for name, field in cases.FACT_FIELDS.items()}
    made = {name: tables[name] for name in cases.FACT_TABLES}
    return plain | made | {cases.FINDINGS: findings}


def _finding() -> JsonSchema:
    finding = _record(OpenFinding)
    finding["properties"]["severity"] = field_schema(text(*SEVERITIES))
    finding["required"] = ["severity"]
    return finding


def _named(field: Field) -> JsonSchema:
    return {"type": "object", "additionalProperties": field_schema(field)}


def _item(declared: type) -> JsonSchema:
    """An item of evidence of which any fields may be left out."""
    schema: JsonSchema = _without_required(object_schema(declared))
    return schema


def _without_required(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            name: _without_required(part)
            for name, part in schema.items()
            if name != "required"
        }
    if isinstance(schema, list):
        return [_without_required(part) for part in schema]
    return schema


def _vote(*, needed: tuple[str, ...]) -> JsonSchema:
    vote = _record(Vote)
    vote["properties"][cases.SIGNED] = field_schema(time())
    vote["required"] = list(needed)
    return vote


def _waiver() -> JsonSchema:
    waiver = _vote(needed=("person", cases.WAIVED))
    waiver["properties"][cases.WAIVED] = field_schema(words())
    return waiver


def _record(declared: type) -> JsonSchema:
    fields = {name: field for name, (field, _) in declared_fields(declared).items()}
    properties = {name: field_schema(field) for name, field in fields.items()}
    for schema in properties.values():
        schema.pop("minItems", None)
    return _closed(properties)


def _closed(properties: Mapping[str, JsonSchema]) -> JsonSchema:
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }
