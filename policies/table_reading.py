"""Reading declared tables of a TOML document; complaints name line and nearest word."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from policies.document import FieldValue
from policies.errors import MalformedPolicy
from policies.rules.forms import Field, Holds
from policies.strict_json import TIME_PATTERN

LONGEST_DAYS = 36_500
LONGEST_NUMBER = 40
Span = tuple[int, int]
"""The lines of a table: the first, and the one after the last, from 0."""


def read_toml(
    data: bytes, *, path: str, at_most: int, what: str
) -> tuple[dict[str, object], str]:
    """The values of a TOML document, and its text.

    Raises:
        MalformedPolicy: it is too large for `what`, or no TOML.
    """
    if len(data) > at_most:
        raise MalformedPolicy(f"it is too large for {what}", path=path)
    try:
        document = data.decode("utf-8")
        return tomllib.loads(document), document
    except UnicodeDecodeError as cause:
        raise MalformedPolicy("it is not UTF-8", path=path) from cause
    except (ValueError, RecursionError) as cause:
        line = re.search(r"line (\d+)", str(cause))
        raise MalformedPolicy(
            f"it is not TOML: {cause}", path=path, line=int(line[1]) if line else 0
        ) from cause


class TableReader:
    """Reads the tables of one document, knowing where each complaint belongs."""

    def __init__(self, text: str, path: str) -> None:
        self._lines = text.splitlines()
        self._path = path

    @property
    def everywhere(self) -> Span:
        """The whole document."""
        return 0, len(self._lines)

    def span(self, header: str, position: int = 0) -> Span:
        """Lines of the table with that header, the `position`-th of its kind."""
        starts = [
            number
            for number, line in enumerate(self._lines)
            if line.strip().split("#")[0].strip() == header
        ]
        start = starts[position] if header and position < len(starts) else 0
        later = (
            number
            for number, line in enumerate(self._lines)
            if number > start and line.lstrip().startswith("[")
        )
        return start, next(later, len(self._lines))

    def refuse(self, message: str, name: str, span: Span) -> NoReturn:
        """Refuse the document at the line of a field, or at the table's first.

        Raises:
            MalformedPolicy: always.
        """
        raise MalformedPolicy(
            message,
            path=self._path,
            line=self.line_of(name, span),
            hint="See docs/policies.md.",
        )

    def line_of(self, name: str, span: Span) -> int:
        """The line, from 1, that sets a field or opens a table; else the first."""
        for number in range(span[0], min(span[1], len(self._lines))):
            if name and self._names(number, name):
                return number + 1
        return span[0] + 1

    def _names(self, number: int, name: str) -> bool:
        """Whether a line sets a field, or opens a table, of that name."""
        word = rf"\"?{re.escape(name)}\"?"
        found = re.match(rf"\s*({word}\s*=|\[\[?{word}\]\]?)", self._lines[number])
        return found is not None

    def tables(self, raw: Mapping[str, object], name: str) -> list[dict[str, object]]:
        """The `[[name]]` tables of a document; none is an empty list."""
        found = raw.get(name, [])
        if not isinstance(found, list) or not all(
            isinstance(table, dict) for table in found
        ):
            self.refuse(
                f"{name} must be written as [[{name}]] tables", name, self.everywhere
            )
        return found

    def known(
        self, table: Mapping[str, object], allowed: Iterable[str], span: Span
    ) -> None:
        """Refuse a field that is none of those allowed."""
        names = list(allowed)
        for name in table:
            if name not in names:
                self.refuse(f"unknown field {name!r}{nearest(name, names)}", name, span)

    def fields(
        self,
        table: Mapping[str, object],
        declared: Mapping[str, Field],
        span: Span,
        *,
        of: str,
    ) -> dict[str, FieldValue]:
        """The declared fields that a table has, each read as declared."""
        found: dict[str, FieldValue] = {}
        for name, form in declared.items():
            if name in table:
                found[name] = self.value(table, name, form, span)
            elif form.is_needed:
                self.refuse(f"{of} needs {name!r}", "kind", span)
        return found

    def value(
        self, table: Mapping[str, object], name: str, form: Field, span: Span
    ) -> FieldValue:
        """One field, read as declared."""
        match form.holds:
            case Holds.COUNT:
                return self.count(table, name, span)
            case Holds.DAYS:
                return self._days(table, name, span)
            case Holds.FLAG:
                return self._flag(table, name, span)
            case Holds.LIST:
                return self._list(table, name, form, span)
            case Holds.NUMBER:
                return self._number(table, name, span)
            case Holds.TIME:
                return self._time(table, name, span)
            case _:
                return self._word(table, name, form, span)

    def text(self, table: Mapping[str, object], name: str, span: Span) -> str:
        """Text that is not empty."""
        if name not in table:
            self.refuse(f"{name!r} is missing", "", span)
        value = table[name]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self.refuse(
                f'{name} must be a decimal string: {name} = "{value}"', name, span
            )
        if not isinstance(value, str) or not value.strip():
            self.refuse(f"{name} must be text that is not empty", name, span)
        return value

    def count(self, table: Mapping[str, object], name: str, span: Span) -> int:
        """A whole number of 1 or more."""
        value = table.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.refuse(f"{name} must be a whole number of 1 or more", name, span)
        return value

    def _days(self, table: Mapping[str, object], name: str, span: Span) -> int:
        days = self.count(table, name, span)
        if days > LONGEST_DAYS:
            self.refuse(f"{name} must be at most {LONGEST_DAYS}", name, span)
        return days

    def _flag(self, table: Mapping[str, object], name: str, span: Span) -> bool:
        value = table.get(name)
        if not isinstance(value, bool):
            self.refuse(f"{name} must be true or false", name, span)
        return value

    def _number(self, table: Mapping[str, object], name: str, span: Span) -> str:
        text = self.text(table, name, span)
        try:
            is_number = Decimal(text).is_finite() and len(text) <= LONGEST_NUMBER
        except InvalidOperation:
            is_number = False
        if not is_number:
            self.refuse(f"{name} = {text!r} is not a decimal number", name, span)
        return text

    def _time(self, table: Mapping[str, object], name: str, span: Span) -> str:
        text = self.text(table, name, span)
        if not re.match(TIME_PATTERN, text):
            self.refuse(
                f"{name} must be a time in UTC as a string: "
                f'{name} = "2027-01-31T00:00:00Z"',
                name,
                span,
            )
        return text

    def _word(
        self, table: Mapping[str, object], name: str, form: Field, span: Span
    ) -> str:
        text = self.text(table, name, span)
        if form.choices and text not in form.choices:
            words = " or ".join(f'"{word}"' for word in form.choices)
            self.refuse(f"{name} must be {words}", name, span)
        return text

    def _list(
        self, table: Mapping[str, object], name: str, form: Field, span: Span
    ) -> tuple[str, ...]:
        value = table.get(name)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(entry, str) and entry for entry in value)
        ):
            self.refuse(f'{name} must be a list of texts: ["..."]', name, span)
        for entry in value:
            if form.choices and entry not in form.choices:
                near = nearest(entry, form.choices)
                self.refuse(f"{entry!r} is nothing for {name}{near}", name, span)
            if value.count(entry) > 1:
                self.refuse(f"{name} names {entry!r} twice", name, span)
        return tuple(value)


def nearest(word: str, known: Iterable[str]) -> str:
    """A question after the nearest known word, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
