"""The one JSON reader and writer of everything that is signed.

Strict where the standard library is kind: sizes and depth are bounded before parsing,
keys are unique even when case is folded, numbers are small integers, text is whole
Unicode. Every failure is a MalformedStatement.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NoReturn, TypeVar

from policies.errors import MalformedStatement

LARGEST_INTEGER = 2**53
_BRACKETS_AND_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_OPENING, _CLOSING = (b"[", b"{"), (b"]", b"}")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
"""The only way a surrogate can stand in valid UTF-8."""
TIME_PATTERN = (
    "^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"
)
"""RFC 3339 in UTC to the second; the one spelling of a time."""
_TIME = re.compile(TIME_PATTERN[1:-1])
_DIGEST = re.compile(r"[0-9a-f]{64}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/-]*")
Choice = TypeVar("Choice", bound=StrEnum)


def parse(
    data: bytes, *, what: str, at_most: int = 65_535, depth: int = 16
) -> dict[str, object]:
    """Parse one JSON object. Numbers must be integers below 2**53.

    Raises:
        MalformedStatement: `what` says of what in the message.
    """
    if len(data) > at_most:
        _refuse(what, f"it is larger than {at_most} bytes")
    if data.startswith(b"\xef\xbb\xbf"):
        _refuse(what, "it begins with a byte order mark")
    if data.count(b"[") + data.count(b"{") > depth and _nesting(data) > depth:
        _refuse(what, f"it is nested deeper than {depth} levels")
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as cause:
        raise MalformedStatement(f"{what}: it is not UTF-8") from cause
    except (ValueError, RecursionError) as cause:
        raise MalformedStatement(f"{what}: it is not JSON: {cause}") from cause
    if not isinstance(value, dict):
        _refuse(what, "it is not an object")
    if _SURROGATE_ESCAPE.search(data):
        _refuse_surrogates(value, what)
    return value


def encode(value: object) -> bytes:
    """Write JSON in the one form we sign: sorted keys, no spaces, UTF-8, no floats.

    Raises:
        MalformedStatement: the value holds a float or broken text.
    """
    _refuse_floats(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as cause:
        raise MalformedStatement("text holds a lone surrogate") from cause


class Fields:
    """Typed reading of one object whose fields are all known: `end` refuses others."""

    def __init__(self, values: Mapping[str, object], *, what: str) -> None:
        self._values = values
        self._what = what
        self._read: set[str] = set()

    def _take(self, name: str) -> object:
        self._read.add(name)
        try:
            return self._values[name]
        except KeyError:
            _refuse(self._what, f"the field {name!r} is missing")

    def has(self, name: str) -> bool:
        """Whether a field is there."""
        return name in self._values

    def text(self, name: str, longest: int = 4096) -> str:
        """A string of at most `longest` characters."""
        value = self._values.get(name)
        if type(value) is str and len(value) <= longest:
            self._read.add(name)
            return value
        value = self._take(name)
        if not isinstance(value, str) or len(value) > longest:
            _refuse(self._what, f"{name!r} is not text of at most {longest} characters")
        return value

    def filled_text(self, name: str, longest: int = 4096) -> str:
        """A string that is not empty."""
        value = self.text(name, longest)
        if not value:
            _refuse(self._what, f"{name!r} is empty")
        return value

    def identifier(self, name: str, *, longest: int = 128) -> str:
        """A name for machines: ASCII letters, digits and . _ @ / - only.

        So no two of them look alike, and none does anything where it is shown.
        """
        value = self.filled_text(name, longest)
        if not _IDENTIFIER.fullmatch(value):
            _refuse(self._what, f"{name!r} holds more than a-z, 0-9 and . _ @ / -")
        return value

    def time(self, name: str) -> str:
        """A moment that there is, RFC 3339 in UTC to the second."""
        value = self.text(name, 64)
        try:
            is_time = bool(_TIME.fullmatch(value)) and bool(
                datetime.fromisoformat(value)
            )
        except ValueError:
            is_time = False
        if not is_time:
            _refuse(self._what, f"{name!r} is no time of the form 2026-03-01T12:00:00Z")
        return value

    def optional_time(self, name: str) -> str:
        """Such a moment, or an empty string."""
        return "" if self.text(name, 64) == "" else self.time(name)

    def integer(self, name: str, *, least: int = 0) -> int:
        """A whole number, at least `least`."""
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            _refuse(self._what, f"{name!r} is not a whole number of {least} or more")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._take(name)
        if not isinstance(value, bool):
            _refuse(self._what, f"{name!r} is neither true nor false")
        return value

    def optional_flag(self, name: str) -> bool | None:
        """True, false or null."""
        return None if self._take(name) is None else self.flag(name)

    def optional_integer(self, name: str) -> int | None:
        """A whole number or null."""
        return None if self._take(name) is None else self.integer(name)

    def digest(self, name: str) -> str:
        """A SHA-256 in lower-case hex."""
        value = self.text(name, 64)
        if not _DIGEST.fullmatch(value):
            _refuse(self._what, f"{name!r} is not a SHA-256 in lower-case hex")
        return value

    def optional_digest(self, name: str) -> str:
        """A SHA-256 in lower-case hex, or an empty string."""
        return "" if self.text(name, 64) == "" else self.digest(name)

    def choice(self, name: str, choices: type[Choice]) -> Choice:
        """One of the values of an enumeration."""
        value = self.text(name)
        try:
            return choices(value)
        except ValueError:
            allowed = ", ".join(choices)
            _refuse(self._what, f"{name!r} is none of: {allowed}")

    def list_of(self, name: str, *, most: int = 100_000) -> list[object]:
        """A list of at most `most` values."""
        value = self._take(name)
        if not isinstance(value, list) or len(value) > most:
            _refuse(self._what, f"{name!r} is not a list of at most {most}")
        return value

    def texts(self, name: str, *, longest: int = 4096) -> tuple[str, ...]:
        """A list of strings."""
        values = self.list_of(name)
        if not all(isinstance(v, str) and len(v) <= longest for v in values):
            _refuse(self._what, f"{name!r} holds something other than text")
        return tuple(str(value) for value in values)

    def pairs(self, name: str, *, longest: int = 4096) -> tuple[tuple[str, str], ...]:
        """A list of pairs of strings."""
        found = []
        for value in self.list_of(name):
            if not (
                isinstance(value, list)
                and len(value) == 2
                and all(
                    isinstance(part, str) and len(part) <= longest for part in value
                )
            ):
                _refuse(
                    self._what, f"{name!r} holds something other than pairs of text"
                )
            found.append((str(value[0]), str(value[1])))
        return tuple(found)

    def object(self, name: str) -> Fields:
        """An object, to be read with its own `end`."""
        value = self._take(name)
        if not isinstance(value, dict):
            _refuse(self._what, f"{name!r} is not an object")
        return Fields(value, what=f"{self._what}.{name}")

    def optional_object(self, name: str) -> Fields | None:
        """An object or null."""
        return None if self._take(name) is None else self.object(name)

    def objects(self, name: str) -> list[Fields]:
        """A list of objects, each to be read with its own `end`."""
        values = self.list_of(name)
        found = []
        for position, value in enumerate(values):
            if not isinstance(value, dict):
                _refuse(self._what, f"{name}[{position}] is not an object")
            found.append(Fields(value, what=f"{self._what}.{name}[{position}]"))
        return found

    def end(self) -> None:
        """Refuse what was not read."""
        if len(self._read) == len(self._values):
            return
        for name in self._values:
            if name not in self._read:
                _refuse(self._what, f"the field {name!r} is unknown")


def _refuse(what: str, why: str) -> NoReturn:
    raise MalformedStatement(f"{what}: {why}")


def _nesting(data: bytes) -> int:
    """Deepest nesting of brackets outside strings."""
    deepest = depth = 0
    for token in _BRACKETS_AND_STRINGS.finditer(data):
        bracket = token.group()
        if bracket in _OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in _CLOSING:
            depth -= 1
    return deepest


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key.casefold() for key, _ in pairs}) != len(pairs):
        _refuse_repeated(pairs)
    return dict(pairs)


def _refuse_repeated(pairs: list[tuple[str, object]]) -> NoReturn:
    seen: set[str] = set()
    for key, _ in pairs:
        if key.casefold() in seen:
            raise ValueError(f"the key {key!r} stands twice")
        seen.add(key.casefold())
    raise ValueError("a key stands twice")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} must be written as a decimal string")


def _small_integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError("a number is too large")
    return int(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys,
    parse_constant=_no_constant,
    parse_float=_no_float,
    parse_int=_small_integer,
)
"""One for all: making it takes as long as decoding a short statement."""


def _refuse_surrogates(value: object, what: str) -> None:
    """Escapes such as \\ud800 pass the decoder; no text may hold them."""
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            _refuse(what, "text holds a lone surrogate")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_surrogates(key, what)
            _refuse_surrogates(inner, what)
    elif isinstance(value, list):
        for inner in value:
            _refuse_surrogates(inner, what)


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise MalformedStatement("a number must be a whole number or a decimal string")
    if isinstance(value, dict):
        for inner in value.values():
            _refuse_floats(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_floats(inner)
