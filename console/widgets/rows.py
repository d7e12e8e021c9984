"""A table of rows that come from outside: every cell escaped, one line, no markup."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import DataTable

from console.rendering import one_line, shorten, width_of

MOST_ROWS = 500
"""What a DataTable holds without making its reader wait."""


class Rows(DataTable[Text]):
    """Rows under fixed headings, each with a key that opening it gives."""

    def __init__(
        self, *headings: str, id: str | None = None, longest_cell: int = 40
    ) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=True)
        self._headings = headings
        self._longest_cell = longest_cell

    def on_mount(self) -> None:
        """Headings stand before any row comes."""
        for heading in self._headings:
            self.add_column(heading)

    def head(self, *headings: str) -> None:
        """Take other headings, from the next time that rows are shown."""
        self._headings = headings

    @property
    def chosen(self) -> str:
        """The key of the row under the cursor, or empty."""
        if not self.row_count:
            return ""
        return str(self.ordered_rows[self.cursor_row].key.value)

    def show(self, rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Put rows in place of those there were; the cursor stays where it was."""
        before = self.cursor_row
        lines = [
            (key, [Text(shorten(one_line(c), self._longest_cell)) for c in cells])
            for key, cells in rows[:MOST_ROWS]
        ]
        # Widths are given, because a table that measures its own columns may be painted
        # before it has, and then keeps what it painted.
        self.clear(columns=True)
        for position, heading in enumerate(self._headings):
            widths = [texts[position].cell_len for _, texts in lines]
            self.add_column(heading, width=max([width_of(heading), *widths]))
        for key, texts in lines:
            self.add_row(*texts, key=key)
        if self.row_count:
            self.move_cursor(row=min(before, self.row_count - 1))
