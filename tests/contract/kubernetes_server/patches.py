"""The three kinds of patch that are no apply: JSON, merge and strategic merge."""

from __future__ import annotations

import copy
from typing import Any

from tests.contract.kubernetes_server.built_in_schemas import resolved
from tests.contract.kubernetes_server.objects import Object
from tests.contract.kubernetes_server.problems import bad_request, unprocessable

_DIRECTIVE = "$patch"
_DELETE_ITEMS = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_KEEP = "$retainKeys"


def merged(value: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(value) if isinstance(value, dict) else {}
    for key, part in patch.items():
        if part is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), part)
    return result


def edited(value: Object, operations: object) -> Object:
    """RFC 6902.

    Raises:
        ApiError: an operation cannot be carried out; a failed test is an invalid one.
    """
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    result: Any = copy.deepcopy(value)
    for operation in operations:
        try:
            result = _one(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as problem:
            raise unprocessable() from problem
    if not isinstance(result, dict):
        raise bad_request("the patch leaves no object")
    return result


def _one(whole: Any, operation: Object) -> Any:
    verb, steps = operation["op"], _steps(operation["path"])
    if verb == "test":
        if _at(whole, steps) != operation["value"]:
            raise ValueError(f"testing value {operation['path']} failed: test failed")
        return whole
    if verb in ("move", "copy"):
        source = _steps(operation["from"])
        moved = copy.deepcopy(_at(whole, source))
        if verb == "move":
            _drop(whole, source)
        return _add(whole, steps, moved)
    if verb == "remove":
        _drop(whole, steps)
        return whole
    if verb == "replace":
        _at(whole, steps)
        if steps:
            _drop(whole, steps)
        return _add(whole, steps, copy.deepcopy(operation["value"]))
    if verb == "add":
        return _add(whole, steps, copy.deepcopy(operation["value"]))
    raise ValueError(f"unexpected kind of operation: {verb}")


def _steps(pointer: str) -> list[str]:
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise ValueError(f"{pointer} is no pointer")
    return [
        part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")
    ]


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def _drop(whole: Any, steps: list[str]) -> None:
    parent = _at(whole, steps[:-1])
    if isinstance(parent, list):
        parent.pop(int(steps[-1]))
    else:
        del parent[steps[-1]]


def _add(whole: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    parent = _at(whole, steps[:-1])
    if isinstance(parent, list):
        position = len(parent) if steps[-1] == "-" else int(steps[-1])
        if position > len(parent):
            raise IndexError(f"{position} is beyond the list")
        parent.insert(position, value)
    else:
        parent[steps[-1]] = value
    return whole


def strategic(value: Any, patch: Any, schema: Object) -> Any:
    """A strategic merge patch, for kinds whose lists have keys."""
    schema = resolved(schema)
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get(_DIRECTIVE) == "replace":
        return {key: part for key, part in patch.items() if key != _DIRECTIVE}
    if patch.get(_DIRECTIVE) == "delete":
        return {}
    result = dict(value) if isinstance(value, dict) else {}
    _retain(result, patch)
    for key, part in patch.items():
        if key.startswith(_DELETE_ITEMS):
            name = key.removeprefix(_DELETE_ITEMS)
            result[name] = [one for one in result.get(name) or [] if one not in part]
        elif key.startswith("$"):
            continue
        elif part is None:
            result.pop(key, None)
        else:
            inner = _inner(schema, key)
            result[key] = _strategic_part(result.get(key), part, inner)
            order = patch.get(_ORDER + key)
            if order is not None:
                result[key] = _ordered(result[key], order, _merge_key(inner))
    return result


def _retain(result: Object, patch: Object) -> None:
    kept = patch.get(_KEEP)
    if kept is not None:
        for key in [key for key in result if key not in kept]:
            del result[key]


def _inner(schema: Object, key: str) -> Object:
    properties = schema.get("properties") or {}
    found = properties.get(key) or schema.get("additionalProperties") or {}
    return resolved(found) if isinstance(found, dict) else {}


def _merge_key(schema: Object) -> str:
    return str(schema.get("x-kubernetes-patch-merge-key") or "")


def _strategic_part(value: Any, part: Any, schema: Object) -> Any:
    if not isinstance(part, list):
        return strategic(value, part, schema)
    if schema.get("x-kubernetes-patch-strategy") != "merge":
        return copy.deepcopy(part)
    existing = list(value or [])
    key = _merge_key(schema)
    if not key:
        return [one for one in part if one not in existing] + existing
    return _merged_list(existing, part, key, schema.get("items") or {})


def _merged_list(existing: list[Any], part: list[Any], key: str, items: Object) -> Any:
    if any(one == {_DIRECTIVE: "replace"} for one in part):
        return [one for one in part if one != {_DIRECTIVE: "replace"}]
    new = []
    for one in part:
        if key not in one:
            raise bad_request(f"map: {one} does not contain declared merge key: {key}")
        at = next((n for n, had in enumerate(existing) if had[key] == one[key]), -1)
        if one.get(_DIRECTIVE) == "delete":
            if at >= 0:
                existing.pop(at)
        elif at >= 0:
            existing[at] = strategic(existing[at], one, items)
        else:
            new.append(strategic({}, one, items))
    return new + existing


def _ordered(value: list[Any], order: list[Any], key: str) -> list[Any]:
    wanted = [one[key] if key else one for one in order]

    def place(one: Any) -> int:
        mark = one[key] if key else one
        return wanted.index(mark) if mark in wanted else len(wanted)

    return sorted(value, key=place)
