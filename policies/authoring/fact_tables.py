"""Facts written as tables: read by the declarations of what they become.

A new item of evidence, or a new field of a vote or of the context, can be written in
a case as soon as it is declared.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from policies.errors import MalformedStatement
from policies.evidence import KINDS, Evidence, Item, item_bytes
from policies.predicates.forms import JsonSchema, object_schema, read_declared
from policies.rules.forms import Field, Holds, flag, text, time, words
from policies.strict_json import Fields, parse
from policies.table_reading import nearest

Declared = TypeVar("Declared")
Refuse = Callable[[str, str], NoReturn]
"""Refuses with a message, at the line of a named field."""
ReadField = Callable[[Mapping[str, object], str, Field], object]
Table = Mapping[str, object]


def changed_evidence(
    evidence: Evidence, kind: str, changes: Table, refuse: Refuse
) -> Evidence:
    """Evidence with some fields of one item written anew.

    Raises:
        MalformedPolicy: there is no such item or field, or a value is not of its form.
    """
    items, forms = evidence.items(), _forms(kind, refuse)
    for name, value in changes.items():
        if name not in forms:
            refuse(f"{name!r} is no field of {kind}{nearest(name, forms)}", name)
        items[kind] = _with_field(items[kind], name, value, forms[name], refuse)
    return Evidence.of(items)


def forgotten(evidence: Evidence, kind: str, field: str, refuse: Refuse) -> Evidence:
    """Evidence in which one field of an item was not recorded.

    Raises:
        MalformedPolicy: there is no such item or field.
    """
    forms = _forms(kind, refuse)
    lacking = _empty(forms[field]) if field in forms else None
    return changed_evidence(evidence, kind, {field: lacking}, refuse)


def _forms(kind: str, refuse: Refuse) -> dict[str, JsonSchema]:
    declared = KINDS.get(kind)
    if declared is None:
        refuse(f"{kind!r} is no item of evidence{nearest(kind, KINDS)}", kind)
    properties: dict[str, JsonSchema] = object_schema(declared)["properties"]
    return properties


def _with_field(
    item: Item, name: str, value: object, form: JsonSchema, refuse: Refuse
) -> Item:
    try:
        plain = parse(item_bytes(item), what=name)
    except MalformedStatement as cause:
        refuse(str(cause), name)
    assert isinstance(plain, dict)  # noqa: S101 - an item is written as an object
    plain.pop("schema")
    plain[name] = _filled(form, value, plain.get(name))
    try:
        return read_declared(type(item), Fields(plain, what=name))
    except (MalformedStatement, TypeError) as cause:
        refuse(f"{name} is not of its form: {cause}", name)


def _filled(form: JsonSchema, value: object, before: object = None) -> object:
    """A value with what was left out of its objects: as it was, or not recorded."""
    if isinstance(value, dict) and form.get("type") == "object":
        known = before if isinstance(before, dict) else {}
        return {
            name: _filled(part, value[name], known.get(name))
            if name in value
            else known.get(name, _empty(part))
            for name, part in form["properties"].items()
        } | {name: value[name] for name in value if name not in form["properties"]}
    if isinstance(value, list) and form.get("type") == "array":
        return [_filled(form["items"], one) for one in value]
    return value


def _empty(form: JsonSchema) -> object:
    kind = form.get("type", "string")
    if isinstance(kind, list):
        return None
    if kind == "object":
        return _filled(form, {})
    return {"array": [], "integer": 0, "boolean": False}.get(kind, "")


def changed_record(
    record: Declared, changes: Table, read: ReadField, refuse: Refuse
) -> Declared:
    """A dataclass of plain fields with some of them written anew.

    Raises:
        MalformedPolicy: there is no such field, or a value is not of its form.
    """
    declared = declared_fields(type(record))
    values: dict[str, Any] = {}
    for name in changes:
        if name not in declared:
            refuse(f"unknown field {name!r}{nearest(name, declared)}", name)
        field, make = declared[name]
        value = changes[name]
        is_none = value == [] and field.holds is Holds.LIST
        read_value = () if is_none else read(changes, name, field)
        try:
            values[name] = make(read_value)
        except ValueError as cause:
            refuse(f"{name} = {value!r} is not possible: {cause}", name)
    return dataclasses.replace(record, **values)  # type: ignore[type-var]


def declared_fields(
    declared: type,
) -> dict[str, tuple[Field, Callable[[Any], object]]]:
    """The fields of a dataclass that a table can write, and what makes their values."""
    hints = typing.get_type_hints(declared)
    found = {
        part.name: _writable(hints[part.name]) for part in dataclasses.fields(declared)
    }
    return {name: way for name, way in found.items() if way is not None}


def moment(text_of_time: str) -> datetime:
    """A time that was read as declared.

    Raises:
        ValueError: there is no such day.
    """
    return datetime.strptime(text_of_time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _writable(hint: Any) -> tuple[Field, Callable[[Any], object]] | None:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        parts = [p for p in typing.get_args(hint) if p is not types.NoneType]
        return _writable(parts[0]) if len(parts) == 1 else None
    if hint is str:
        return text(), str
    if hint is bool:
        return flag(), bool
    if hint is int:
        return Field(Holds.COUNT), int
    if hint is datetime:
        return time(), moment
    if typing.get_args(hint)[:1] == (str,):
        made = typing.get_origin(hint)
        return (words(), made) if made in (tuple, frozenset) else None
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return text(*(choice.value for choice in hint)), hint
    return None
