"""Parsing at the edge: what comes from outside is text of known kinds, or an error."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from connectors.errors import MalformedInput

_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SHAPE_ERRORS = (
    AttributeError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
)


@contextlib.contextmanager
def well_formed(what: str) -> Iterator[None]:
    """Turn every sign of an unexpected shape into MalformedInput.

    Raises:
        MalformedInput: something within was missing or of another kind.
    """
    try:
        yield
    except _SHAPE_ERRORS as cause:
        raise MalformedInput(
            f"{what} is not in the expected form ({type(cause).__name__}: "
            f"{str(cause)[:200]})"
        ) from cause


def parse_json(data: bytes, what: str) -> Any:
    """Parse UTF-8 JSON; lone surrogates, which no text can hold, become `?`.

    Raises:
        MalformedInput: it is not JSON, or nested too deeply.
    """
    try:
        value = json.loads(data)
        if _ESCAPED_SURROGATE.search(data):
            text = json.dumps(value, ensure_ascii=False)
            value = json.loads(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError) as cause:
        raise MalformedInput(f"{what} is not JSON") from cause
    return value


def text_of(value: object) -> str:
    """A text that may be left out.

    Raises:
        MalformedInput: it is something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedInput(f"a text is expected where {value!r:.80} stands")
    return value


def without_userinfo(address: str) -> str:
    """An address without the user name and password that it may hold."""
    if "@" not in address:
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return address.rpartition("@")[2]
    if "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
