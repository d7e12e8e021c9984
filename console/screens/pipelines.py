"""Launches of pipelines: which there are, and how one goes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from console.actions import BACK, EVERYWHERE, GO, MOVES, bindings, quiet
from console.rendering import one_line
from console.screens.asking import AskingScreen
from console.screens.lists import ListScreen
from console.services.opened import OpenStore
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.schedule_words import objection_lines, schedule_lines
from console.services.pipelines.schedules import ScheduleLine, schedule_line
from console.services.pipelines.viewing import LaunchLine, launch_line, list_launches
from console.widgets.keys import KeyBar
from console.widgets.rows import MOST_ROWS, Rows
from console.widgets.title import TitleBar

MOST_LOG_LINES = 200


class PipelinesScreen(ListScreen):
    """One row for each launch, newest first; Enter shows how it goes."""

    VIEW = "Launches"
    HEADINGS = ("LAUNCH", "STATE", "PIPELINE", "STEPS", "SECONDS", "CLAIMED", "BY")

    def action_refresh(self) -> None:
        """Ask for the newest launches."""
        self.ask(_launches, self._show)

    def _show(self, found: list[LaunchLine]) -> None:
        self.rows.show(
            [
                (
                    line.launch,
                    (
                        line.launch,
                        line.run.state.value,
                        line.pipeline,
                        line.steps_done,
                        "-" if line.elapsed_seconds is None else _seconds(line),
                        f"{line.run.claimed:%Y-%m-%d %H:%M}",
                        line.requester,
                    ),
                )
                for line in found
            ]
        )

    @on(Rows.RowSelected)
    def _open(self, event: Rows.RowSelected) -> None:
        self.app.push_screen(LaunchScreen(str(event.row_key.value)))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A launch with the end of what it printed."""

    line: LaunchLine
    printed: tuple[str, ...]
    schedule: ScheduleLine | None
    """Where it is one that is kept by its place."""


class LaunchScreen(AskingScreen, inherit_bindings=False):
    """One launch: its state, its steps, and the end of its log."""

    BINDINGS = bindings(BACK, EVERYWHERE, quiet(GO), MOVES)

    def __init__(self, launch: str) -> None:
        super().__init__()
        self._launch = launch

    def compose(self) -> ComposeResult:
        """Title, the text, keys."""
        yield TitleBar(one_line(f"Launch {self._launch}"))
        with VerticalScroll(id="paper"):
            yield Static("reading…", id="words", markup=False)
        yield KeyBar()

    def action_refresh(self) -> None:
        """Ask how it goes."""
        self.ask(lambda store: _seen(store, self._launch), self._show)

    def _show(self, seen: _Seen) -> None:
        text = "\n".join(map(one_line, _told(seen)))
        self.query_one("#words", Static).update(Text(text))


def _launches(store: OpenStore) -> list[LaunchLine]:
    return list_launches(store, launcher_of_all(store))[:MOST_ROWS]


def _seen(store: OpenStore, launch: str) -> _Seen:
    launcher = launcher_of_all(store)
    line = launch_line(store, launcher, launch)
    printed: deque[str] = deque(maxlen=MOST_LOG_LINES)
    if launcher.find(launch) is not None:
        printed.extend(told.text for told in launcher.log_lines(launch))
    kept = None if line.run.schedule else schedule_line(store, launcher, line.launch)
    return _Seen(line, tuple(printed), kept)


def _told(seen: _Seen) -> list[str]:
    line, run = seen.line, seen.line.run
    reason = f": {run.reason}" if run.reason else ""
    told = [
        f"{line.pipeline} in {line.environment}, asked for by {line.requester}, "
        f"for {line.cause}",
        f"{run.state.value}{reason}",
        f"took {_seconds(line)} s" if line.elapsed_seconds is not None else "not begun",
    ]
    if seen.schedule is not None:
        told += [*schedule_lines(seen.schedule), *objection_lines(seen.schedule)]
    for step in run.steps:
        status = "" if step.exit_status is None else f", exit status {step.exit_status}"
        told.append(f"  {step.name}: {step.state.value}{status}")
    return [*told, "", *seen.printed]


def _seconds(line: LaunchLine) -> str:
    expected = line.expected_seconds
    about = "" if expected is None else f" of about {expected}"
    return f"{line.elapsed_seconds}{about}"
