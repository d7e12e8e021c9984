"""The terminal console over one open store. It arranges screens and decides nothing."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.reactive import reactive
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from console.actions import GO
from console.rendering import one_line
from console.screens.asking import AskingScreen
from console.screens.overview import OverviewScreen
from console.services.opened import OpenStore

PRELOAD_SECONDS = 1.0
"""After the first frame, other screens are loaded so that no key waits for it."""

MOST_WAITING = 64
"""Threads that ask, most of which wait for an answer: the usual few would be taken by
as many clusters that are slow."""


def _screen_of(view: str) -> AskingScreen:
    """One of the main views; its code is loaded when it is first shown."""
    module, _, name = VIEWS[view].partition(":")
    screen: AskingScreen = getattr(importlib.import_module(module), name)()
    return screen


VIEWS = {
    "overview": "console.screens.overview:OverviewScreen",
    "models": "console.screens.lists:ModelsScreen",
    "requests": "console.screens.lists:RequestsScreen",
    "runs": "console.screens.lists:RunsScreen",
    "log": "console.screens.lists:LogScreen",
    "trust": "console.screens.trust:TrustScreen",
    "policies": "console.screens.policies:PoliciesScreen",
    "pipelines": "console.screens.pipelines:PipelinesScreen",
}
_OPENED = (
    "console.screens.detail",
    "console.screens.review",
    "console.screens.launching",
)


def _load_screens() -> None:
    for place in (*VIEWS.values(), *_OPENED):
        importlib.import_module(place.partition(":")[0])


class CountersignApp(App[int]):
    """The console."""

    TITLE = "countersign"
    CSS_PATH = "console.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual's own class variable

    BINDINGS = [  # noqa: RUF012 - Textual's own class variable
        # Tables have these keys; what only scrolls has others for the same.
        Binding("ctrl+home", "simulate_key('home')", show=False),
        Binding("ctrl+end", "simulate_key('end')", show=False),
    ]

    entries: reactive[int] = reactive(0)
    note: reactive[str] = reactive("")

    def __init__(
        self, store: OpenStore, *, reference: str = "", is_read_only: bool = False
    ) -> None:
        super().__init__()
        self.store = store
        self.turn = store.turn
        """One question at a time: DuckDB and SQLite connections are not shared."""
        self.is_read_only = is_read_only
        self.is_demo = bool(store.root().is_demo)
        self.store_name = one_line(store.address)
        self._reference = reference
        self.animation_level = "none"

    def on_mount(self) -> None:
        """Open the overview, or the object that was asked for."""
        asyncio.get_running_loop().set_default_executor(
            ThreadPoolExecutor(MOST_WAITING, thread_name_prefix="question")
        )
        self.entries = self.store.index.size
        self.push_screen(OverviewScreen())
        self.set_timer(PRELOAD_SECONDS, self._preload)
        if self._reference.startswith("request:"):
            self.open_request(self._reference.removeprefix("request:"))
        elif self._reference:
            self.open_thing(self._reference)

    def _preload(self) -> None:
        self.run_worker(_load_screens, thread=True, exit_on_error=False)

    def action_go(self, view: str) -> None:
        """Show one of the main views."""
        while len(self.screen_stack) > 2:
            self.pop_screen()
        self.switch_screen(_screen_of(view))

    def action_toggle_help(self) -> None:
        """Show the keys that work here, or hide them again."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def open_thing(self, reference: str) -> None:
        """Show a version, a run, a commit or a dataset version."""
        from console.screens.detail import DetailScreen

        self.push_screen(DetailScreen(reference))

    def open_request(self, request_id: str) -> None:
        """Show a request's review."""
        from console.screens.review import ReviewScreen

        self.push_screen(ReviewScreen(request_id))

    def open_launch(self, launch: str) -> None:
        """Show how a launch goes."""
        from console.screens.launch import LaunchScreen

        self.push_screen(LaunchScreen(launch))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette knows every view and what can be done here, beside Textual's own
        commands."""
        from console.screens.palette import offered

        yield from super().get_system_commands(screen)
        yield from offered(screen)
        for action in GO:
            view = action.id.partition(".")[2]
            yield SystemCommand(
                f"go: {action.label.lower()}",
                action.tooltip,
                lambda view=view: self.action_go(view),
            )

    def tell_problem(self, problem: Exception) -> None:
        """Say what went wrong and what to do; the screen stays as it is."""
        hint = getattr(problem, "hint", "")
        text = f"{problem}\n{hint}" if hint else str(problem)
        self.notify(
            "\n".join(one_line(line) for line in text.splitlines()),
            severity="error",
            markup=False,
            timeout=10,
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A defect in a question is told, never swallowed."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            error = event.worker.error
            self.notify(
                one_line(f"defect: {type(error).__name__}: {error}"),
                severity="error",
                markup=False,
                timeout=30,
            )


def run_app(
    store: OpenStore, reference: str = "", *, is_read_only: bool = False
) -> int:
    """Run the console until it is left."""
    app = CountersignApp(store, reference=reference, is_read_only=is_read_only)
    app.run()
    return app.return_code or 0
