"""Forms of fields: how one is read strictly, and how JSON Schema says the same.

A predicate is a dataclass whose annotations carry these forms, so that the reader, the
writer and the published schema all come from one declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar

from policies.strict_json import LARGEST_INTEGER, TIME_PATTERN, Fields

JsonSchema = dict[str, Any]
Declared = TypeVar("Declared")
_NAMES = {"from_stage": "from", "to_stage": "to"}
"""Where Python's name of a field is not the one that is signed."""
_SHA256 = "^[0-9a-f]{64}$"


class Form(NamedTuple):
    """One kind of field."""

    read: Callable[[Fields, str], object]
    schema: Mapping[str, Any]


class Field(NamedTuple):
    """One field of a predicate."""

    attribute: str
    name: str
    """As it is signed."""
    form: Form


_FIELDS: dict[type, tuple[Field, ...]] = {}


def _text(longest: int, *, least: int = 0) -> Form:
    schema: JsonSchema = {"type": "string", "maxLength": longest}
    if least:
        schema["minLength"] = least
        return Form(lambda fields, name: fields.filled_text(name, longest), schema)
    return Form(lambda fields, name: fields.text(name, longest), schema)


def _identifier(longest: int) -> Form:
    return Form(
        lambda fields, name: fields.identifier(name, longest=longest),
        {
            "type": "string",
            "maxLength": longest,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._@/-]*$",
        },
    )


def _whole(least: int) -> Form:
    return Form(
        lambda fields, name: fields.integer(name, least=least),
        {"type": "integer", "minimum": least, "maximum": LARGEST_INTEGER},
    )


def _texts(longest: int) -> Form:
    return Form(
        lambda fields, name: fields.texts(name, longest=longest),
        {"type": "array", "items": {"type": "string", "maxLength": longest}},
    )


Digest = Annotated[
    str,
    Form(
        lambda fields, name: fields.digest(name), {"type": "string", "pattern": _SHA256}
    ),
]
"""A SHA-256 in lower-case hex."""
OptionalDigest = Annotated[
    str,
    Form(
        lambda fields, name: fields.optional_digest(name),
        {"type": "string", "pattern": "^([0-9a-f]{64})?$"},
    ),
]
"""A SHA-256 in lower-case hex, or an empty string."""
Key = Annotated[str, _text(2048, least=1)]
"""The key of a model or a model version (store.identifiers)."""
OptionalKey = Annotated[str, _text(2048)]
Name = Annotated[str, _text(128, least=1)]
OptionalName = Annotated[str, _text(128)]
LongName = Annotated[str, _text(256, least=1)]
OptionalLongName = Annotated[str, _text(256)]
Note = Annotated[str, _text(512)]
"""A short line that a program wrote."""
Time = Annotated[
    str,
    Form(
        lambda fields, name: fields.time(name),
        {"type": "string", "pattern": TIME_PATTERN},
    ),
]
"""RFC 3339 in UTC to the second."""
OptionalTime = Annotated[
    str,
    Form(
        lambda fields, name: fields.optional_time(name),
        {"type": "string", "pattern": f"^({TIME_PATTERN[1:-1]})?$"},
    ),
]
"""RFC 3339 in UTC to the second, or an empty string."""
Text = Annotated[str, _text(4096)]
"""Whatever a source said."""
Flag = Annotated[
    bool, Form(lambda fields, name: fields.flag(name), {"type": "boolean"})
]
OptionalFlag = Annotated[
    bool | None,
    Form(
        lambda fields, name: fields.optional_flag(name), {"type": ["boolean", "null"]}
    ),
]
Encoded = Annotated[str, _text(1024, least=1)]
"""Base64."""
Identifier = Annotated[str, _identifier(128)]
"""A name for machines: ASCII letters, digits and . _ @ / - only."""
RoleName = Annotated[str, _identifier(64)]
Count = Annotated[int, _whole(0)]
Version = Annotated[int, _whole(1)]
OptionalCount = Annotated[
    int | None,
    Form(
        lambda fields, name: fields.optional_integer(name),
        {"type": ["integer", "null"], "minimum": 0, "maximum": LARGEST_INTEGER},
    ),
]
Names = Annotated[tuple[str, ...], _texts(256)]
ShortNames = Annotated[tuple[str, ...], _texts(128)]
Texts = Annotated[tuple[str, ...], _texts(4096)]
Pairs = Annotated[
    tuple[tuple[str, str], ...],
    Form(
        lambda fields, name: fields.pairs(name),
        {
            "type": "array",
            "items": {
                "type": "array",
                "items": {"type": "string", "maxLength": 4096},
                "minItems": 2,
                "maxItems": 2,
            },
        },
    ),
]
"""Names with their values."""


def fields_of(declared: type) -> tuple[Field, ...]:
    """The fields of a predicate or a part of one, in the order they are declared."""
    known = _FIELDS.get(declared)
    if known is None:
        known = tuple(
            Field(attribute, _NAMES.get(attribute, attribute), _form_of(annotation))
            for attribute, annotation in declared.__annotations__.items()
        )
        _FIELDS[declared] = known
    return known


def _form_of(annotation: Any) -> Form:
    metadata = getattr(annotation, "__metadata__", None)
    if metadata:
        form = metadata[0]
        assert isinstance(form, Form)  # noqa: S101 - a declaration, not data
        return form
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return Form(
            lambda fields, name: fields.choice(name, annotation),
            {"type": "string", "enum": [choice.value for choice in annotation]},
        )
    if hasattr(annotation, "__dataclass_fields__"):
        return Form(
            lambda fields, name: read_declared(annotation, fields.object(name)),
            object_schema(annotation),
        )
    part = annotation.__args__[0]
    return Form(
        lambda fields, name: tuple(
            read_declared(part, one) for one in fields.objects(name)
        ),
        {"type": "array", "items": object_schema(part)},
    )


def read_declared(declared: type[Declared], fields: Fields) -> Declared:
    """Read an object of exactly the declared fields.

    Raises:
        MalformedStatement: a field is missing, unknown or not of its form.
    """
    made = read_fields(declared, fields)
    fields.end()
    return made


def read_fields(declared: type[Declared], fields: Fields) -> Declared:
    """Read the declared fields and leave others to the caller.

    Raises:
        MalformedStatement: a field is missing or not of its form.
    """
    values = {
        field.attribute: field.form.read(fields, field.name)
        for field in fields_of(declared)
    }
    return declared(**values)


def to_json(declared: object) -> dict[str, object]:
    """The fields of a predicate or a part of one, as they are signed."""
    return {
        field.name: _plain(getattr(declared, field.attribute))
        for field in fields_of(type(declared))
    }


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return to_json(value)
    return value.value if isinstance(value, StrEnum) else value


def object_schema(declared: type, **more: JsonSchema) -> JsonSchema:
    """JSON Schema of a declared object; `more` are properties beside its own."""
    properties = more | {
        field.name: dict(field.form.schema) for field in fields_of(declared)
    }
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }
