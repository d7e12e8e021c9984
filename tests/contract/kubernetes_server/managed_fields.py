"""Who owns which field: server-side apply with its conflicts, and its bookkeeping."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from tests.contract.kubernetes_server.built_in_schemas import resolved
from tests.contract.kubernetes_server.objects import Object, timestamp
from tests.contract.kubernetes_server.problems import ApiError

Path = tuple[str, ...]
"""Steps as FieldsV1 writes them: `f:name`, `k:{...}`, `v:...`."""
_UNOWNED = {
    "apiVersion",
    "kind",
}
_UNOWNED_METADATA = {
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
    "generateName",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
}


def owned(found: Object, schema: Object) -> set[Path]:
    """The fields that an object sets."""
    paths = set()
    for path in _walk(found, schema, ()):
        if path[0].removeprefix("f:") in _UNOWNED:
            continue
        if path[0] == "f:metadata" and len(path) > 1:
            if path[1].removeprefix("f:") in _UNOWNED_METADATA:
                continue
        elif path == ("f:metadata",):
            continue
        paths.add(path)
    return paths


def _walk(value: Any, schema: Object, path: Path) -> Iterator[Path]:
    schema = resolved(schema)
    if isinstance(value, dict) and value:
        if schema.get("x-kubernetes-map-type") == "atomic" and path:
            yield path
            return
        for key, part in value.items():
            yield from _walk(part, _property(schema, key), (*path, f"f:{key}"))
        return
    kind = schema.get("x-kubernetes-list-type")
    if isinstance(value, list) and value and kind in ("map", "set"):
        for item in value:
            step = _step(item, schema)
            yield (*path, step)
            if kind == "map":
                yield from _walk(item, schema.get("items") or {}, (*path, step))
        return
    yield path


def _property(schema: Object, key: str) -> Object:
    found = (schema.get("properties") or {}).get(key)
    found = found if found is not None else schema.get("additionalProperties")
    return found if isinstance(found, dict) else {}


def _step(item: Any, schema: Object) -> str:
    if schema.get("x-kubernetes-list-type") == "set":
        return f"v:{json.dumps(item, separators=(',', ':'))}"
    items = resolved(schema.get("items") or {})
    keys = {}
    for key in sorted(schema.get("x-kubernetes-list-map-keys") or []):
        default = _property(items, key).get("default")
        if key == "protocol" and default is None:
            default = "TCP"
        if item.get(key, default) is not None:
            keys[key] = item.get(key, default)
    return f"k:{json.dumps(keys, separators=(',', ':'))}"


def to_fields(paths: set[Path]) -> Object:
    """FieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        place = root
        for step in path:
            place = place.setdefault(step, {})
    for path in paths:
        place = root
        for step in path:
            place = place[step]
        if place:
            place["."] = {}
    return root


def from_fields(fields: Object, path: Path = ()) -> set[Path]:
    """The paths that FieldsV1 names."""
    found = set()
    for step, below in fields.items():
        if step == ".":
            found.add(path)
        elif not below:
            found.add((*path, step))
        else:
            found |= from_fields(below, (*path, step))
    return found


def value_at(found: Any, path: Path) -> Any:
    """What an object says at a path; None where it says nothing."""
    for step in path:
        mark, rest = step[:2], step[2:]
        if mark == "f:" and isinstance(found, dict):
            found = found.get(rest)
        elif mark == "k:" and isinstance(found, list):
            found = next((one for one in found if _has(one, json.loads(rest))), None)
        elif mark == "v:" and isinstance(found, list):
            found = next((one for one in found if one == json.loads(rest)), None)
        else:
            return None
    return found


def _has(item: Object, keys: Object) -> bool:
    return all(
        item.get(key, "TCP" if key == "protocol" else None) == value
        for key, value in keys.items()
    )


def dotted(path: Path) -> str:
    """A path as conflicts show it."""
    said = ""
    for step in path:
        if step[:2] == "f:":
            said += f".{step[2:]}"
        elif step[:2] == "k:":
            pairs = json.loads(step[2:]).items()
            said += "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in pairs) + "]"
        else:
            said += f"[={step[2:]}]"
    return said


def _merge(live: Any, applied: Any, schema: Object) -> Any:
    """The live value with what is applied laid over it."""
    schema = resolved(schema)
    if isinstance(applied, dict) and isinstance(live, dict):
        if schema.get("x-kubernetes-map-type") == "atomic":
            return copy.deepcopy(applied)
        result = dict(live)
        for key, part in applied.items():
            result[key] = _merge(live.get(key), part, _property(schema, key))
        return result
    kind = schema.get("x-kubernetes-list-type")
    if isinstance(applied, list) and isinstance(live, list):
        if kind == "set":
            return live + [one for one in applied if one not in live]
        if kind == "map":
            return _merge_list(live, applied, schema)
    return copy.deepcopy(applied)


