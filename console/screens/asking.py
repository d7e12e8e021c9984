"""What every screen shares: asking the store in a thread, and showing the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from textual import on, work
from textual.message import Message
from textual.screen import Screen

from console.actions import EVERYWHERE, GO, MOVES, bindings
from console.services.opened import OpenStore
from console.services.problems import KNOWN_ERRORS

if TYPE_CHECKING:
    from console.app import CountersignApp


Answer = TypeVar("Answer")


class Answered(Message):
    """A question to the store was answered."""

    def __init__(self, show: Callable[[Any], None], answer: object) -> None:
        super().__init__()
        self.show = show
        self.answer = answer


class Failed(Message):
    """A question could not be answered."""

    def __init__(self, tell: Callable[[Exception], None], problem: Exception) -> None:
        super().__init__()
        self.tell = tell
        self.problem = problem


class Seen(Message):
    """Something outside the store was looked at."""

    def __init__(self, show: Callable[[Any], None], answer: object) -> None:
        super().__init__()
        self.show = show
        self.answer = answer


class AskingScreen(Screen[None]):
    """A screen over one store. Rows stay when a question fails."""

    BINDINGS = bindings(GO, EVERYWHERE, MOVES)

    @property
    def console(self) -> CountersignApp:
        """The app, by its own type."""
        return cast("CountersignApp", self.app)

    def refusal(self, action: str) -> str:
        """Why something that changes the store cannot be done here now, or empty."""
        return "the console is read-only" if self.console.is_read_only else ""

    def on_screen_resume(self) -> None:
        """Whenever it comes to the front it shows what is."""
        self.action_refresh()

    def action_refresh(self) -> None:
        """Ask everything again."""

    def ask(
        self,
        question: Callable[[OpenStore], Answer],
        show: Callable[[Answer], None],
        miss: Callable[[Exception], None] | None = None,
    ) -> None:
        """Answer a question in a thread, then show the answer here, or tell why there
        is none."""
        self._ask(question, show, miss or self.console.tell_problem)

    @work(thread=True, exit_on_error=False, group="questions")
    def _ask(
        self,
        question: Callable[[OpenStore], object],
        show: Callable[[Any], None],
        miss: Callable[[Exception], None],
    ) -> None:
        try:
            with self.console.turn:
                self.console.store.catch_up_or_look_back()
                answer = question(self.console.store)
        except KNOWN_ERRORS as problem:
            self.post_message(Failed(miss, problem))
        else:
            self.post_message(Answered(show, answer))

    def look(
        self,
        question: Callable[[], Answer],
        show: Callable[[Answer], None],
        miss: Callable[[Exception], None] | None = None,
    ) -> None:
        """Look outside in a thread, beside questions to the store, which may not be
        asked there; then show what was seen here, or tell why nothing was."""
        self._look(question, show, miss or self.console.tell_problem)

    @work(thread=True, exit_on_error=False, group="looks")
    def _look(
        self,
        question: Callable[[], object],
        show: Callable[[Any], None],
        miss: Callable[[Exception], None],
    ) -> None:
        try:
            answer = question()
        except KNOWN_ERRORS as problem:
            self.post_message(Failed(miss, problem))
        else:
            self.post_message(Seen(show, answer))

    @on(Seen)
    def _show_seen(self, event: Seen) -> None:
        event.show(event.answer)

    @on(Answered)
    def _show_answer(self, event: Answered) -> None:
        store = self.console.store
        self.console.entries = store.index.size
        since = store.confirmed_at
        as_of = f"{since:%Y-%m-%d %H:%M} UTC" if since else "an unknown time"
        self.console.note = "" if store.is_answering else f"OFFLINE, as of {as_of}"
        event.show(event.answer)

    @on(Failed)
    def _show_failure(self, event: Failed) -> None:
        event.tell(event.problem)
