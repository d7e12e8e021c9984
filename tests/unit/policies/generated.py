"""Statements and JSON values that hypothesis makes up.

Statements follow the published schemas, not the reader's code, so that schema and
reader are held to each other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from policies.predicates import PredicateType
from policies.schemas import statement_schema
from policies.strict_json import LARGEST_INTEGER

JsonObject = dict[str, Any]
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_ é\U0001f511", max_size=6)
INTEGERS = st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=4).filter(
            lambda made: len({key.casefold() for key in made}) == len(made)
        )
    ),
    max_leaves=12,
)
"""Every kind of value that a document may hold, less deep than the limit."""
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=5).filter(
    lambda made: len({key.casefold() for key in made}) == len(made)
)
_DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
_TIMES = st.datetimes(datetime(1000, 1, 1), datetime(2999, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")
)
_IDENTIFIERS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,20}", fullmatch=True)


def values_of(schema: JsonObject) -> st.SearchStrategy[Any]:
    """Values that a published JSON Schema describes."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            return st.fixed_dictionaries(
                {name: values_of(one) for name, one in schema["properties"].items()}
            )
        case "array":
            return st.lists(
                values_of(schema["items"]),
                min_size=schema.get("minItems", 0),
                max_size=schema.get("maxItems", 3),
            )
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case ["integer", "null"]:
            return st.none() | st.integers(schema["minimum"], schema["maximum"])
        case "string":
            return _texts_of(schema)
    raise AssertionError(f"no strategy for {schema}")


def _texts_of(schema: JsonObject) -> st.SearchStrategy[str]:
    pattern = schema.get("pattern", "")
    if "T(" in pattern:
        return st.just("") | _TIMES if pattern.endswith(")?$") else _TIMES
    if "{64})?" in pattern:
        return st.just("") | _DIGESTS
    if "{64}" in pattern:
        return _DIGESTS
    if pattern:
        return _IDENTIFIERS
    return st.text(
        st.characters(codec="utf-8"),
        min_size=schema.get("minLength", 0),
        max_size=min(schema["maxLength"], 16),
    )


def statements_of(kind: PredicateType) -> st.SearchStrategy[JsonObject]:
    """Whole statements of a type, as JSON values."""
    made: st.SearchStrategy[JsonObject] = values_of(statement_schema(kind))
    return made


STATEMENTS = st.sampled_from(PredicateType).flatmap(statements_of)


def changed_bytes(data: bytes) -> st.SearchStrategy[bytes]:
    """The same bytes with one of them changed, left out or put in."""
    place = st.integers(0, len(data) - 1)
    byte = st.integers(0, 255)
    return st.one_of(
        st.builds(
            lambda at, bit: data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :],
            place,
            st.integers(1, 255),
        ),
        st.builds(lambda at: data[:at] + data[at + 1 :], place),
        st.builds(lambda at, new: data[:at] + bytes([new]) + data[at:], place, byte),
    )
