"""Requests and answers against the published description of the API, where one is."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.contract.kfp_server.fields import read_filter

VARIABLE = "COUNTERSIGN_TEST_SPECS"
_FILE = "kubeflow-pipelines/kfp_api_v2beta1.swagger.json"
_NUMBER = re.compile(r"-?\d+")


@lru_cache
def description() -> dict[str, Any] | None:
    """The published description; None: it is not on this machine."""
    folder = os.environ.get(VARIABLE, "")
    path = Path(folder) / _FILE
    if not folder or not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def operation(method: str, path: str) -> dict[str, Any] | None:
    """What is described of a method at a path, a literal path before a template."""
    spec = description()
    templates = sorted((spec or {}).get("paths", {}).items(), key=_openness)
    for template, methods in templates:
        parts = re.split(r"\{[^}]*\}", template)
        pattern = "[^/:]+".join(map(re.escape, parts))
        if re.fullmatch(pattern, path) and method.lower() in methods:
            found: dict[str, Any] = methods[method.lower()]
            return found
    return None


def _openness(described: tuple[str, Any]) -> int:
    return described[0].count("{")


def wrong_request(
    method: str, path: str, query: dict[str, str], body: Any
) -> list[str]:
    """In what a request is not as described."""
    if description() is None:
        return []
    described = operation(method, path)
    if described is None:
        return [f"{method} {path} is not described"]
    parameters = described.get("parameters", [])
    known = {one["name"]: one for one in parameters if one["in"] == "query"}
    found = [f"unknown query {name}" for name in query if name not in known]
    for name, value in query.items():
        if known.get(name, {}).get("type") == "integer" and not _NUMBER.fullmatch(
            value
        ):
            found.append(f"{name} is no number: {value}")
    if "filter" in query:
        form = {"$ref": "#/definitions/v2beta1Filter"}
        found += wrong(form, read_filter(query["filter"]), "filter")
    for one in parameters:
        if one["in"] == "body" and body is not None:
            found += wrong(one["schema"], body, one["name"])
    return found


def wrong_answer(method: str, path: str, status: int, body: Any) -> list[str]:
    """In what an answer is not as described."""
    if description() is None:
        return []
    described = operation(method, path)
    if described is None:
        return [] if status == 404 else [f"{method} {path} is not described"]
    answers = described["responses"]
    return wrong(answers.get(str(status), answers["default"])["schema"], body, path)


def wrong(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    """In what a value is not as a schema has it; unknown fields are wrong too."""
    spec = description()
    assert spec is not None
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return wrong(spec["definitions"][name], value, where)
    kinds: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    kind = schema.get("type", "")
    if kind and not isinstance(value, kinds[kind]):
        return [f"{where}: {value!r:.60} is no {kind}"]
    found: list[str] = []
    if kind == "string":
        found = _wrong_text(schema, value, where)
    elif kind == "array":
        for number, one in enumerate(value):
            found += wrong(schema["items"], one, f"{where}[{number}]")
    elif kind == "object":
        found = _wrong_object(schema, value, where)
    return found


def _wrong_object(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    found: list[str] = []
    properties, more = schema.get("properties"), schema.get("additionalProperties")
    for name, inner in value.items():
        if properties and name in properties:
            found += wrong(properties[name], inner, f"{where}.{name}")
        elif more is not None:
            found += wrong(more, inner, f"{where}.{name}")
        elif properties:
            found.append(f"{where}: unknown field {name}")
    return found


def _wrong_text(schema: dict[str, Any], value: str, where: str) -> list[str]:
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of its values"]
    if schema.get("format") == "int64" and not _NUMBER.fullmatch(value):
        return [f"{where}: {value!r} is no int64"]
    if schema.get("format") == "date-time":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return [f"{where}: {value!r} is no moment"]
    return []
