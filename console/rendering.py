"""Text for terminals: what comes from outside is escaped here and nowhere else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2028\u2029"
    "\u2060-\u206f\ufeff\ud800-\udfff]"
)
LONGEST_CELL = 60
WHOLE = frozenset(
    {
        *("VERSION", "REFERENCE", "RUN", "COMMIT", "MODEL", "DATASET", "DIGEST"),
        *("REQUEST", "STAGE", "STARTED", "WHEN", "SEEN", "FROM", "UNTIL"),
        *("LAUNCH", "SCHEDULE", "STATE"),
    }
)
"""Headings of columns that are never cut: what other commands take, and times."""
_NARROWEST = 8


def printable(text: str) -> str:
    """Show controls, bidi overrides and invisible characters by their number."""
    return _HOSTILE.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def one_line(text: str) -> str:
    """Printable text without line breaks or tabs."""
    return printable(text.replace("\n", " ").replace("\t", " "))


def width_of(text: str) -> int:
    """How many columns text takes in a terminal."""
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def shorten(text: str, longest: int) -> str:
    """Cut text to a number of columns, with an ellipsis where it was cut."""
    if width_of(text) <= longest:
        return text
    kept = ""
    for character in text:
        if width_of(kept + character) > longest - 1:
            break
        kept += character
    return kept + "…"


def span(seconds: int | None) -> str:
    """How long something takes, in its two largest units; a dash: not known."""
    if seconds is None:
        return "-"
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    longest_cell: int = LONGEST_CELL,
    columns: int | None = None,
) -> str:
    """Rows as aligned columns, every cell escaped and on one line.

    With `columns`, cells are cut so that a line fits, if cutting what nobody types
    again is enough.
    """
    cells = [
        [shorten(one_line(cell), longest_cell) for cell in row]
        for row in (headings, *rows)
    ]
    widths = [max(width_of(row[i]) for row in cells) for i in range(len(headings))]
    if columns is not None:
        widths = _narrowed(headings, widths, columns)
        cells = [
            [shorten(cell, width) for cell, width in zip(row, widths, strict=True)]
            for row in cells
        ]
    lines = [
        "  ".join(
            cell + " " * (width - width_of(cell))
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def _narrowed(
    headings: Sequence[str], widths: Sequence[int], columns: int
) -> list[int]:
    """Widths that fit a terminal, headings cut last; as they were where they cannot."""
    found = list(widths)
    excess = sum(found) + 2 * (len(found) - 1) - columns
    for least in ([max(_NARROWEST, width_of(h)) for h in headings], None):
        loose = [i for i, heading in enumerate(headings) if heading not in WHOLE]
        while excess > 0 and loose:
            widest = max(loose, key=lambda i: found[i])
            if found[widest] <= (least[widest] if least else _NARROWEST):
                loose.remove(widest)
                continue
            found[widest] -= 1
            excess -= 1
    return list(widths) if excess > 0 else found


_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#!|~&@:$]|(?<=www)\.", re.IGNORECASE)


def markdown_cell(text: str) -> str:
    """Text that markdown shows as it is: no markup, no links, no cells of its own.

    A character reference can begin neither a tag, a link, a mention nor a table cell.
    """
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", one_line(text))
