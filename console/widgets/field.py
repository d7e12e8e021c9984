"""A line of a form: what it is, what is typed, and what is wrong with that, beneath it.

What was filled in for somebody may hold characters that a terminal would obey: it is
then shown escaped, kept as it is, and not typed over.
"""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from console.rendering import one_line


class Field(Vertical):
    """One text, by its key."""

    class Changed(Message):
        """Something was typed."""

        def __init__(self, field: Field) -> None:
            super().__init__()
            self.field = field

    def __init__(
        self,
        key: str,
        label: str,
        value: str = "",
        *,
        hint: str = "",
        suggester: Suggester | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id, classes="field")
        self.key = key
        self._label, self._hint, self._kept = label, hint, value
        self._is_shown_whole = one_line(value) == value
        self._why_not = ""
        self._box = Input(
            one_line(value),
            placeholder=one_line(hint),
            suggester=suggester,
            disabled=not self._is_shown_whole,
        )
        self._told = Static("", classes="wrong", markup=False)

    def compose(self) -> ComposeResult:
        """Label and text; what is wrong stands below, when something is."""
        with Horizontal():
            yield Static(one_line(self._label), classes="name", markup=False)
            yield self._box
        yield self._told

    def on_mount(self) -> None:
        """Nothing is wrong yet."""
        self.tell("")
        if not self._is_shown_whole:
            self.tell("it holds what cannot be shown, and stays as it was")

    @property
    def value(self) -> str:
        """What stands there; empty where it cannot be given."""
        if self._why_not:
            return ""
        return self._box.value if self._is_shown_whole else self._kept

    @value.setter
    def value(self, text: str) -> None:
        self._box.value = text

    @property
    def problem(self) -> str:
        """What was told to be wrong, or empty."""
        return str(self._told.content) if self._told.has_class("-wrong") else ""

    def tell(self, problem: str, *, is_wrong: bool = True) -> None:
        """Say what is wrong, or something else that helps; empty: nothing."""
        text = "\n".join(map(one_line, problem.splitlines()))
        if str(self._told.content) != text:
            self._told.update(text)
        self._told.display = bool(problem)
        self._told.set_class(bool(problem) and is_wrong, "-wrong")

    def dim(self, why_not: str) -> None:
        """Let nothing be typed, and say why; empty: let it."""
        self._why_not = why_not
        self._box.disabled = bool(why_not) or not self._is_shown_whole
        self._box.placeholder = one_line(why_not or self._hint)

    def begin(self) -> None:
        """Take what is typed from here on."""
        self._box.focus()

    @on(Input.Changed)
    def _tell_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self))
