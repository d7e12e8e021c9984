"""The line of keys at the bottom: close together, so that 80 columns hold all views."""

from __future__ import annotations

from textual.widgets import Footer


class KeyBar(Footer):
    """Every key that is shown here; the palette stands in the help."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)
