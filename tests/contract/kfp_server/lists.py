"""Lists: filters, order and pages."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.contract.kfp_server.installation import Object
from tests.contract.kfp_server.problems import INVALID, ApiError

DEFAULT_PAGE, LARGEST_PAGE = 20, 200
_OPERATIONS = ("EQUALS", "NOT_EQUALS", "IN", "IS_SUBSTRING")


def page(
    found: list[Object], key: str, query: dict[str, str], keys: set[str]
) -> Object:
    """One page of what a filter lets through."""
    kept = [one for one in found if _passes(one, query.get("filter", ""), keys)]
    field, _, order = query.get("sort_by", "created_at").partition(" ")
    if field not in keys | {"created_at"}:
        raise ApiError(INVALID, f"Invalid sorting field: {field}")
    # Equal moments in the order of their ids, as a database would.
    kept.sort(key=lambda one: str(one.get(field, "")), reverse=order == "desc")
    size = int(query.get("page_size", "0") or 0) or DEFAULT_PAGE
    if size < 0:
        raise ApiError(INVALID, "The page size should be greater than 0")
    size = min(size, LARGEST_PAGE)
    begin = _position(query.get("page_token", ""))
    answer: Object = {key: kept[begin : begin + size], "total_size": len(kept)}
    if begin + size < len(kept):
        answer["next_page_token"] = _token(begin + size)
    return answer


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"at": position}).encode()).decode()


def _position(token: str) -> int:
    if not token:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(token))["at"])
    except (ValueError, KeyError, TypeError) as cause:
        raise ApiError(INVALID, "Invalid package token") from cause


def _passes(one: Object, told: str, keys: set[str]) -> bool:
    if not told:
        return True
    try:
        predicates = json.loads(told)["predicates"]
    except (ValueError, KeyError, TypeError) as cause:
        raise ApiError(INVALID, "failed to parse valid filter") from cause
    return all(_holds(one, predicate, keys) for predicate in predicates)


def _holds(one: Object, predicate: Any, keys: set[str]) -> bool:
    key, operation = predicate.get("key"), predicate.get("operation")
    if key not in keys:
        raise ApiError(INVALID, f"no support for filtering on unrecognized field {key}")
    if operation not in _OPERATIONS:
        raise ApiError(INVALID, f"unsupported operation {operation}")
    value, wanted = str(one.get(key, "")), predicate.get("string_value", "")
    if operation == "IN":
        return value in predicate["string_values"]["values"]
    if operation == "IS_SUBSTRING":
        # MySQL's LIKE, which does not tell upper from lower case.
        return wanted.lower() in value.lower()
    return bool((value == wanted) == (operation == "EQUALS"))
