"""Lists: filters, order and pages."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from tests.contract.kfp_server.fields import read_filter
from tests.contract.kfp_server.installation import Object
from tests.contract.kfp_server.problems import INVALID, ApiError

DEFAULT_PAGE, LARGEST_PAGE = 20, 200
_OPERATIONS = ("EQUALS", "NOT_EQUALS", "IN", "IS_SUBSTRING")
_IDENTITIES = {
    "experiments": "experiment_id",
    "pipelines": "pipeline_id",
    "pipeline_versions": "pipeline_version_id",
    "runs": "run_id",
    "recurringRuns": "recurring_run_id",
}
_NAMED = ("pipelines", "pipeline_versions")
"""What has a name beside the name that is displayed; of others, one is the other."""
EXPERIMENT_KEYS = {"experiment_id", "display_name", "namespace", "storage_state"}
PIPELINE_KEYS = {"pipeline_id", "display_name", "namespace"}
VERSION_KEYS = {"pipeline_version_id", "display_name"}
RUN_KEYS = {
    "run_id",
    "display_name",
    "description",
    "finished_at",
    "scheduled_at",
    "storage_state",
    "state",
    "experiment_id",
    "recurring_run_id",
}


def page(
    found: list[Object], key: str, query: dict[str, str], keys: set[str]
) -> Object:
    """One page of what a filter lets through. `keys` are what may be filtered and
    sorted by beside what every list has."""
    fields = {one: one for one in keys} | {
        "id": _IDENTITIES[key],
        "name": "name" if key in _NAMED else "display_name",
        "created_at": "created_at",
    }
    kept = [one for one in found if _passes(one, query.get("filter", ""), fields)]
    name, _, order = (query.get("sort_by") or "created_at").partition(" ")
    if name not in fields:
        raise ApiError(INVALID, f'Invalid sorting field: "{name}" on listable type')
    # Equal moments in the order of their ids, as a database would.
    identity = _IDENTITIES[key]

    def place(one: Object) -> list[str]:
        return [str(one.get(fields[name], "")), str(one[identity])]

    kept.sort(key=place, reverse=order == "desc")
    size = int(query.get("page_size", "0") or 0) or DEFAULT_PAGE
    if size < 0:
        raise ApiError(INVALID, "The page size should be greater than 0")
    size = min(size, LARGEST_PAGE)
    begin = _begin([place(one) for one in kept], query, order == "desc")
    answer: Object = {key: kept[begin : begin + size], "total_size": len(kept)}
    if begin + size < len(kept):
        answer["next_page_token"] = _token(place(kept[begin + size]), query)
    return answer


def _asked(query: dict[str, str]) -> list[str]:
    return [query.get("sort_by", ""), query.get("filter", "")]


def _token(next_place: list[str], query: dict[str, str]) -> str:
    """Where the next page begins: at an entry, whatever is added before it."""
    told = json.dumps({"at": next_place, "asked": _asked(query)})
    return base64.b64encode(told.encode()).decode()


def _begin(places: list[list[str]], query: dict[str, str], is_down: bool) -> int:
    token = query.get("page_token", "")
    if not token:
        return 0
    try:
        told = json.loads(base64.b64decode(token, validate=True))
        first, asked = list(told["at"]), told["asked"]
    except (ValueError, KeyError, TypeError) as cause:
        raise ApiError(INVALID, "Invalid package token") from cause
    if any(_asked(query)) and _asked(query) != asked:
        raise ApiError(
            INVALID,
            "page token does not match the supplied sort by and/or filtering criteria",
        )
    before = [(at > first if is_down else at < first) for at in places]
    return before.index(False) if False in before else len(places)


def _passes(one: Object, told: str, keys: dict[str, str]) -> bool:
    if not told:
        return True
    try:
        predicates = read_filter(told)["predicates"]
    except (ValueError, KeyError, TypeError) as cause:
        raise ApiError(INVALID, "failed to parse valid filter") from cause
    return all(_holds(one, predicate, keys) for predicate in predicates)


def _holds(one: Object, predicate: Any, keys: dict[str, str]) -> bool:
    key, operation = predicate.get("key"), predicate.get("operation")
    if key not in keys:
        raise ApiError(INVALID, f"no support for filtering on unrecognized field {key}")
    if operation not in _OPERATIONS:
        raise ApiError(INVALID, f"invalid predicate operation: {operation}")
    # The database tells no upper from lower case.
    value = str(one.get(keys[key], "")).lower()
    if operation == "IN":
        return value in map(str.lower, predicate["string_values"]["values"])
    wanted = str(predicate.get("string_value", "")).lower()
    if operation == "IS_SUBSTRING":
        return re.search(_like(wanted), value, re.DOTALL) is not None
    return bool((value == wanted) == (operation == "EQUALS"))


def _like(wanted: str) -> str:
    """A pattern of SQL, in which two characters stand for others."""
    stand_for = {"%": ".*", "_": "."}
    return "".join(stand_for.get(one, re.escape(one)) for one in wanted)
