"""The dialog that asks for a file's name; starts in the field, escape leaves."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from console.actions import CANCEL, bindings
from console.rendering import one_line


class FileDialog(ModalScreen[str | None]):
    """One field; enter takes what stands in it."""

    BINDINGS = bindings(CANCEL)
    AUTO_FOCUS = "#file"

    def __init__(self, asked: str, proposed: str = "") -> None:
        super().__init__()
        self._asked, self._proposed = asked, proposed

    def compose(self) -> ComposeResult:
        """What is asked, and the field."""
        with Vertical(id="dialog"):
            yield Static(one_line(self._asked), markup=False)
            yield Input(self._proposed, placeholder="path of a file", id="file")
            yield Static("Enter goes on, escape leaves.", markup=False)

    def action_cancel(self) -> None:
        """Leave without a file."""
        self._leave(None)

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._leave(event.value.strip())

    def _leave(self, answer: str | None) -> None:
        """Answer once: a key that is pressed again is not for the screen below."""
        if self.is_current:
            self.dismiss(answer)
