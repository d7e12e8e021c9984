"""Secrets in events: what has the name or the form of one never leaves this module."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from connectors.errors import MalformedInput

REDACTED = "***"
LONGEST_VALUE = 100_000
DEEPEST = 64
"""Levels of nesting in an event; what goes deeper is refused."""
_LONGEST_REMEMBERED = 512
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?|secret|token|credential|cookie|auth(?!ors?(?![a-z]))"
    r"|bearer|dsn"
    r"|(api|access|private|account|signing|encryption|shared)[-_. ]?key"
    r"|connection[-_. ]?string",
    re.IGNORECASE | re.ASCII,
)
_SECRET_NUMBER = re.compile(r"pass(word|wd|phrase)|secret|credential", re.I | re.ASCII)
"""Names under which a number is a secret too; a count of tokens is none."""
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{20,}"
    r"|\bey[0-9A-Za-z_-]{8,}\.ey[0-9A-Za-z_-]{8,}|\bBearer [0-9A-Za-z._~+/-]{8,}"
    r"|(password|passwd|secret|token)=[^&\s]+",
    re.IGNORECASE | re.ASCII,
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_NUMBERS = (int, float)
NAMING = ("name", "key", "field")
"""Members that say what the value beside them is."""
_VALUED = ("value", "defaultValue")


def without_secrets(name: str, value: object) -> str:
    """A value as text, redacted when its name or form is that of a secret."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if is_secret_name(name) or _SECRET_VALUE.search(text):
        return REDACTED
    return _USERINFO.sub("", text)[:LONGEST_VALUE]


@lru_cache(65_536)
def is_secret_name(name: str) -> bool:
    """Whether what has this name is likely to be a secret."""
    return _SECRET_NAME.search(name) is not None


def text_without_secrets(text: str) -> str:
    """A text in which what has the form of a secret is redacted."""
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _cleaned(text)


def _cleaned(text: str) -> str:
    if "PRIVATE KEY" in text.upper():
        return REDACTED
    return _SECRET_VALUE.sub(REDACTED, _USERINFO.sub("", text))


_remembered = lru_cache(65_536)(_cleaned)
"""Most texts in events are short, and come again and again."""


def redacted(value: Any, depth: int = 0, *, is_secret: bool = False) -> Any:
    """The same value; texts that are or hold secrets are not in it.

    Raises:
        MalformedInput: it is nested too deeply.
    """
    if isinstance(value, str):
        return REDACTED if is_secret else text_without_secrets(value)
    if isinstance(value, list):
        _require_shallow(depth)
        return [redacted(inner, depth + 1, is_secret=is_secret) for inner in value]
    if not isinstance(value, dict):
        return value
    _require_shallow(depth)
    names_secret = any(
        isinstance(value.get(naming), str) and is_secret_name(value[naming])
        for naming in NAMING
    )
    clean: dict[str, Any] = {}
    for name, inner in value.items():
        is_value = names_secret and name in _VALUED and inner is not None
        if is_value or (_is_number(inner) and _SECRET_NUMBER.search(name)):
            clean[name] = REDACTED
        else:
            clean[text_without_secrets(name)] = redacted(
                inner, depth + 1, is_secret=is_secret_name(name)
            )
    return clean


def _require_shallow(depth: int) -> None:
    if depth > DEEPEST:
        raise MalformedInput("the event is nested too deeply")


def _is_number(value: object) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)
