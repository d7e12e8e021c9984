"""Tables and text of the audit report as HTML, every value escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from console.rendering import printable


def cell_text(value: object) -> str:
    """A value as text that is no markup."""
    return escape(printable(str(value)))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; without headings it has none."""
    head = "".join(f"<th>{cell_text(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell_text(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    top = f"<tr>{head}</tr>" if any(headings) else ""
    return f"<table>{top}{body}</table>"


def verdict_rows(node: dict[str, Any], depth: int) -> list[tuple[str, ...]]:
    """A verdict tree as rows, those within indented."""
    rows: list[tuple[str, ...]] = [
        (
            "\u00a0\u00a0" * depth + node["rule"],
            node["verdict"],
            node["observed"],
            node["wanted"],
        )
    ]
    for child in node["children"]:
        rows += verdict_rows(child, depth + 1)
    return rows
