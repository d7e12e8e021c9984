"""The dialog before something that cannot be taken back and is not signed."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from console.actions import CANCEL, bindings
from console.rendering import one_line


class ConfirmDialog(ModalScreen[bool]):
    """What would happen, and two buttons; starts on the one that does nothing."""

    BINDINGS = bindings(CANCEL)
    AUTO_FOCUS = "#cancel"

    def __init__(self, said: tuple[str, ...], *, keep: str, do: str) -> None:
        super().__init__()
        self._said, self._keep, self._do = said, keep, do

    def compose(self) -> ComposeResult:
        """What would happen, and the buttons."""
        with Vertical(id="dialog"):
            yield Static("\n".join(map(one_line, self._said)), markup=False)
            with Horizontal(id="buttons"):
                yield Button(self._keep, id="cancel")
                yield Button(self._do, id="do", variant="error")

    def action_cancel(self) -> None:
        """Leave without doing it."""
        self._leave(False)

    @on(Button.Pressed)
    def _choose(self, event: Button.Pressed) -> None:
        self._leave(event.button.id == "do")

    def _leave(self, answer: bool) -> None:
        """Answer once: a key that is pressed again is not for the screen below."""
        if self.is_current:
            self.dismiss(answer)
