"""JSON objects as the API moves them, and the small things done with them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
"""One decoded JSON object."""
_MISSING: Any = object()


def dig(value: object, *path: str | int, default: Any = None) -> Any:
    """What lies at a path of keys and positions, or the default."""
    for step in path:
        found = _MISSING
        if isinstance(value, Mapping):
            found = value.get(step, _MISSING)
        elif isinstance(value, list) and isinstance(step, int):
            found = next(iter(value[step:][:1]), _MISSING)
        if found is _MISSING:
            return default
        value = found
    return value


def name_of(found: Object) -> str:
    """The object's name."""
    return str(dig(found, "metadata", "name", default=""))


def namespace_of(found: Object) -> str:
    """The object's namespace; empty for what lies in none."""
    return str(dig(found, "metadata", "namespace", default="") or "")


def copied(found: Object) -> Object:
    """A deep copy, so that what is stored is never shared."""
    return copy.deepcopy(found)


def timestamp(moment: datetime | None = None) -> str:
    """A time as the API writes it."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def compact(value: object) -> bytes:
    """JSON without spaces, keys in their order."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def same(one: Object, other: Object) -> bool:
    """Whether two objects differ in nothing but their version and managed fields."""
    return _bare(one) == _bare(other)


def _bare(found: Object) -> Object:
    metadata = {
        key: value
        for key, value in dict(found.get("metadata") or {}).items()
        if key not in ("resourceVersion", "managedFields", "generation")
    }
    return {**found, "metadata": metadata}
