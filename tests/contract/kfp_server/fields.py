"""Which fields an answer has: protobuf leaves out those that hold nothing."""

from __future__ import annotations

from typing import Any

_AS_THEY_ARE = frozenset({"pipeline_spec", "parameters", "details", "value"})
"""What is no message, but any JSON."""


def populated(told: Any) -> Any:
    """An answer without the fields that hold nothing."""
    if isinstance(told, list):
        return [populated(one) for one in told]
    if not isinstance(told, dict):
        return told
    kept = {
        name: one if name in _AS_THEY_ARE else populated(one)
        for name, one in told.items()
    }
    return {name: one for name, one in kept.items() if one not in ("", 0, [], {}, None)}
