"""Rows as a table, CSV or Markdown: one answer in the form that somebody asks for.

Markdown is for tickets: nothing from outside becomes a link, an image, a tag, a mention
or a cell of its own. CSV is for spreadsheets: no cell is taken for a formula. Control
characters are escaped in both; JSON has every value as it is.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence

from console.cli.output import say, show, show_table
from console.rendering import markdown_cell, printable

TABULAR = ("table", "json", "csv", "markdown")
"""Forms of commands that print rows."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def show_rows(
    form: str, headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print rows in one of the forms; JSON is made elsewhere."""
    match form:
        case "csv":
            show_csv([heading.lower() for heading in headings], rows)
        case "markdown":
            if rows:
                show("\n".join(markdown_table(headings, rows)))
            else:
                say("nothing to show")
        case _:
            show_table(headings, rows)


def show_csv(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as CSV with a line of headings."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([csv_cell(value) for value in row] for row in rows)


def csv_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula and no terminal obeys."""
    text = "" if value is None else printable(str(value))
    is_number = isinstance(value, (int, float))
    return f"'{text}" if text.startswith(_FORMULA) and not is_number else text


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown."""
    return [
        markdown_row(headings),
        "|" + "---|" * len(headings),
        *map(markdown_row, rows),
    ]


def markdown_row(cells: Iterable[str]) -> str:
    """One line of a table in Markdown."""
    return "| " + " | ".join(map(markdown_cell, cells)) + " |"
