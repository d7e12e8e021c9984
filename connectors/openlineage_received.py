"""OpenLineage events that were sent here: checked, without secrets, told as facts.

What stands here knows nothing of HTTP or of where the events wait in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from connectors.errors import MalformedInput
from connectors.openlineage import OpenLineageSource
from connectors.openlineage_parsing import (
    canonical,
    elements,
    events_of_document,
    members,
    plain_json,
    raw_event,
    value_of,
)
from connectors.openlineage_parts import Remembered
from connectors.openlineage_secrets import NAMING, redacted

_LISTS = ("inputs", "outputs")


class ReceivedEvents(OpenLineageSource):
    """Events as they were kept, in the order in which they came."""

    def __init__(self, name: str, kept: Iterable[bytes], *, runs_of: str = "") -> None:
        super().__init__(name, Path(), runs_of=runs_of)
        self._kept = kept

    def _events(self) -> Iterator[tuple[str, bytes]]:
        for number, data in enumerate(self._kept, start=1):
            yield f"event {number}", data


class Reception:
    """Looks at events as they come; knows again what was in earlier ones."""

    def __init__(self) -> None:
        self._source = OpenLineageSource("check", Path())
        self._clean = Remembered[tuple[str, str]]()

    def accepted_event(self, data: bytes) -> bytes:
        """The event without secrets, the same whatever the order of its members.

        Raises:
            MalformedInput: it is of no use: no UUID, no job, or nested too deeply.
        """
        data = plain_json(data, "the event")
        self._source.understand(raw_event(data, "the event"))
        given = members(data)
        if any(name in given for name in NAMING):
            return canonical(redacted(value_of(data))).encode()
        told = dict(self._member(name, part) for name, part in given.items())
        return "".join(
            ("{", ",".join(f"{name}:{told[name]}" for name in sorted(told)), "}")
        ).encode()

    def _member(self, name: str, part: bytes) -> tuple[str, str]:
        """The name and the value of a member of an event, as they are kept."""
        parts = elements(part) if name in _LISTS else None
        if parts is None:
            return self._kept(name, part)
        listed = ",".join(self._kept("", inner)[1] for inner in parts)
        return canonical(name), f"[{listed}]"

    def _kept(self, name: str, part: bytes) -> tuple[str, str]:
        key = b"%b:%b" % (name.encode(), part)
        known = self._clean.pieces.get(key)
        if known is None:
            depth = 0 if name else 1
            ((clean, value),) = redacted({name: value_of(part)}, depth).items()
            known = self._clean.keep(key, (canonical(clean), canonical(value)))
        return known


def listed_events(data: bytes) -> list[bytes]:
    """The events of a list, unread.

    Raises:
        MalformedInput: it is no list.
    """
    if not data.lstrip()[:1] == b"[":
        raise MalformedInput("the body is no list of events")
    return events_of_document(data, "the body")
