"""What commands print: data on stdout as a table or as versioned JSON, the rest on
stderr. Every value from outside is escaped by console.rendering."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from console.rendering import printable, table


def say(text: str) -> None:
    """Tell a person something about what is going on."""
    sys.stderr.write(printable(text) + "\n")


def show(text: str) -> None:
    """Print data for a person. The text must be escaped where it needs to be."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows, or say that there are none."""
    if rows:
        show(table(headings, rows))
    else:
        say("nothing to show")


def show_json(command: str, **values: object) -> None:
    """Print one versioned object."""
    show(json_text(command, **values))


def json_text(command: str, **values: object) -> str:
    """One versioned object."""
    body = {"schema": f"countersign/{command}/v1"} | {
        name: plain(value) for name, value in values.items()
    }
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def show_json_line(command: str, **values: object) -> None:
    """Print one versioned object on a line of its own, at once."""
    show(json.dumps(json.loads(json_text(command, **values))))
    sys.stdout.flush()


def plain(value: object) -> Any:
    """Dataclasses, times and enumerations as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    return value


def moment(value: datetime | None) -> str:
    """A time for a table."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}" if value else "-"
