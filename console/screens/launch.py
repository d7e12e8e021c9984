"""One launch, as it goes: its state, its steps, what it waits for, what it prints."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from connectors.pipelines.fired_runs import schedule_of
from connectors.pipelines.protocols import (
    CanCancel,
    CanLaunch,
    CanStreamLogs,
    LogLine,
    PipelineRun,
    RunState,
)
from console.actions import (
    BACK,
    DECIDING,
    EVERYWHERE,
    GO,
    LAUNCH,
    MOVES,
    bindings,
    quiet,
)
from console.rendering import one_line
from console.screens.acting import ActingScreen
from console.screens.asking import Failed
from console.screens.confirming import ConfirmDialog
from console.screens.launch_text import headline, sheet_lines, step_lines
from console.screens.signing import SigningAnswer, SigningQuestion
from console.services.opened import OpenStore, wall_clock
from console.services.pipelines.every_place import ASKING_THE_LOG
from console.services.pipelines.launch_log import as_declared
from console.services.pipelines.launch_sheet import LaunchSheet, launch_sheet
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.launching import launch as launch_pipeline
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.repeating import once_more
from console.services.pipelines.schedule_words import (
    objection_lines,
    schedule_lines,
)
from console.services.pipelines.schedules import ScheduleLine, schedule_line
from console.services.pipelines.viewing import expected_seconds
from console.services.problems import KNOWN_ERRORS
from console.services.signing import Acting
from console.widgets.keys import KeyBar
from console.widgets.run_log import MOST_LINES, FindBar, RunLog
from console.widgets.title import TitleBar
from policies.predicates import Decision

LOOK_SECONDS = 1.0
READ_EVERY = 5
"""Looks after which the log is read again, where others may have said something."""
GRACE_SECONDS = 10.0
_DRAW_SECONDS = 0.2
_RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Known:
    """What the log has of a launch, and who shows how it goes."""

    sheet: LaunchSheet
    place: CanLaunch
    schedule: ScheduleLine | None
    """Where it is one that is kept by its place."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How a launch was when it was looked at."""

    run: PipelineRun | None
    """None: the place has nothing of it."""
    expected: int | None


class LaunchScreen(ActingScreen, inherit_bindings=False):
    """Looks again every second until it is over; what was seen last stays in sight."""

    BINDINGS = bindings(DECIDING, LAUNCH, BACK, EVERYWHERE, quiet(GO), MOVES)
    SIGNS = frozenset({"decide", "start", "cancel_run", "repeat"})

    def __init__(self, launch: str) -> None:
        super().__init__()
        self._launch = launch
        self._known: _Known | None = None
        self._look_seen: _Look | None = None
        self._missed = ""
        self._seen_at, self._ticks = wall_clock(), 0
        self._is_looking = self._is_following = False
        self._is_left = threading.Event()
        self._come: deque[LogLine | None] = deque(maxlen=MOST_LINES)
        """Lines of the log that are not on the screen yet; None: it begins anew."""

    def compose(self) -> ComposeResult:
        """Title, how it goes, what it prints, keys."""
        yield TitleBar(one_line(f"Launch {self._launch}"))
        with VerticalScroll(id="state"):
            yield Static("reading…", id="words", markup=False)
        yield RunLog(id="printed")
        yield FindBar(placeholder="only lines with this text")
        yield KeyBar()

    def on_mount(self) -> None:
        """Look again and again."""
        self.set_interval(LOOK_SECONDS, self._tick)
        self.set_interval(_DRAW_SECONDS, self._print)

    def on_unmount(self) -> None:
        """Let what follows the log end."""
        self._is_left.set()

    def action_refresh(self) -> None:
        """Read the log again, then look."""
        self.ask(self._read, self._show_known, self._tell_unknown)

    def _tell_unknown(self, problem: Exception) -> None:
        """What was shown stays; where nothing was, the problem stands."""
        if self._known is None:
            self.query_one("#words", Static).update(one_line(str(problem)))
        self.console.tell_problem(problem)

    def _read(self, store: OpenStore) -> _Known:
        sheet, everywhere = launch_sheet(store, self._launch), launcher_of_all(store)
        is_fired = bool(schedule_of(self._launch))
        kept = None if is_fired else schedule_line(store, everywhere, self._launch)
        return _Known(sheet, everywhere.at(sheet.plan), kept)

    def _show_known(self, known: _Known) -> None:
        self._known = known
        self._draw()
        self._look_now()

    def _tick(self) -> None:
        run = self._run
        if run is not None and run.state.is_final:
            return
        self._draw()
        self._look_now()
        self._ticks += 1
        is_held = self._known is not None and self._known.sheet.is_held
        is_schedule = self._known is not None and self._known.schedule is not None
        if self._ticks % READ_EVERY == 0 and (is_held or is_schedule):
            self.action_refresh()

    def _look_now(self) -> None:
        if self._known is None or self._is_looking:
            return
        self._is_looking = True
        place, launch, before = self._known.place, self._launch, self._look_seen
        intent = self._known.sheet.record.intent

        def see() -> _Look:
            with self._turn_of(place):
                found = place.find(launch)
                run = None if found is None else as_declared(found, intent)
                if before is not None:
                    return _Look(run, before.expected)
                return _Look(run, expected_seconds(place, run) if run else None)

        self.look(see, self._show_look, self._miss)

    def _turn_of(self, place: CanLaunch) -> AbstractContextManager[object]:
        """The turn of questions to the store, where a place asks it as well."""
        is_asking = place.backend in ASKING_THE_LOG
        return self.console.turn if is_asking else nullcontext()

    def _show_look(self, look: _Look) -> None:
        was_final = self._run is not None and self._run.state.is_final
        self._is_looking, self._missed = False, ""
        self._look_seen, self._seen_at = look, wall_clock()
        self._draw()
        if look.run is None or self._known is None:
            return
        if look.run.state.is_final and not was_final:
            self.refresh_bindings()
        place = self._known.place
        has_begun = look.run.state is not RunState.SUSPENDED
        if has_begun and not self._is_following and isinstance(place, CanStreamLogs):
            self._is_following = True
            self._follow(place)

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
        now, look, lines = wall_clock(), self._look_seen, []
        if look is not None and look.run is not None:
            lines.append(headline(look.run, look.expected, now))
        elif look is not None:
            lines.append(self._known.sheet.unseen)
        elif not self._missed:
            lines.append("looking…")
        if self._missed:
            ago = round((now - self._seen_at).total_seconds())
            since = f"as seen {ago} s ago" if look is not None else "not seen yet"
            lines.append(f"{since}; {self._missed}")
        if look is not None and look.run is not None:
            lines += step_lines(look.run.steps, now)
        if self._known.schedule is not None:
            lines += schedule_lines(self._known.schedule)
            lines += objection_lines(self._known.schedule)
        lines += sheet_lines(self._known.sheet)
        if not isinstance(self._known.place, CanStreamLogs):
            lines.append(f"{self._known.place.backend} tells of no log to be shown")
        is_held = self._run is not None and self._run.state is RunState.SUSPENDED
        can_print = isinstance(self._known.place, CanStreamLogs) and not is_held
        self._printed.display = can_print
        self.set_class(not can_print, "-alone")
        text = "\n".join(one_line(line) for line in lines)
        words = self.query_one("#words", Static)
        if str(words.content) != text:
            words.update(text)
            self.refresh_bindings()

    @work(thread=True, exit_on_error=False, group="following")
    def _follow(self, place: CanStreamLogs) -> None:
        """Show what it prints until it is over or the screen is left.

        A place that fails is asked again, from the beginning.
        """
        while not self._is_left.is_set():
            self._come.append(None)
            try:
                for line in place.log_lines(
                    self._launch, follow=True, stop=self._is_left.is_set
                ):
                    self._come.append(line)
            except KNOWN_ERRORS as problem:
                self.post_message(Failed(self._miss_log, problem))
                self._is_left.wait(_RETRY_SECONDS)
            else:
                return

    def _print(self) -> None:
        """Put on the screen what has come of the log."""
        lines: list[str] = []
        while self._come:
            line = self._come.popleft()
            if line is None:
                self._printed.forget()
                lines.clear()
            else:
                lines.append(f"{line.at:%H:%M:%S} {line.step}  {line.text}")
        if lines:
            self._printed.add(lines)

    @property
    def _printed(self) -> RunLog:
        return self.query_one("#printed", RunLog)

    def _miss_log(self, problem: Exception) -> None:
        if self._run is not None and self._run.state is not RunState.SUSPENDED:
            self._missed = str(problem)
            self._draw()

    def why_not(self, action: str) -> str:
        """See ActingScreen."""
        if self._known is None:
            return "it is still being looked at"
        sheet = self._known.sheet
        if action == "decide":
            return sheet.why_no_decision(self._run)
        if action == "start":
            return sheet.why_no_start(self._run)
        if self._run is None:
            return "nothing of it is here" if self._look_seen else "it is looked at"
        state = self._run.state
        if action == "cancel_run":
            if not isinstance(self._known.place, CanCancel):
                return f"{self._known.place.backend} cancels nothing"
            return f"it is {state.value}" if state.is_final else ""
        if action == "repeat":
            return "" if state.is_final else f"it is {state.value}"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """See ActingScreen; nothing is found where there is no log."""
        if action == "find" and self._known is not None:
            return True if isinstance(self._known.place, CanStreamLogs) else None
        return super().check_action(action, parameters)

    def action_decide(self, decision: str) -> None:
        """Open the dialog for releasing it, or for saying that it must not go."""
        chosen = Decision(decision)

        def decide(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
            done = release(
                store,
                acting,
                launcher_of_all(store),
                self._launch,
                Decided(chosen, answer.reason),
            )
            entry = f"entry {done.signed.index}" if done.signed else "nothing"
            if done.launched is not None:
                return f"Signed: {decision}, {entry}; it was started"
            return f"Signed: {decision}, {entry}. {done.waits_for}".strip()

        self.sign(self._question(decision, needs_reason=True), decide)

    def action_start(self) -> None:
        """Open the dialog for starting what others released."""

        def start(store: OpenStore, acting: Acting, _: SigningAnswer) -> str:
            release(store, acting, launcher_of_all(store), self._launch, None)
            return "It was started"

        self.sign(self._question("start", needs_reason=False), start)

    def action_repeat(self) -> None:
        """Open the dialog for launching exactly the same once more."""

        def repeat(store: OpenStore, acting: Acting, _: SigningAnswer) -> str:
            place = launcher_of_all(store).of(self._launch)
            asked = once_more(store, place, self._launch)
            done = launch_pipeline(store, acting, place, asked)
            return f"Launched as {done.run.launch}, entry {done.intent.index}"

        self.sign(self._question("launch", needs_reason=False), repeat)

    def _question(self, verb: str, *, needs_reason: bool) -> SigningQuestion:
        assert self._known is not None  # noqa: S101 - dimmed before it was read
        sheet = self._known.sheet
        intent = sheet.record.intent
        policy = sheet.judged.policy if sheet.judged else None
        given = ", ".join(f"{name}={value}" for name, value in sheet.plan.parameters)
        return SigningQuestion(
            verb=verb,
            name=intent.pipeline,
            facts=(
                f"{verb.capitalize()} the launch {self._launch}",
                f"Pipeline: {intent.pipeline} in {intent.environment}",
                f"Policy: {f'{policy.id} version {policy.version}' if policy else '-'}",
                f"Plan: {intent.definition[:16]}  Parameters: {given or 'none'}",
                *(f"Image: {image}" for image in sheet.plan.images),
            ),
            needs_reason=needs_reason,
            kind="pipeline",
        )

    def action_cancel_run(self) -> None:
        """Ask once more, then end it."""
        if self._known is None or self._run is None:
            return
        said = (
            f"Ends the launch {self._launch}, which is {self._run.state.value}.",
            f"Its processes are asked to end, and killed after {GRACE_SECONDS:.0f} s.",
            "It is never started again under this id.",
        )
        self.app.push_screen(
            ConfirmDialog(said, keep="Let it run", do="End it"), self._cancel
        )

    def _cancel(self, is_sure: bool | None) -> None:
        place = self._known.place if self._known else None
        if not is_sure or not isinstance(place, CanCancel):
            return
        self.app.notify("Ending it…", markup=False)

        def end() -> PipelineRun:
            with self._turn_of(place):
                return place.cancel(self._launch, grace_seconds=GRACE_SECONDS)

        def ended(run: PipelineRun) -> None:
            self.tell(f"{self._launch} is {run.state.value}; nothing of it is left")

        self.look(end, ended)

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
