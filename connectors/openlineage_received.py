"""OpenLineage events that were sent here: checked, without secrets, told as facts.

What stands here knows nothing of HTTP or of where the events wait in between.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from connectors.errors import MalformedInput
from connectors.openlineage import OpenLineageSource
from connectors.openlineage_facets import REDACTED, is_secret_name, text_without_secrets
from connectors.parsing import parse_json, well_formed

DEEPEST = 64
"""Levels of nesting in an event; what goes deeper is refused."""
_NAMING = ("name", "key", "field")
_VALUED = ("value", "defaultValue")


class ReceivedEvents(OpenLineageSource):
    """Events as they were kept, in the order in which they came."""

    def __init__(self, name: str, kept: Iterable[bytes], *, runs_of: str = "") -> None:
        super().__init__(name, Path(), runs_of=runs_of)
        self._kept = kept

    def _events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, data in enumerate(self._kept, start=1):
            event = parse_json(data, f"event {number}")
            yield f"event {number}", event


def accepted_event(event: object) -> tuple[str, bytes]:
    """The run that an event is about, or empty, and its bytes without secrets.

    Raises:
        MalformedInput: it is of no use: no UUID, no job, or nested too deeply.
    """
    if not isinstance(event, dict):
        raise MalformedInput("an event is a JSON object")
    with well_formed("the event"):
        OpenLineageSource("check", Path()).check(event)
        clean = _without_secrets(event, 0)
        data = json.dumps(clean, sort_keys=True, separators=(",", ":")).encode()
        run = event["run"]["runId"] if "run" in event else ""
    return run.replace("-", "").lower(), data


def _without_secrets(value: Any, depth: int) -> Any:
    """The same value; texts that are or hold secrets are not in it."""
    if depth > DEEPEST:
        raise MalformedInput("the event is nested too deeply")
    if isinstance(value, str):
        return text_without_secrets(value)
    if isinstance(value, list):
        return [_without_secrets(inner, depth + 1) for inner in value]
    if not isinstance(value, dict):
        return value
    names_secret = any(
        isinstance(value.get(naming), str) and is_secret_name(value[naming])
        for naming in _NAMING
    )
    clean: dict[str, Any] = {}
    for name, inner in value.items():
        is_value = names_secret and name in _VALUED and inner is not None
        if is_value or (isinstance(inner, str) and is_secret_name(name)):
            clean[name] = REDACTED
        else:
            clean[text_without_secrets(name)] = _without_secrets(inner, depth + 1)
    return clean
