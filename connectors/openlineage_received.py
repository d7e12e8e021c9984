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
    events_of_document,
    raw_event,
    value_of,
)
from connectors.openlineage_secrets import redacted


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

    def accepted_event(self, data: bytes) -> bytes:
        """The event without secrets, the same whatever the order of its members.

        Raises:
            MalformedInput: it is of no use: no UUID, no job, or nested too deeply.
        """
        self._source.understand(raw_event(data, "the event"))
        return canonical(redacted(value_of(data))).encode()


def listed_events(data: bytes) -> list[bytes]:
    """The events of a list, unread.

    Raises:
        MalformedInput: it is no list.
    """
    if not data.lstrip()[:1] == b"[":
        raise MalformedInput("the body is no list of events")
    return events_of_document(data, "the body")
