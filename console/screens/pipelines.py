"""Launches of pipelines: which there are, and how each goes."""

from __future__ import annotations

from textual import on

from connectors.pipelines.protocols import RunState
from console.screens.launch import LaunchScreen
from console.screens.lists import ListScreen
from console.services.opened import OpenStore
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.viewing import LaunchLine, Seen, list_launches
from console.widgets.rows import MOST_ROWS, Rows

AGAIN_SECONDS = 5.0


class PipelinesScreen(ListScreen):
    """One row for each launch, newest first; Enter shows how it goes."""

    VIEW = "Launches"
    HEADINGS = ("LAUNCH", "STATE", "PIPELINE", "STEPS", "SECONDS", "CLAIMED", "BY")
    NEXT_STEP = "Nothing was launched yet: countersign pipeline launch PROJECT"

    def __init__(self) -> None:
        super().__init__()
        self._is_asking = self._is_moving = False

    def on_mount(self) -> None:
        """Ask again by itself, while something runs."""
        self.set_interval(AGAIN_SECONDS, self._ask_again)

    def _ask_again(self) -> None:
        if self._is_moving and not self._is_asking and self.is_current:
            self.action_refresh()

    def action_refresh(self) -> None:
        """Ask for the newest launches."""
        self._is_asking = True
        self.ask(_launches, self._show, self._miss)

    def _miss(self, problem: Exception) -> None:
        self._is_asking = False
        self.console.tell_problem(problem)

    def _show(self, found: list[LaunchLine]) -> None:
        self._is_asking = False
        states = {line.run.state for line in found} - {RunState.UNKNOWN}
        self._is_moving = not all(state.is_final for state in states)
        self.list_rows(
            [
                (
                    line.launch,
                    (
                        line.launch,
                        _state(line),
                        line.pipeline,
                        line.steps_done,
                        "-" if line.elapsed_seconds is None else _seconds(line),
                        f"{line.run.claimed:%Y-%m-%d %H:%M}",
                        line.requester_name,
                    ),
                )
                for line in found
            ]
        )

    @on(Rows.RowSelected)
    def _open(self, event: Rows.RowSelected) -> None:
        self.app.push_screen(LaunchScreen(str(event.row_key.value)))


def _launches(store: OpenStore) -> list[LaunchLine]:
    return list_launches(store, launcher_of_all(store))[:MOST_ROWS]


def _state(line: LaunchLine) -> str:
    by_whom = " (by the log)" if line.seen is Seen.LOG else ""
    return f"{line.run.state.value}{by_whom}"


def _seconds(line: LaunchLine) -> str:
    expected = line.expected_seconds
    about = "" if expected is None else f" of about {expected}"
    return f"{line.elapsed_seconds}{about}"