def _merge_list(live: list[Any], applied: list[Any], schema: Object) -> list[Any]:
    left = {_step(one, schema): one for one in live}
    for one in applied:
        step = _step(one, schema)
        left[step] = _merge(left.get(step), one, schema.get("items") or {})
    return list(left.values())


def _remove(found: Any, path: Path, owned_by_any: set[Path]) -> None:
    """Take a field away, and what is left empty of the fields around it."""
    parent = value_at(found, path[:-1])
    mark, rest = path[-1][:2], path[-1][2:]
    if mark == "f:" and isinstance(parent, dict):
        parent.pop(rest, None)
    elif mark in ("k:", "v:") and isinstance(parent, list):
        gone = value_at(parent, path[-1:])
        if gone in parent:
            parent.remove(gone)
    above = path[:-1]
    if above and parent in ({}, []) and above not in owned_by_any:
        _remove(found, above, owned_by_any)


def _entries(found: Object) -> list[Object]:
    return list((found.get("metadata") or {}).get("managedFields") or [])


def applied_over(
    live: Object | None,
    applied: Object,
    schema: Object,
    manager: str,
    subresource: str,
    force: bool,
) -> Object:
    """What apply leaves, with the fields that its manager now owns.

    Raises:
        ApiError: somebody else owns a field that would change.
    """
    new = owned(applied, schema)
    others, mine = [], set[Path]()
    for entry in _entries(live or {}):
        is_mine = (
            entry["manager"] == manager
            and entry["operation"] == "Apply"
            and entry.get("subresource", "") == subresource
        )
        if is_mine:
            mine = from_fields(entry["fieldsV1"])
        else:
            others.append((entry, from_fields(entry["fieldsV1"])))
    fights = [
        (entry, path)
        for entry, paths in others
        for path in sorted(paths & new)
        if path[-1][:2] == "f:" and value_at(live, path) != value_at(applied, path)
    ]
    if fights and not force:
        raise _conflicts(fights)
    result = _merge(live or {}, applied, schema)
    kept = set[Path]().union(*(paths for _, paths in others))
    for path in sorted(mine - new, key=len):
        if not any(other[: len(path)] == path for other in kept | new):
            _remove(result, path, kept | new)
    taken = {path for _, path in fights}
    entries = [
        {**entry, "fieldsV1": to_fields(paths - taken)}
        for entry, paths in others
        if paths - taken
    ]
    entries.append(_entry(manager, "Apply", applied["apiVersion"], new, subresource))
    result["metadata"]["managedFields"] = entries
    return dict(result)


def _conflicts(fights: list[tuple[Object, Path]]) -> ApiError:
    causes = []
    for entry, path in fights:
        who = f'conflict with "{entry["manager"]}"'
        if entry.get("subresource"):
            who += f' with subresource "{entry["subresource"]}"'
        if entry["operation"] == "Update":
            who += f" using {entry['apiVersion']}"
        causes.append(
            {
                "reason": "FieldManagerConflict",
                "message": who,
                "field": dotted(path),
            }
        )
    lines = [f"{cause['message']}: {cause['field']}" for cause in causes]
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {lines[0]}"
    else:
        listed = "\n".join(f"- {line}" for line in lines)
        message = f"Apply failed with {len(causes)} conflicts:\n{listed}"
    return ApiError(409, message, reason="Conflict", details={"causes": causes})


def _entry(
    manager: str, operation: str, version: str, paths: set[Path], subresource: str
) -> Object:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": version,
        "time": timestamp(),
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields(paths),
        **({"subresource": subresource} if subresource else {}),
    }


def updated(
    old: Object | None, new: Object, schema: Object, manager: str, subresource: str
) -> None:
    """Note in `new` what a manager changed by something else than apply."""
    entries = [(dict(e), from_fields(e["fieldsV1"])) for e in _entries(old or {})]
    before = owned(old, schema) if old else set[Path]()
    after = owned(new, schema)
    changed = {
        path
        for path in after
        if path not in before or value_at(old, path) != value_at(new, path)
    }
    kept = []
    for entry, paths in entries:
        is_mine = (
            entry["manager"] == manager
            and entry["operation"] == "Update"
            and entry.get("subresource", "") == subresource
        )
        left = {
            path for path in paths if value_at(new, path) is not None or path in after
        }
        if is_mine:
            changed |= left
        elif left - changed:
            kept.append({**entry, "fieldsV1": to_fields(left - changed)})
    if changed:
        version = new["apiVersion"]
        kept.append(_entry(manager, "Update", version, changed, subresource))
    new["metadata"]["managedFields"] = kept
