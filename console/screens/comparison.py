"""How a version differs from another of its model; the one in a stage comes first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from console.actions import BACK, COMPARING, EVERYWHERE, GO, MOVES, bindings, quiet
from console.rendering import one_line
from console.reports.comparison_text import comparison_lines
from console.screens.asking import AskingScreen
from console.services.comparing import compare, counterparts
from console.services.differences import Comparison
from console.services.opened import OpenStore
from console.widgets.keys import KeyBar
from console.widgets.title import TitleBar

_Found = tuple[list[str], Comparison | None]


class ComparisonScreen(AskingScreen, inherit_bindings=False):
    """The lines that `diff` prints, from another version to this one."""

    BINDINGS = bindings(COMPARING, BACK, EVERYWHERE, quiet(GO), MOVES)

    def __init__(self, reference: str) -> None:
        super().__init__()
        self._reference = reference
        self._others: list[str] = []
        self._place = 0

    def compose(self) -> ComposeResult:
        """Title, lines, keys."""
        yield TitleBar(one_line(f"What {self._reference} changes"))
        with VerticalScroll():
            yield Static("reading…", id="comparison", markup=False)
        yield KeyBar()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """With one other version there is no next one."""
        return None if action == "other" and len(self._others) < 2 else True

    def action_other(self, step: int) -> None:
        """Compare with the next other version, or the one before."""
        self._place = (self._place + step) % max(len(self._others), 1)
        self.action_refresh()

    def action_refresh(self) -> None:
        """Ask for the comparison."""
        self.ask(self._question, self._show)

    def _question(self, store: OpenStore) -> _Found:
        others = counterparts(store, self._reference)
        if not others:
            return others, None
        other = others[min(self._place, len(others) - 1)]
        return others, compare(store, other, self._reference)

    def _show(self, found: _Found) -> None:
        self._others, compared = found
        lines = ["The model has no other version."]
        if compared is not None:
            lines = list(comparison_lines(compared))
            lines += ["", *(f"Not compared: {one_line(t)}" for t in compared.unread)]
        self.query_one("#comparison", Static).update("\n".join(lines).rstrip())
        self.refresh_bindings()
