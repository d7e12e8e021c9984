"""What a kind of rule is: its fields, what it asks for in words, and its judge.

A kind is declared once, beside its judge. The reader of policies, the schema, the
documentation's test, `policy explain` and the evaluation all follow the declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from policies.document import FieldValue, Rule
from policies.evidence import Evidence
from policies.rules.context import Context
from policies.verdict import Node


class Holds(StrEnum):
    """What a field of a policy may hold."""

    TEXT = "text"
    NUMBER = "number"
    """A finite decimal number, as a string."""
    COUNT = "count"
    """A whole number of 1 or more."""
    DAYS = "days"
    """A whole number of days, of 1 or more."""
    FLAG = "flag"
    """true or false."""
    TIME = "time"
    """RFC 3339 in UTC, as a string."""
    LIST = "list"
    """A list of texts that is not empty."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table in a policy."""

    holds: Holds
    is_needed: bool = False
    choices: tuple[str, ...] = ()
    """The only words it, or each entry of a list, may be; empty: any."""


def _no_complaint(_: Mapping[str, FieldValue]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class RuleKind:
    """One kind of rule. Exactly one of the two judges is given."""

    name: str
    fields: Mapping[str, Field]
    asks: Callable[[Rule], str]
    """What would have to be true, in words that a committee reads."""
    on_evidence: Callable[[Rule, Evidence], Node] | None = None
    """Judges frozen evidence alone: its verdict is part of the text that is signed."""
    at_position: Callable[[Rule, Evidence, Context], Node] | None = None
    """Judges what the log held at a position, or the time: judged anew each time, and
    never part of the text that is signed."""
    can_be_waived: bool = True
    complaint: Callable[[Mapping[str, FieldValue]], str] = field(default=_no_complaint)
    """What is wrong with the fields taken together, or empty."""


def text(*choices: str, needed: bool = False) -> Field:
    """A field of text."""
    return Field(Holds.TEXT, needed, choices)


def number(*, needed: bool = False) -> Field:
    """A field with a decimal number."""
    return Field(Holds.NUMBER, needed)


def count(*, needed: bool = False) -> Field:
    """A field with a whole number."""
    return Field(Holds.COUNT, needed)


def days(*, needed: bool = False) -> Field:
    """A field with a number of days."""
    return Field(Holds.DAYS, needed)


def flag(*, needed: bool = False) -> Field:
    """A field that is true or false."""
    return Field(Holds.FLAG, needed)


def time(*, needed: bool = False) -> Field:
    """A field with a time."""
    return Field(Holds.TIME, needed)


def words(*choices: str, needed: bool = False) -> Field:
    """A field with a list."""
    return Field(Holds.LIST, needed, choices)
