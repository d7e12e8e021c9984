"""What commands print: data on stdout as a table or as versioned JSON, the rest on
stderr. Every value from outside is escaped by console.rendering."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TextIO

from console.rendering import printable, table, width_of


def say(text: str) -> None:
    """Tell a person something about what is going on."""
    lines = printable(text).split("\n")
    if (columns := _columns(sys.stderr)) is not None:
        lines = [part for line in lines for part in _wrapped(line, columns)]
    sys.stderr.write("\n".join(lines) + "\n")


def show(text: str) -> None:
    """Print data for a person. The text must be escaped where it needs to be."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows, or say that there are none."""
    if rows:
        show(table(headings, rows, columns=_columns(sys.stdout)))
    else:
        say("nothing to show")


def _columns(stream: TextIO) -> int | None:
    """How wide the terminal is, or None where the stream goes elsewhere."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def _wrapped(line: str, columns: int) -> list[str]:
    """A line in as many as a terminal needs, indented as it was."""
    if width_of(line) <= columns:
        return [line]
    indent = " " * (len(line) - len(line.lstrip(" ")))
    return textwrap.wrap(
        line,
        columns,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


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
