"""The line on top: which store, which view, and whether anything can be changed."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from console.rendering import one_line


class TitleBar(Static):
    """One line, drawn from the app's state."""

    def __init__(self, view: str) -> None:
        super().__init__(markup=False)
        self._view = view
        self._more = ""

    def on_mount(self) -> None:
        """Follow what the app knows."""
        self.watch(self.app, "entries", self._draw)
        self.watch(self.app, "note", self._draw)

    def say_more(self, text: str) -> None:
        """Add to what the view's name says."""
        self._more = text
        self._draw()

    def _draw(self) -> None:
        mode = "READ-ONLY" if getattr(self.app, "is_read_only", True) else ""
        demo = "DEMO KEYS" if getattr(self.app, "is_demo", False) else ""
        parts = [
            "countersign",
            mode,
            demo,
            self._view,
            self._more,
            f"{getattr(self.app, 'entries', 0)} entries",
            getattr(self.app, "note", ""),
            getattr(self.app, "store_name", ""),
        ]
        self.update(Text(one_line(" | ".join(part for part in parts if part))))
