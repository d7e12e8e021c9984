"""Reading a launch plan back from the bytes that were shown, stored and digested."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, TypeVar

from connectors.errors import MalformedInput
from connectors.parsing import parse_json, well_formed
from connectors.pipelines.protocols import ADDED_FIELDS, LaunchPlan

SCHEMA = "countersign/launch-plan/v1"
LARGEST_PLAN_BYTES = 4 * 1024**2
Declared = TypeVar("Declared")


class KeepsPlans(Protocol):
    """Keeps the bytes of plans, by their SHA-256."""

    def put(self, data: bytes) -> str:
        """Keep them; their digest."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes of a digest.

        Raises:
            ConnectorError: they are not there.
        """
        ...


def read_plan(data: bytes) -> LaunchPlan:
    """Read a plan.

    Raises:
        MalformedInput: it is none, or not byte for byte as a plan is written.
    """
    if len(data) > LARGEST_PLAN_BYTES:
        raise MalformedInput("the launch plan is too large")
    raw = parse_json(data, "the launch plan")
    with well_formed("the launch plan"):
        if raw.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        plan = _read(LaunchPlan, {name: [] for name in ADDED_FIELDS} | raw)
    if plan.to_bytes() != data:
        raise MalformedInput("the launch plan is not as plans are written")
    return plan


def _read(declared: type[Declared], raw: Any) -> Declared:
    forms = _forms(typing.cast(Any, declared))
    if raw.keys() != forms.keys():
        raise ValueError("other fields")
    return declared(**{name: _value(form, raw[name]) for name, form in forms.items()})


@functools.cache
def _forms(declared: Any) -> Mapping[str, Any]:
    """The form of each field; finding it out takes longer than reading a plan."""
    hints = typing.get_type_hints(declared)
    return {field.name: hints[field.name] for field in fields(declared)}


def _value(form: Any, raw: Any) -> Any:
    if is_dataclass(form):
        return _read(form, raw)  # type: ignore[arg-type]  # a class, by its form
    if typing.get_origin(form) is tuple:
        if not isinstance(raw, list):
            raise TypeError("no list")
        inner = typing.get_args(form)
        if inner[-1] is Ellipsis:
            return tuple(_value(inner[0], one) for one in raw)
        return tuple(_value(part, one) for part, one in zip(inner, raw, strict=True))
    allowed = typing.get_args(form) if isinstance(form, types.UnionType) else (form,)
    if type(raw) not in allowed:
        raise TypeError(f"{raw!r:.40} is no {form}")
    return raw


def place_name(server: str, namespace: str) -> str:
    """What a server and a namespace of it are called together."""
    return f"{server}/namespaces/{namespace}"
