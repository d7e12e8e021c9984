"""One launch, as it goes: its state, its steps, what it waits for, what it prints; of a
schedule, what it started.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from connectors.pipelines.fired_runs import schedule_of
from connectors.pipelines.protocols import (
    CanStreamLogs,
    PipelineRun,
    RunState,
)
from console.actions import (
    BACK,
    DECIDING,
    EVERYWHERE,
    FIELDS,
    GO,
    LAUNCH,
    LAUNCHING,
    MOVES,
    bindings,
    quiet,
)
from console.rendering import one_line
from console.screens.asking import Failed
from console.screens.launch_deeds import KnownLaunch, LaunchDeeds
from console.screens.launch_following import LogFollower
from console.screens.launch_text import fired_rows, launch_lines
from console.services.opened import OpenStore, wall_clock
from console.services.pipelines.launch_log import as_declared
from console.services.pipelines.launch_sheet import launch_sheet
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.schedule_standing import planned_schedule
from console.services.pipelines.schedules import ScheduleLine, schedule_line
from console.services.pipelines.viewing import expected_seconds
from console.widgets.followed_log import FindBar, FollowedLog
from console.widgets.keys import KeyBar
from console.widgets.rows import Rows
from console.widgets.title import TitleBar

LOOK_SECONDS = 1.0
READ_EVERY = 5
"""Looks after which the log is read again, where others may have said something."""
_DRAW_SECONDS = 0.2
_FIRED = ("RUN", "STATE", "STARTED", "TOOK")


@dataclass(frozen=True, slots=True)
class _Look:
    """How a launch was when it was looked at."""

    run: PipelineRun | None
    """None: the place has nothing of it."""
    expected: int | None


class LaunchScreen(LaunchDeeds, inherit_bindings=False):
    """Looks again every second until it is over; what was seen last stays in sight."""

    BINDINGS = bindings(
        DECIDING, LAUNCH, LAUNCHING, BACK, EVERYWHERE, quiet(GO), MOVES, FIELDS
    )

    def __init__(self, launch: str) -> None:
        super().__init__(launch)
        self._look_seen: _Look | None = None
        self._schedule: ScheduleLine | None = None
        self._missed = ""
        self._seen_at, self._ticks = wall_clock(), 0
        self._is_looking = self._is_asking_schedule = False
        self._follower = LogFollower(launch)

    def compose(self) -> ComposeResult:
        """Title, how it goes, what it prints or started, keys."""
        yield TitleBar(one_line(f"Launch {self._launch}"))
        with VerticalScroll(id="state"):
            yield Static("reading…", id="words", markup=False)
        yield Rows(*_FIRED, id="fired", longest_cell=60)
        yield FollowedLog(id="printed")
        yield FindBar(placeholder="only lines with this text")
        yield KeyBar()

    def on_mount(self) -> None:
        """Look again and again."""
        self.query_one("#fired").display = False
        self.set_interval(LOOK_SECONDS, self._tick)
        self.set_interval(_DRAW_SECONDS, self._print)

    def on_unmount(self) -> None:
        """Let what follows the log end."""
        self._follower.leave()

    def action_refresh(self) -> None:
        """Read the log again, then look."""
        self.ask(self._read, self._show_known, self._tell_unknown)

    def _tell_unknown(self, problem: Exception) -> None:
        """What was shown stays; where nothing was, the problem stands."""
        if self._known is None:
            self.query_one("#words", Static).update(one_line(str(problem)))
        self.console.tell_problem(problem)

    def _read(self, store: OpenStore) -> KnownLaunch:
        sheet = launch_sheet(store, self._launch)
        is_kept = bool(
            planned_schedule(store, sheet.record.intent)
        ) and not schedule_of(self._launch)
        return KnownLaunch(sheet, launcher_of_all(store).at(sheet.plan), is_kept)

    def _show_known(self, known: KnownLaunch) -> None:
        self._known = known
        self._draw()
        self._look_now()
        if known.is_schedule and not self._is_asking_schedule:
            self._is_asking_schedule = True
            self.ask(self._read_schedule, self._show_schedule, self._miss_schedule)

    def _read_schedule(self, store: OpenStore) -> ScheduleLine | None:
        return schedule_line(store, launcher_of_all(store), self._launch)

    def _show_schedule(self, found: ScheduleLine | None) -> None:
        self._is_asking_schedule, self._schedule = False, found
        self.query_one("#fired", Rows).show(fired_rows(found, wall_clock()))
        self._draw()

    def _miss_schedule(self, problem: Exception) -> None:
        self._is_asking_schedule = False
        self._tell_unknown(problem)

    def _tick(self) -> None:
        run = self._run
        if run is not None and run.state.is_final:
            return
        self._draw()
        self._look_now()
        self._ticks += 1
        is_held = self._known is not None and self._known.sheet.is_held
        is_kept = self._known is not None and self._known.is_schedule
        if self._ticks % READ_EVERY == 0 and (is_held or is_kept):
            self.action_refresh()

    def _look_now(self) -> None:
        if self._known is None or self._is_looking:
            return
        self._is_looking = True
        place, launch, before = self._known.place, self._launch, self._look_seen
        intent = self._known.sheet.record.intent

        def see() -> _Look:
            found = place.find(launch)
            run = None if found is None else as_declared(found, intent)
            if before is not None:
                return _Look(run, before.expected)
            return _Look(run, expected_seconds(place, run) if run else None)

        self.look(see, self._show_look, self._miss)

    def _show_look(self, look: _Look) -> None:
        was_final = self._run is not None and self._run.state.is_final
        self._is_looking, self._missed = False, ""
        self._look_seen, self._seen_at = look, wall_clock()
        self._draw()
        if look.run is None or self._known is None:
            return
        if look.run.state.is_final and not was_final:
            self.refresh_bindings()
        place = self._printing_place
        has_begun = look.run.state is not RunState.SUSPENDED
        if has_begun and place is not None and not self._follower.has_begun:
            self._follower.has_begun = True
            self._follow(place)

    @property
    def _printing_place(self) -> CanStreamLogs | None:
        """Whoever shows what it prints; None: nobody, or it is a schedule."""
        if self._known is None or self._known.is_schedule:
            return None
        place = self._known.place
        return place if isinstance(place, CanStreamLogs) else None

    def _miss(self, problem: Exception) -> None:
        self._is_looking, self._missed = False, str(problem)
        self._draw()

    @property
    def _run(self) -> PipelineRun | None:
        return None if self._look_seen is None else self._look_seen.run

    def _draw(self) -> None:
        """Everything that is known, with its age where that matters."""
        if self._known is None:
            return
        look = self._look_seen
        lines = launch_lines(
            self._known.sheet,
            None if look is None else (look.run, look.expected),
            self._schedule,
            missed=self._missed,
            seen_at=self._seen_at,
            now=wall_clock(),
        )
        can_print = self._printing_place is not None
        if not can_print and not self._known.is_schedule:
            lines.append(f"{self._known.place.backend} tells of no log to be shown")
        is_held = self._run is not None and self._run.state is RunState.SUSPENDED
        self._printed.display = can_print and not is_held
        has_fired = bool(self._schedule and self._schedule.fired)
        fired = self.query_one("#fired")
        if has_fired and not fired.display:
            fired.display = True
            fired.focus()
        self.set_class(not self._printed.display and not has_fired, "-alone")
        text = "\n".join(one_line(line) for line in lines)
        words = self.query_one("#words", Static)
        if str(words.content) != text:
            words.update(text)
            self.refresh_bindings()

    @work(thread=True, exit_on_error=False, group="following")
    def _follow(self, place: CanStreamLogs) -> None:
        def miss(problem: Exception) -> None:
            self.post_message(Failed(self._miss_log, problem))

        self._follower.follow(place, miss)

    def _print(self) -> None:
        self._follower.put_on(self._printed)

    @property
    def _printed(self) -> FollowedLog:
        return self.query_one("#printed", FollowedLog)

    def _miss_log(self, problem: Exception) -> None:
        if self._run is not None and self._run.state is not RunState.SUSPENDED:
            self._missed = str(problem)
            self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """See ActingScreen; nothing is found where there is no log."""
        if action == "find" and self._known is not None:
            return True if self._printing_place else None
        return super().check_action(action, parameters)

    @on(Rows.RowSelected)
    def _open_fired(self, event: Rows.RowSelected) -> None:
        self.app.push_screen(LaunchScreen(str(event.row_key.value)))

    def action_find(self) -> None:
        """Ask for the text that lines are looked for by."""
        self.query_one(FindBar).open()

    @on(FindBar.Submitted)
    def _want(self, event: FindBar.Submitted) -> None:
        found = self._printed.want(event.value)
        event.input.display = bool(event.value)
        self._printed.focus()
        if event.value:
            self.app.notify(f"{found} lines have {event.value!r}", markup=False)
