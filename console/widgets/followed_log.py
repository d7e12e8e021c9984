"""What a run prints, as it comes: followed at its end, bounded, and searched."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from textual.widgets import Input, Log

from console.actions import CANCEL, bindings
from console.rendering import one_line

MOST_LINES = 5_000
"""What is kept on screen; `countersign pipeline logs` reads all."""


class FollowedLog(Log):
    """The newest lines, or those of them that have a text in them."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, max_lines=MOST_LINES)
        self._kept: deque[str] = deque(maxlen=MOST_LINES)
        self._is_followed = True
        """Whether its end is to stay in sight, until somebody scrolls away from it."""
        self._wanted = ""

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """See Widget; where it is scrolled to says whether its end is followed."""
        super().watch_scroll_y(old_value, new_value)
        self._is_followed = self.is_vertical_scroll_end

    def on_resize(self) -> None:
        """The end stays in sight when something else takes room beside it."""
        if self._is_followed:
            self.scroll_end(animate=False, immediate=True, x_axis=False)

    @property
    def wanted(self) -> str:
        """The text that every line shown has in it; empty: all are shown."""
        return self._wanted

    def add(self, lines: Iterable[str]) -> None:
        """Take in lines; the end stays in sight if it was."""
        texts = [one_line(line) for line in lines]
        self._kept.extend(texts)
        self.write_lines(text for text in texts if self._is_wanted(text))

    def forget(self) -> None:
        """Begin anew."""
        self._kept.clear()
        self.clear()

    def want(self, text: str) -> int:
        """Show only lines with a text, upper and lower case alike; how many."""
        self._wanted = text
        found = [line for line in self._kept if self._is_wanted(line)]
        self.clear()
        self.write_lines(found, scroll_end=True)
        return len(found)

    def _is_wanted(self, line: str) -> bool:
        return self._wanted.casefold() in line.casefold()


class FindBar(Input):
    """Where the text stands that is looked for; escape ends looking for it."""

    BINDINGS = bindings(CANCEL)

    def on_mount(self) -> None:
        """Not there until it is asked for."""
        self.display = False

    def open(self) -> None:
        """Take what is typed from here on."""
        self.display = True
        self.focus()

    async def action_cancel(self) -> None:
        """Look for nothing."""
        self.value = ""
        await self.action_submit()
