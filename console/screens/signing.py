"""The dialog before a signature: who, what, under which policy; starts on Cancel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from console.actions import CANCEL, bindings
from console.rendering import one_line


@dataclass(frozen=True, slots=True)
class Blank:
    """One more thing to fill in."""

    id: str
    hint: str
    """What stands above it."""
    value: str = ""
    is_needed: bool = True


@dataclass(frozen=True, slots=True)
class SigningQuestion:
    """What somebody is about to sign."""

    verb: str
    name: str
    """To be typed, so that nobody signs for another by mistake."""
    facts: tuple[str, ...]
    needs_reason: bool
    blanks: tuple[Blank, ...] = ()
    kind: str = "model"
    """Of what the name is."""


class Passphrase:
    """A passphrase that no traceback prints."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> bytes | None:
        """The bytes, or None when nothing was typed."""
        return self._value.encode() or None

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class SigningAnswer:
    """What they typed."""

    key: str
    passphrase: Passphrase
    reason: str
    filled: Mapping[str, str] = field(default_factory=dict)
    """What was typed into the blanks, by their ids."""


class SigningDialog(ModalScreen[SigningAnswer | None]):
    """Facts, fields and two buttons."""

    BINDINGS = bindings(CANCEL)
    AUTO_FOCUS = "#cancel"

    def __init__(self, question: SigningQuestion) -> None:
        super().__init__()
        self._asked = question

    def compose(self) -> ComposeResult:
        """Facts first, then fields, then the buttons."""
        facts = "\n".join(one_line(fact) for fact in self._asked.facts)
        with VerticalScroll(id="dialog"):
            yield Static(facts, markup=False)
            for blank in self._asked.blanks:
                said = one_line(f"{blank.id}: {blank.hint}")
                yield Static(said, classes="label", markup=False)
                yield Input(blank.value, id=blank.id, classes="labelled")
            yield Input(placeholder="key (name or path; empty: the only one)", id="key")
            yield Input(placeholder="passphrase of the key", password=True, id="secret")
            if self._asked.needs_reason:
                yield Input(placeholder="reason", id="reason")
            typed = f"type the {self._asked.kind}'s name to go on"
            yield Input(placeholder=typed, id="name")
            yield Static("", id="complaint", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button(
                    self._asked.verb.capitalize(), id="sign", variant="warning"
                )

    def action_cancel(self) -> None:
        """Leave without signing."""
        self._leave(None)

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self._leave(None)

    @on(Button.Pressed, "#sign")
    def _sign(self) -> None:
        reason = self._field("reason") if self._asked.needs_reason else "-"
        filled = {blank.id: self._field(blank.id) for blank in self._asked.blanks}
        empty = [
            blank.id
            for blank in self._asked.blanks
            if blank.is_needed and not filled[blank.id].strip()
        ]
        if empty:
            self._complain(f"Still empty: {', '.join(empty)}. Nothing was signed.")
        elif self._field("name") != self._asked.name:
            self._complain(
                f"The {self._asked.kind}'s name is not what you typed. "
                "Nothing was signed."
            )
        elif not reason.strip():
            self._complain("A decision has a reason. Nothing was signed.")
        else:
            self._leave(
                SigningAnswer(
                    self._field("key"),
                    Passphrase(self._field("secret")),
                    reason,
                    filled,
                )
            )

    def _field(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value

    def _complain(self, text: str) -> None:
        self.query_one("#complaint", Static).update(text)

    def _leave(self, answer: SigningAnswer | None) -> None:
        """Answer once: a key that is pressed again is not for the screen below."""
        if self.is_current:
            self.dismiss(answer)
