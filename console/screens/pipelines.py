"""Launches of pipelines: which there are, and how each goes."""

from __future__ import annotations

from collections.abc import Iterator

from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

from connectors.pipelines.protocols import PipelineRun
from console.rendering import one_line
from console.screens.launch import LaunchScreen
from console.screens.lists import ListScreen
from console.services.opened import wall_clock
from console.services.pipelines.by_place import LogList, SeenPlaces
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.viewing import LaunchLine
from console.widgets.rows import Rows

AGAIN_SECONDS = 5.0
TELL_SECONDS = 1.0


class PipelinesScreen(ListScreen):
    """One row for each launch, newest first; Enter shows how it goes."""

    VIEW = "Launches"
    HEADINGS = ("LAUNCH", "STATE", "PIPELINE", "STEPS", "SECONDS", "CLAIMED", "BY")
    NEXT_STEP = "Nothing was launched yet: countersign pipeline launch PROJECT"

    def __init__(self) -> None:
        super().__init__()
        self._places = SeenPlaces()
        self._is_reading = False

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

        self.look(lambda: everywhere.runs_at(planned), show, miss)

    def _draw(self) -> None:
        self._tell_silent()
        now = self.console.store.clock()
        self.list_rows(list(_rows(self._places.lines(now))))

    def _tell_silent(self) -> None:
        """Say which places do not answer, and how old is what is shown of them."""
        told = "\n".join(map(one_line, self._places.silent(wall_clock())))
        silent = self.query_one("#silent", Static)
        if str(silent.content) != told:
            silent.display = bool(told)
            silent.update(told)

    @on(Rows.RowSelected)
    def _open(self, event: Rows.RowSelected) -> None:
        self.app.push_screen(LaunchScreen(str(event.row_key.value)))


def _rows(
    lines: Iterator[tuple[LaunchLine, str]],
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for line, state in lines:
        yield (
            line.launch,
            (
                f"  {line.launch}" if line.run.schedule else line.launch,
                state,
                line.pipeline,
                line.steps_done,
                "-" if line.elapsed_seconds is None else _seconds(line),
                f"{line.run.claimed:%Y-%m-%d %H:%M}",
                line.requester_name,
            ),
        )


def _seconds(line: LaunchLine) -> str:
    expected = line.expected_seconds
    about = "" if expected is None else f" of about {expected}"
    return f"{line.elapsed_seconds}{about}"
