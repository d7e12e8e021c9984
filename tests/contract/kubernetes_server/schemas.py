"""Structural schemas: what is pruned, what is filled in, what is wrong.

Of the validation rules in CEL only `self == oldSelf` is held to; a real API server
holds to all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.contract.kubernetes_server.built_in_schemas import resolved
from tests.contract.kubernetes_server.objects import Object
from tests.contract.kubernetes_server.problems import cause

_OPEN = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = ("apiVersion", "kind", "metadata")


def prune(value: object, schema: Object, path: str = "") -> list[str]:
    """Drop the fields that the schema does not know, and name them."""
    schema = resolved(schema)
    if isinstance(value, list):
        items = schema.get("items")
        return [
            name
            for position, item in enumerate(value if items else [])
            for name in prune(item, items or {}, f"{path}[{position}]")
        ]
    if not isinstance(value, dict):
        return []
    dropped = []
    properties = schema.get("properties") or {}
    more = schema.get("additionalProperties")
    for key in list(value):
        where = f"{path}.{key}" if path else key
        if key in properties:
            dropped += prune(value[key], properties[key], where)
        elif isinstance(more, dict):
            dropped += prune(value[key], more, where)
        elif not (more is True or schema.get(_OPEN) or _is_embedded(schema, key)):
            del value[key]
            dropped.append(where)
    return dropped


def _is_embedded(schema: Object, key: str) -> bool:
    return bool(schema.get("x-kubernetes-embedded-resource")) and key in _EMBEDDED


def drop_nulls(value: object) -> None:
    """Drop fields that say null, as decoding into a typed object does."""
    if isinstance(value, dict):
        for key in [key for key, found in value.items() if found is None]:
            del value[key]
        for found in value.values():
            drop_nulls(found)
    elif isinstance(value, list):
        for found in value:
            drop_nulls(found)


def fill_in(value: object, schema: Object) -> None:
    """Drop the nulls that may not be, and write the defaults where nothing is said."""
    schema = resolved(schema)
    if isinstance(value, list):
        for item in value:
            fill_in(item, schema.get("items") or {})
        return
    if not isinstance(value, dict):
        return
    properties = schema.get("properties") or {}
    more = schema.get("additionalProperties")
    for key in list(value):
        part = properties.get(key, more)
        if not isinstance(part, dict):
            continue
        if value[key] is None and not part.get("nullable"):
            del value[key]
        elif part.get("type") == "integer" and isinstance(value[key], float):
            value[key] = _whole(value[key])
        else:
            fill_in(value[key], part)
    for key, part in properties.items():
        if "default" in part and key not in value:
            value[key] = json.loads(json.dumps(part["default"]))
            fill_in(value[key], part)


def _whole(number: float) -> float:
    return int(number) if number.is_integer() else number


def problems(value: object, schema: Object, path: str = "") -> Iterator[Object]:
    """Everything about a value that the schema does not allow."""
    schema = resolved(schema)
    if value is None and schema.get("nullable"):
        return
    wrong = _wrong_type(value, schema, path)
    if wrong:
        yield wrong
        return
    yield from _wrong_value(value, schema, path)
    if isinstance(value, dict):
        yield from _in_object(value, schema, path)
    elif isinstance(value, list):
        yield from _in_list(value, schema, path)
    yield from _combined(value, schema, path)


def _wrong_type(value: object, schema: Object, path: str) -> Object | None:
    if schema.get("x-kubernetes-int-or-string"):
        is_right = isinstance(value, (int, str)) and not isinstance(value, bool)
        wanted = "integer or string"
    else:
        wanted = schema.get("type") or ""
        is_right = not wanted or _fits(value, wanted)
    if is_right:
        return None
    kind = "null" if value is None else _kind(value)
    message = f"{path} in body must be of type {wanted}: {json.dumps(kind)}"
    return cause(
        "FieldValueTypeInvalid",
        path or "<nil>",
        f"Invalid value: {json.dumps(kind)}: {message}",
    )


def _kind(value: object) -> str:
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))
    for python, name in kinds:
        if isinstance(value, python):
            return name
    return "array" if isinstance(value, list) else "object"


def _fits(value: object, wanted: str) -> bool:
    found = "null" if value is None else _kind(value)
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return found == wanted or (wanted == "number" and found == "integer")


def _wrong_value(value: object, schema: Object, path: str) -> Iterator[Object]:
    allowed = schema.get("enum")
    if allowed is not None and value not in allowed:
        listed = ", ".join(json.dumps(one) for one in allowed)
        message = f"Unsupported value: {json.dumps(value)}: supported values: {listed}"
        yield cause("FieldValueNotSupported", path, message)
    for said in _bounds(value, schema):
        shown = json.dumps(value)[:200]
        message = f"Invalid value: {shown}: {path} in body {said}"
        yield cause("FieldValueInvalid", path, message)


def _bounds(value: object, schema: Object) -> Iterator[str]:
    if isinstance(value, str):
        pattern = schema.get("pattern")
        if pattern and not re.search(pattern, value):
            yield f"should match '{pattern}'"
        yield from _sizes(len(value), schema, "Length", "chars long")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None and value < low:
            yield f"should be greater than or equal to {low}"
        if high is not None and value > high:
            yield f"should be less than or equal to {high}"
        if schema.get("format") == "int32" and not -(2**31) <= value < 2**31:
            yield "must be of type int32"
    elif isinstance(value, list):
        yield from _sizes(len(value), schema, "Items", "items")
    elif isinstance(value, dict):
        yield from _sizes(len(value), schema, "Properties", "properties")


def _sizes(size: int, schema: Object, suffix: str, unit: str) -> Iterator[str]:
    low, high = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
    if low is not None and size < low:
        yield f"should have at least {low} {unit}"
    if high is not None and size > high:
        yield f"should have at most {high} {unit}"


def _in_object(value: Object, schema: Object, path: str) -> Iterator[Object]:
    properties = schema.get("properties") or {}
    for key in schema.get("required") or []:
        if key not in value:
            where = f"{path}.{key}" if path else key
            yield cause("FieldValueRequired", where, "Required value")
    more = schema.get("additionalProperties")
    for key, found in value.items():
        where = f"{path}.{key}" if path else key
        if key in properties:
            yield from problems(found, properties[key], where)
        elif isinstance(more, dict):
            yield from problems(found, more, where)


def _in_list(value: list[object], schema: Object, path: str) -> Iterator[Object]:
    for position, item in enumerate(value):
        yield from problems(item, schema.get("items") or {}, f"{path}[{position}]")
    keys = schema.get("x-kubernetes-list-map-keys")
    kind = schema.get("x-kubernetes-list-type")
    seen = set()
    for position, item in enumerate(value if kind in ("map", "set") else []):
        if kind == "map" and isinstance(item, dict):
            mark = json.dumps({key: item.get(key) for key in keys or []})
        else:
            mark = json.dumps(item)
        if mark in seen:
            message = f"Duplicate value: {mark}"
            yield cause("FieldValueDuplicate", f"{path}[{position}]", message)
        seen.add(mark)


def _combined(value: object, schema: Object, path: str) -> Iterator[Object]:
    for part in schema.get("allOf") or []:
        yield from problems(value, part, path)
    for word in ("anyOf", "oneOf"):
        parts = schema.get(word)
        if parts:
            fitting = sum(not any(problems(value, part, path)) for part in parts)
            if fitting == 0 or (word == "oneOf" and fitting > 1):
                message = f"must validate {word.removesuffix('Of')} of the schemas"
                yield cause("FieldValueInvalid", path, message)
    if "not" in schema and not any(problems(value, schema["not"], path)):
        yield cause("FieldValueInvalid", path, "must not validate the schema")


def changed_immutable(
    new: object, old: object, schema: Object, path: str = ""
) -> Iterator[Object]:
    """Every field that a rule calls immutable and that is not as it was."""
    schema = resolved(schema)
    for rule in schema.get("x-kubernetes-validations") or []:
        if rule.get("rule", "").strip() == "self == oldSelf" and new != old:
            said = rule.get("message") or f"failed rule: {rule['rule']}"
            shown = json.dumps(_kind(new))
            yield cause("FieldValueInvalid", path, f"Invalid value: {shown}: {said}")
    if isinstance(new, dict) and isinstance(old, dict):
        properties = schema.get("properties") or {}
        for key in new.keys() & old.keys() & properties.keys():
            where = f"{path}.{key}" if path else key
            yield from changed_immutable(new[key], old[key], properties[key], where)
