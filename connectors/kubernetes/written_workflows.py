"""A Workflow as its controller writes it.

The controller of Argo writes a Workflow back whole, from types of its own: with empty
objects where nothing was said, numbers as text, quantities in their shortest form. Both
of what is compared are brought to one such form. Nothing that says anything is left
out: an empty object stays wherever it stands for a choice, as `suspend` and `emptyDir`
do, and what users name themselves is not looked into.
"""

from __future__ import annotations

import re
from decimal import Decimal

_EMPTY = ("arguments", "inputs", "metadata", "outputs", "resources", "status")
"""Objects that say nothing while they are empty."""
_UNSAID = ("key", "maxAge", "name")
"""Texts that say nothing while they are empty."""
_AS_GIVEN = (
    "annotations",
    "labels",
    "matchLabels",
    "nodeSelector",
    "withItems",
)
"""What users fill with names of their own."""
_AMOUNTS = ("limits", "requests")
"""Objects whose values are quantities."""
_QUANTITIES = ("divisor", "sizeLimit")
_TEXTS = ("default", "description", "value")
"""Of a parameter: what may be written as a number or a truth value, and is text."""
_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]{1,2})?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def as_written(value: object, within: str = "", above: str = "") -> object:
    """A copy of a part of a Workflow, in the form in which all that says the same is
    the same. `within` is the field that it stands in, and `above` the one above."""
    if isinstance(value, list):
        if within == "steps":
            # Groups are lists; one of a single step may stand without.
            groups = [one if isinstance(one, list) else [one] for one in value]
            return [as_written(one, "group", within) for one in groups]
        return [as_written(one, within, above) for one in value]
    if not isinstance(value, dict):
        return value
    if within in _AMOUNTS:
        return {key: _amount(one) for key, one in value.items()}
    made: dict[str, object] = {}
    for key, one in value.items():
        if one is None:
            continue
        written = _field(key, one, within, above)
        if not _says_nothing(key, written, within):
            made[key] = written
    return made


def _field(key: str, one: object, within: str, above: str) -> object:
    if key in _AS_GIVEN:
        return one
    if key in _QUANTITIES:
        return _amount(one)
    is_of_parameter = "parameters" in (within, above)
    if is_of_parameter and key == "enum" and isinstance(one, list):
        return [_text(each) for each in one]
    if is_of_parameter and key in _TEXTS:
        return _text(one)
    return as_written(one, key, within)


def _says_nothing(key: str, one: object, within: str) -> bool:
    if key in _EMPTY and one == {}:
        return True
    if one == "":
        return key in _UNSAID or (within, key) == ("env", "value")
    return (key, one) == ("divisor", "0")


def _text(value: object) -> object:
    """As the controller writes what may be text, a number or a truth value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        # It reads every number as one of 64 bits.
        text = format(Decimal(repr(float(value))), "f")
        return text.removesuffix(".0")
    return value


def _amount(value: object) -> object:
    """A quantity as a plain number, however it is written; else what stands there."""
    said = str(value) if isinstance(value, int | float) else value
    found = _QUANTITY.fullmatch(said) if isinstance(said, str) else None
    if found is None or isinstance(value, bool):
        return value
    number, unit = Decimal(found[1]), found[2] or ""
    if unit in _BINARY:
        number *= 1024 ** (_BINARY.index(unit) + 1)
    elif unit == "E":
        number = number.scaleb(18)
    elif unit:
        number = number.scaleb(_DECIMAL[unit] if unit in _DECIMAL else int(unit[1:]))
    return format(number.normalize(), "f")
