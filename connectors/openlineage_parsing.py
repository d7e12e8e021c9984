"""An event taken apart without reading more of it than is needed.

Its parts stay bytes until somebody asks for what they say, so that what repeats from
event to event is read once. What the fast parser does not take goes through the one of
the standard library, whose verdict counts.
"""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.errors import MalformedInput
from connectors.parsing import parse_json

_ABSENT = msgspec.Raw()


class RawEvent(msgspec.Struct, gc=False):
    """The parts of an event that are of use, as they stand in it; empty if absent."""

    run: msgspec.Raw = _ABSENT
    job: msgspec.Raw = _ABSENT
    dataset: msgspec.Raw = _ABSENT
    inputs: msgspec.Raw = _ABSENT
    outputs: msgspec.Raw = _ABSENT
    eventTime: msgspec.Raw = _ABSENT
    eventType: msgspec.Raw = _ABSENT
    producer: msgspec.Raw = _ABSENT
    schemaURL: msgspec.Raw = _ABSENT


_EVENT = msgspec.json.Decoder(RawEvent)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE = msgspec.json.Decoder()
_NOT_TAKEN = (msgspec.MsgspecError, UnicodeError, RecursionError)


def raw_event(data: bytes, what: str) -> RawEvent:
    """The parts of one event.

    Raises:
        MalformedInput: it is not JSON, or no object.
    """
    try:
        data.decode()
        return _EVENT.decode(data)
    except _NOT_TAKEN:
        value = _checked_value(data, what)
        if not isinstance(value, dict):
            raise MalformedInput(f"{what} is not a JSON object") from None
        return _EVENT.decode(msgspec.json.encode(value))


def plain_json(data: bytes, what: str) -> bytes:
    """The same JSON, written anew where only the slow parser takes it.

    Raises:
        MalformedInput: it is not JSON.
    """
    try:
        data.decode()
        _OBJECT.decode(data)
        return data
    except _NOT_TAKEN:
        return msgspec.json.encode(_checked_value(data, what))


def events_of_document(data: bytes, what: str) -> list[bytes]:
    """The one event of a document, or those that it lists.

    Raises:
        MalformedInput: it is not JSON, or goes on behind its end.
    """
    try:
        data.decode()
        parts = elements(data)
        if parts is not None:
            return parts
        msgspec.json.decode(data, type=msgspec.Raw)
        return [data]
    except _NOT_TAKEN:
        value = _checked_value(data, what)
        listed = value if isinstance(value, list) else [value]
        return [msgspec.json.encode(one) for one in listed]


def value_of(part: bytes) -> Any:
    """What a part of an event says.

    Raises:
        MalformedInput: it is nested too deeply, or holds a number that is none.
    """
    try:
        return _VALUE.decode(part)
    except _NOT_TAKEN:
        return _checked_value(part, "a part of the event")


def members(part: bytes) -> dict[str, bytes]:
    """The members of an object, unread; none of what is no object."""
    if not part:
        return {}
    try:
        return {name: bytes(raw) for name, raw in _OBJECT.decode(part).items()}
    except msgspec.MsgspecError:
        return {}


def elements(part: bytes) -> list[bytes] | None:
    """The elements of a list, unread; None of what is no list."""
    try:
        return [bytes(raw) for raw in _LIST.decode(part)]
    except msgspec.ValidationError:
        return None


def canonical(value: object) -> str:
    """A value as JSON text, the same whatever the order in which it was told."""
    return msgspec.json.encode(value, order="sorted").decode()


def _checked_value(data: bytes, what: str) -> Any:
    """A value by the standard library; numbers that JSON does not have become null."""
    value = parse_json(data, what)
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (*_NOT_TAKEN, TypeError, ValueError) as cause:
        raise MalformedInput(f"{what} is not JSON") from cause
