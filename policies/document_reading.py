"""Reading a policy document: every complaint says file, line and the nearest word."""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from policies.document import (
    _COUNT,
    _LIST,
    _NUMBER,
    PROVENANCE,
    RULE_FIELDS,
    SCHEMA,
    Applies,
    FieldValue,
    Policy,
    Quorum,
    Rule,
)
from policies.errors import MalformedPolicy

LARGEST_POLICY_BYTES = 256 * 1024


LONGEST_DAYS = 36_500
_CHOICES = {
    "better": ("higher", "lower"),
    "first_promotion": ("allow", "refuse"),
}


def read_policy(data: bytes, *, path: str = "policy") -> Policy:
    """Read a policy document.

    Raises:
        MalformedPolicy: with file, line and what is wrong.
    """
    if len(data) > LARGEST_POLICY_BYTES:
        raise MalformedPolicy("it is too large for a policy", path=path)
    try:
        text = data.decode("utf-8")
        raw = tomllib.loads(text)
    except UnicodeDecodeError as cause:
        raise MalformedPolicy("it is not UTF-8", path=path) from cause
    except (ValueError, RecursionError) as cause:
        line = re.search(r"line (\d+)", str(cause))
        raise MalformedPolicy(
            f"it is not TOML: {cause}", path=path, line=int(line[1]) if line else 0
        ) from cause
    return _Reader(raw, text, path).policy(hashlib.sha256(data).hexdigest())


class _Reader:
    """Reads one document, knowing where each complaint belongs."""

    def __init__(self, raw: dict[str, object], text: str, path: str) -> None:
        self._raw = raw
        self._lines = text.splitlines()
        self._path = path

    def policy(self, digest: str) -> Policy:
        self._known(
            self._raw,
            ("schema", "id", "version", "description", "applies", "rules", "approvals"),
            self._span("", 0),
        )
        everywhere = (0, len(self._lines))
        if self._raw.get("schema") != SCHEMA:
            self._refuse(f'schema must be "{SCHEMA}"', "schema", everywhere)
        identity = self._text(self._raw, "id", everywhere)
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", identity):
            self._refuse("id must be a-z, 0-9, . _ -", "id", everywhere)
        version = self._count(self._raw, "version", everywhere)
        rules = tuple(
            self._rule(table, position)
            for position, table in enumerate(self._tables("rules"))
        )
        quorums = tuple(
            self._quorum(table, position)
            for position, table in enumerate(self._tables("approvals"))
        )
        names = [rule.id for rule in rules]
        for name in names:
            if names.count(name) > 1:
                self._refuse(f"two rules have the id {name!r}", "rules", everywhere)
        if not rules or not quorums:
            self._refuse(
                "a policy has at least one [[rules]] and one [[approvals]]",
                "",
                everywhere,
            )
        return Policy(
            id=identity,
            version=version,
            description=self._text(self._raw, "description", everywhere),
            applies=self._applies(),
            rules=rules,
            quorums=quorums,
            digest=digest,
        )

    def _applies(self) -> Applies:
        span = self._span("[applies]", 0)
        table = self._raw.get("applies")
        if not isinstance(table, dict):
            self._refuse("the table [applies] is missing", "", (0, 1))
        self._known(table, ("models", "to", "environments"), span)
        return Applies(
            models=self._list(table, "models", span),
            to=self._list(table, "to", span),
            environments=self._list(table, "environments", span)
            if "environments" in table
            else ("*",),
        )

    def _rule(self, table: dict[str, object], position: int) -> Rule:
        span = self._span("[[rules]]", position)
        kind = self._text(table, "kind", span)
        if kind not in RULE_FIELDS:
            near = _nearest(kind, RULE_FIELDS)
            self._refuse(f"{kind!r} is no kind of rule{near}", "kind", span)
        allowed = RULE_FIELDS[kind]
        self._known(table, ("id", "kind", "why", *allowed), span)
        fields: dict[str, FieldValue] = {}
        for name, (holds, is_needed) in allowed.items():
            if name in table:
                fields[name] = self._value(table, name, holds, span)
            elif is_needed:
                self._refuse(f"a rule of kind {kind!r} needs {name!r}", "kind", span)
        if kind == "metric" and not {"at_least", "at_most"} & fields.keys():
            self._refuse("a metric rule needs at_least or at_most", "kind", span)
        if kind == "provenance":
            self._check_requirements(fields, span)
        return Rule(
            self._text(table, "id", span),
            kind,
            self._text(table, "why", span) if "why" in table else "",
            fields,
        )

    def _check_requirements(
        self, fields: dict[str, FieldValue], span: tuple[int, int]
    ) -> None:
        required = fields["require"]
        for name in required if isinstance(required, tuple) else ():
            if name not in PROVENANCE:
                near = _nearest(name, PROVENANCE)
                self._refuse(f"{name!r} is nothing to require{near}", "require", span)
        if not required:
            self._refuse("require is empty", "require", span)

    def _quorum(self, table: dict[str, object], position: int) -> Quorum:
        span = self._span("[[approvals]]", position)
        self._known(table, ("role", "count", "exclude", "expires_after_days"), span)
        exclude = self._list(table, "exclude", span) if "exclude" in table else ()
        for name in exclude:
            if name not in ("requester", "trainer", "author"):
                near = _nearest(name, ("requester", "trainer", "author"))
                self._refuse(f"{name!r} cannot be excluded{near}", "exclude", span)
        return Quorum(
            role=self._text(table, "role", span),
            count=self._count(table, "count", span),
            exclude=tuple(name for name in exclude if name != "requester"),
            expires_after_days=self._days(table, "expires_after_days", span)
            if "expires_after_days" in table
            else 90,
        )

    def _value(
        self, table: dict[str, object], name: str, holds: str, span: tuple[int, int]
    ) -> FieldValue:
        if holds == _COUNT:
            return self._count(table, name, span)
        if holds == _LIST:
            return self._list(table, name, span)
        text = self._text(table, name, span)
        if holds == _NUMBER:
            self._check_number(text, name, span)
        if name in _CHOICES and text not in _CHOICES[name]:
            words = " or ".join(f'"{word}"' for word in _CHOICES[name])
            self._refuse(f"{name} must be {words}", name, span)
        return text

    def _check_number(self, text: str, name: str, span: tuple[int, int]) -> None:
        try:
            is_number = Decimal(text).is_finite() and len(text) <= 40
        except InvalidOperation:
            is_number = False
        if not is_number:
            self._refuse(f"{name} = {text!r} is not a decimal number", name, span)

    def _tables(self, name: str) -> list[dict[str, object]]:
        tables = self._raw.get(name, [])
        if not isinstance(tables, list) or not all(
            isinstance(table, dict) for table in tables
        ):
            self._refuse(f"{name} must be written as [[{name}]] tables", name, (0, 0))
        return tables

    def _text(
        self, table: Mapping[str, object], name: str, span: tuple[int, int]
    ) -> str:
        if name not in table:
            self._refuse(f"{name!r} is missing", "", span)
        value = table[name]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self._refuse(
                f'{name} must be a decimal string: {name} = "{value}"', name, span
            )
        if not isinstance(value, str) or not value.strip():
            self._refuse(f"{name} must be text that is not empty", name, span)
        return value

    def _count(
        self, table: Mapping[str, object], name: str, span: tuple[int, int]
    ) -> int:
        value = table.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self._refuse(f"{name} must be a whole number of 1 or more", name, span)
        return value

    def _days(
        self, table: Mapping[str, object], name: str, span: tuple[int, int]
    ) -> int:
        days = self._count(table, name, span)
        if days > LONGEST_DAYS:
            self._refuse(f"{name} must be at most {LONGEST_DAYS}", name, span)
        return days

    def _list(
        self, table: Mapping[str, object], name: str, span: tuple[int, int]
    ) -> tuple[str, ...]:
        value = table.get(name)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(entry, str) and entry for entry in value)
        ):
            self._refuse(f'{name} must be a list of texts: ["..."]', name, span)
        return tuple(value)

    def _known(
        self,
        table: Mapping[str, object],
        allowed: Sequence[str],
        span: tuple[int, int],
    ) -> None:
        for name in table:
            if name not in allowed:
                near = _nearest(name, allowed)
                self._refuse(f"unknown field {name!r}{near}", name, span)

    def _span(self, header: str, position: int) -> tuple[int, int]:
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

    def _refuse(self, message: str, name: str, span: tuple[int, int]) -> NoReturn:
        line = span[0] + 1
        for number in range(span[0], min(span[1], len(self._lines))):
            if name and re.match(
                rf"\s*\"?{re.escape(name)}\"?\s*=", self._lines[number]
            ):
                line = number + 1
                break
        raise MalformedPolicy(
            message, path=self._path, line=line, hint="See docs/policies.md."
        )


def _nearest(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
