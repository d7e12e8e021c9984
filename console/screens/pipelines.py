"""Launches of pipelines: which there are, and how each goes."""

from __future__ import annotations

from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

from connectors.pipelines.protocols import PipelineRun
from console.actions import EVERYWHERE, GO, LAUNCHES, LAUNCHING, MOVES, bindings, quiet
from console.rendering import one_line
from console.screens.launch import LaunchScreen
from console.screens.lists import ListScreen
from console.screens.pipelines_text import LAUNCHES as LAUNCHES_HEADINGS
from console.screens.pipelines_text import SCHEDULES, launch_rows, schedule_rows
from console.services.opened import wall_clock
from console.services.pipelines.by_place import Listed, LogList, SeenPlaces, runs_at
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.schedule_words import objection_lines
from console.services.pipelines.schedules import ScheduleLine, schedule_line
from console.widgets.rows import Rows
from console.widgets.title import TitleBar

AGAIN_SECONDS = 5.0
TELL_SECONDS = 1.0


class PipelinesScreen(ListScreen):
    """One row for each launch, newest first; Enter shows how it goes."""

    VIEW = "Launches"
    HEADINGS = LAUNCHES_HEADINGS
    NEXT_STEP = "Nothing was launched yet: press l, or countersign pipeline launch"

    BINDINGS = bindings(LAUNCHING, LAUNCHES, EVERYWHERE, quiet(GO), MOVES)

    def __init__(self) -> None:
        super().__init__()
        self._places = SeenPlaces()
        self._is_reading = self._is_of_schedules = False
        self._schedules: dict[str, ScheduleLine] = {}
        self._asked: set[str] = set()
        """Schedules of which an answer is waited for."""

    def compose(self) -> ComposeResult:
        """What every list has, and which places are silent."""
        for widget in super().compose():
            if widget.id == "rows":
                yield Static("", id="silent", classes="hint", markup=False)
            yield widget

    def on_mount(self) -> None:
        """Ask again by itself, while something runs."""
        self.query_one("#silent").display = False
        self.set_interval(AGAIN_SECONDS, self._ask_again)
        self.set_interval(TELL_SECONDS, self._tell_silent)

    def _ask_again(self) -> None:
        if self._places.goes_on and self.is_current:
            self._read(all_places=False)

    def action_refresh(self) -> None:
        """Ask the log for the newest launches, and every place how they go."""
        self._read(all_places=True)

    def _read(self, *, all_places: bool) -> None:
        if self._is_reading:
            return
        self._is_reading = True

        def show(found: LogList) -> None:
            self._is_reading, self._places.log = False, found
            self._draw()
            for place in self._places.to_ask(wall_clock(), all_of_them=all_places):
                self._look_at(place)
            self._ask_schedules()

        def miss(problem: Exception) -> None:
            self._is_reading = False
            self.console.tell_problem(problem)

        self.ask(self._places.read, show, miss)

    def _look_at(self, place: str) -> None:
        """Ask one place, beside the others and beside questions to the store."""
        everywhere = launcher_of_all(self.console.store)
        planned = self._places.log.places[place]

        def show(runs: list[PipelineRun]) -> None:
            self._places.answered(place, runs, wall_clock())
            self._draw()

        def miss(problem: Exception) -> None:
            self._places.missed(place, problem, wall_clock())
            self._draw()

        self.look(lambda: runs_at(everywhere, planned), show, miss)

    def _ask_schedules(self) -> None:
        """Ask how each schedule stands, where they are what is shown."""
        wanted = self._places.schedules() if self._is_of_schedules else {}
        for launch in wanted:
            if launch not in self._asked:
                self._asked.add(launch)
                self._ask_schedule(launch)

    def _ask_schedule(self, launch: str) -> None:
        def show(line: ScheduleLine | None) -> None:
            self._asked.discard(launch)
            if line is not None:
                self._schedules[launch] = self._kept_or_new(line)
            self._draw()

        def miss(problem: Exception) -> None:
            self._asked.discard(launch)
            self.console.tell_problem(problem)

        self.ask(
            lambda store: schedule_line(store, launcher_of_all(store), launch),
            show,
            miss,
        )

    def _kept_or_new(self, line: ScheduleLine) -> ScheduleLine:
        """What was seen of a schedule last, where its place does not answer now."""
        had = self._schedules.get(line.launch)
        if not line.problem or had is None:
            return line
        return replace(had, objection=line.objection, problem=line.problem)

    def action_only_schedules(self) -> None:
        """Show schedules alone with what they started, or all launches again."""
        self._is_of_schedules = not self._is_of_schedules
        self.rows.head(*(SCHEDULES if self._is_of_schedules else LAUNCHES_HEADINGS))
        self.query_one(TitleBar).say_more(
            "only schedules" if self._is_of_schedules else ""
        )
        self._ask_schedules()
        self._draw()

    def _draw(self) -> None:
        """Show what is known by now; names and more of it are asked of the store."""
        self._tell_silent()
        if self._is_of_schedules:
            schedules, now = self._places.schedules(), wall_clock()
            self.list_rows(list(schedule_rows(schedules, self._schedules, now)))
        else:
            self.ask(self._places.lines, self._show_lines)

    def _show_lines(self, found: list[Listed]) -> None:
        if not self._is_of_schedules:
            self.list_rows(list(launch_rows(found)))

    def _tell_silent(self) -> None:
        """Say which places do not answer and how old what is shown of them is; and what
        is against schedules."""
        said = self._places.silent(wall_clock())
        if self._is_of_schedules:
            lines = [self._schedules.get(name) for name in self._places.schedules()]
            said += [text for line in lines if line for text in objection_lines(line)]
        told = "\n".join(map(one_line, said))
        silent = self.query_one("#silent", Static)
        if str(silent.content) != told:
            silent.display = bool(told)
            silent.update(told)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim what changes the store where nothing may."""
        return None if action == "draft" and self.console.is_read_only else True

    def action_draft(self) -> None:
        """Open the dialog in which something is launched."""
        from console.screens.launching import LaunchDialog
        from console.services.pipelines.drafting import Draft

        self.app.push_screen(LaunchDialog(Draft()))

    @on(Rows.RowSelected)
    def _open(self, event: Rows.RowSelected) -> None:
        self.app.push_screen(LaunchScreen(str(event.row_key.value)))
