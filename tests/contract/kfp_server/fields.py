"""How protobuf writes and reads JSON: it leaves out what holds nothing, and takes a
name in either form, and the number of a choice for its name."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote_plus

_AS_THEY_ARE = frozenset({"pipeline_spec", "parameters", "details", "value"})
"""What is no message, but any JSON."""
_OPERATIONS = (
    "OPERATION_UNSPECIFIED",
    "EQUALS",
    "NOT_EQUALS",
    "GREATER_THAN",
    "",
    "GREATER_THAN_EQUALS",
    "LESS_THAN",
    "LESS_THAN_EQUALS",
    "IN",
    "IS_SUBSTRING",
)


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


def read_filter(told: str) -> dict[str, Any]:
    """A filter as it is described. It is decoded once more, though the query has been.

    Raises:
        ValueError: it is none.
        KeyError: likewise.
        TypeError: likewise.
    """
    found = json.loads(unquote_plus(told))
    return {"predicates": [_predicate(one) for one in found["predicates"]]}


def _predicate(told: dict[str, Any]) -> dict[str, Any]:
    read = {re.sub("([A-Z])", r"_\1", name).lower(): one for name, one in told.items()}
    number = read.get("operation")
    if isinstance(number, int) and 0 <= number < len(_OPERATIONS):
        read["operation"] = _OPERATIONS[number]
    return read
