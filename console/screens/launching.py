"""Launching from the console: a form, then the exact plan and the verdict, then a
signature. What was seen is what is sent, under one id, however often it is asked for.
"""

from __future__ import annotations

from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.widgets import Button, ContentSwitcher, Input, Static

from connectors.pipelines.declarations import CanDeclare, Declaration
from connectors.pipelines.protocols import CanLaunch
from console.actions import CANCEL, DRAFT, FIELDS, bindings
from console.rendering import one_line
from console.screens.asking import AskingScreen, Seen
from console.screens.launch import LaunchScreen
from console.screens.launching_facts import PlannedLaunch, question
from console.screens.signing import SigningAnswer, SigningDialog
from console.services.opened import OpenStore, wall_clock
from console.services.pipelines.declaring import new_id
from console.services.pipelines.drafting import (
    Draft,
    asked_of,
    crontab_of,
    open_place,
)
from console.services.pipelines.launch_places import LaunchPlace, launch_places
from console.services.pipelines.launching import launch, plan_launch
from console.services.pipelines.sending import Launched
from console.services.problems import KNOWN_ERRORS
from console.services.signing import act_as_person, find_key
from console.widgets.keys import KeyBar
from console.widgets.launch_form import LaunchForm
from console.widgets.plan_view import PlanView, said_of
from console.widgets.title import TitleBar

PAUSE_SECONDS = 0.25
"""After the last key, before a project is read again."""
_FORM, _PLAN = "form", "seen"


class LaunchDialog(AskingScreen, inherit_bindings=False):
    """See the module. Nothing is sent before the signature, and nothing twice."""

    BINDINGS = bindings(DRAFT, CANCEL, FIELDS)
    AUTO_FOCUS = "#project Input"

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._first = draft
        self._planned: PlannedLaunch | None = None
        self._reads = self._plans = 0
        """Count what was asked for, so that a late answer to something else is none."""
        self._is_planning = self._is_sending = False
        self._begun, self._doing = wall_clock(), ""
        self._crontab = ""

    def compose(self) -> ComposeResult:
        """Title, the form or the plan, what is wrong, keys."""
        yield TitleBar("Launch")
        with ContentSwitcher(initial=_FORM):
            yield LaunchForm(self._first, self.console.store.clock, id=_FORM)
            yield PlanView(id=_PLAN)
        yield Static("", id="complaint", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Find out where things could be launched."""
        self.set_interval(1.0, self._tell_doing)
        self._reading = self.set_timer(PAUSE_SECONDS, self._read, pause=True)
        store = self.console.store
        self.look(lambda: launch_places(store), self._offer)

    @property
    def _form(self) -> LaunchForm:
        return self.query_one(LaunchForm)

    @property
    def _is_on_form(self) -> bool:
        return self.query_one(ContentSwitcher).current == _FORM

    def _offer(self, places: list[LaunchPlace]) -> None:
        self._form.offer(places)
        self._move()

    @on(LaunchForm.Moved)
    def _move(self) -> None:
        """Read what is meant now, once the typing pauses."""
        self._reads += 1
        if self._is_on_form:
            self._forget_plan()
        self._reading.stop()
        self._reading = self.set_timer(PAUSE_SECONDS, self._read)

    def _read(self) -> None:
        draft, number, store = self._form.draft, self._reads, self.console.store
        place = self._form.place
        if place is None:
            return

        def read() -> tuple[CanLaunch, Declaration | None]:
            launcher = open_place(store, replace(draft, times=None))
            if not draft.project.strip() or not isinstance(launcher, CanDeclare):
                return launcher, None
            return launcher, launcher.declaration(draft.project.strip(), draft.ref)

        def show(found: tuple[CanLaunch, Declaration | None]) -> None:
            self.call_later(self._declare, number, *found)

        def miss(problem: Exception) -> None:
            hint = getattr(problem, "hint", "")
            said = f"{problem}. {hint}" if hint else str(problem)
            self.call_later(self._declare, number, None, None, said)

        self.look(read, show, miss)

    async def _declare(
        self,
        number: int,
        launcher: CanLaunch | None,
        declared: Declaration | None,
        problem: str = "",
    ) -> None:
        """Show what a project declares, unless another is meant by now."""
        if number != self._reads:
            return
        if isinstance(launcher, CanDeclare):
            self._form.keep_to(launcher.takes, launcher.backend)
        await self._form.declare(declared, problem)
        self._show_crontab()

    @on(LaunchForm.Filled)
    def _fill(self) -> None:
        if self._is_on_form:
            self._forget_plan()
            self._show_crontab()

    def _forget_plan(self) -> None:
        """What is planned, or being planned, is not what is meant any more."""
        self._plans += 1
        self._is_planning, self._doing, self._planned = False, "", None
        self._complain("")

    def _show_crontab(self) -> None:
        """Where no place keeps the times, the line that this machine's cron would."""
        self._crontab, why = "", self._form.why_no_schedule()
        told = ""
        wrong = self._form.check() if why else ""
        if wrong:
            told = f"{why}. A line for crontab: {wrong.splitlines()[0]}"
        elif why:
            try:
                self._crontab = crontab_of(self.console.store, self._form.draft)
                told = f"{why}; add this to your crontab (ctrl+y): {self._crontab}"
            except KNOWN_ERRORS as problem:
                told = f"{why}. A line for crontab: {problem}"
        self._form.show_crontab(told)

    def action_copy_line(self) -> None:
        """Copy the line for crontab."""
        if not self._crontab:
            self._complain("There is no line for crontab: fill in times and an id.")
            return
        self.app.copy_to_clipboard(self._crontab)
        self.app.notify("Copied: the line for crontab", markup=False)

    @on(Input.Submitted)
    @on(Button.Pressed, "#plan")
    @on(Button.Pressed, "#again")
    def _plan(self) -> None:
        """Ask what would be sent, and whether it might be."""
        if self._is_planning or self._is_sending:
            return
        wrong = self._form.check()
        if wrong:
            self._complain(f"{wrong.splitlines()[0]}. Nothing was sent.")
            self._form.focus_problem()
            return
        draft = self._form.draft
        self._forget_plan()
        number, self._is_planning = self._plans, True
        self._begin("Planning")

        def plan(store: OpenStore) -> PlannedLaunch:
            asked, launcher = asked_of(store, draft), open_place(store, draft)
            found, judged = plan_launch(store, launcher, asked, "")
            named = replace(asked, launch=asked.launch or new_id(found))
            return PlannedLaunch(named, launcher, found, judged)

        def show(planned: PlannedLaunch) -> None:
            if number == self._plans:
                self._show_plan(planned)

        def miss(problem: Exception) -> None:
            if number == self._plans:
                self._is_planning = False
                self._fail(problem)

        self.ask(plan, show, miss)

    def _show_plan(self, planned: PlannedLaunch) -> None:
        self._is_planning, self._doing, self._planned = False, "", planned
        self._complain("")
        self.query_one(ContentSwitcher).current = _PLAN
        view, environment = self.query_one(PlanView), planned.asked.environment
        view.show(planned.plan, planned.judged, environment)
        self.query_one(TitleBar).say_more("plan and verdict; nothing was sent")

    def action_go_on(self) -> None:
        """From the form to the plan, from the plan to the signature."""
        if self._is_on_form:
            self._plan()
        else:
            self._sign()

    @on(Button.Pressed, "#sign")
    def _sign(self) -> None:
        planned = self._planned
        is_dim = self.query_one("#sign", Button).disabled
        if planned is None or self._is_sending or self.app.screen is not self:
            return
        if self.console.is_read_only or is_dim:
            why = "The console is read-only." if self.console.is_read_only else ""
            self._complain(why or f"{said_of(planned.judged)}. Change the form.")
            return
        self.app.push_screen(SigningDialog(question(planned)), self._send)

    def _send(self, answer: SigningAnswer | None) -> None:
        planned = self._planned
        if answer is None or planned is None or self._is_sending:
            return
        self._is_sending = True
        self._begin("Launching")

        def tell(doing: str) -> None:
            self.post_message(Seen(self._progress, doing))

        def send(store: OpenStore) -> Launched:
            address = find_key(store.places, answer.key, store.configuration.key)
            acting = act_as_person(
                store, store.state(), address, lambda _: answer.passphrase.reveal()
            )
            return launch(store, acting, planned.launcher, planned.to_launch(), tell)

        def miss(problem: Exception) -> None:
            self._is_sending = False
            self._fail(problem)

        self.ask(send, self._show_launched, miss)

    def _progress(self, doing: str) -> None:
        self._doing = f"Launching: {doing}"
        self._tell_doing()

    def _show_launched(self, done: Launched) -> None:
        self._doing, self._is_sending = "", False
        self.pop_until_active()
        told = f"Launched as {done.run.launch}, entry {done.intent.index}"
        self.app.notify(told, markup=False)
        self.app.switch_screen(LaunchScreen(done.run.launch))

    @on(Button.Pressed, "#back")
    @on(Button.Pressed, "#leave")
    def action_cancel(self) -> None:
        """A step back; what is being sent is not left alone."""
        if self._is_sending:
            self._complain("It is being sent; its own screen is where it is ended.")
            return
        self._forget_plan()
        if self._is_on_form:
            if self.is_current:
                self.dismiss()
            return
        self.query_one(ContentSwitcher).current = _FORM
        self.query_one(TitleBar).say_more("")
        self._form.field("project").begin()

    def _begin(self, doing: str) -> None:
        self._begun, self._doing = wall_clock(), doing
        self._tell_doing()

    def _tell_doing(self) -> None:
        if self._doing:
            seconds = round((wall_clock() - self._begun).total_seconds())
            self._complain(f"{self._doing}… {seconds} s")

    def _fail(self, problem: Exception) -> None:
        """What went wrong and the next step stay in sight."""
        self._doing = ""
        hint = getattr(problem, "hint", "")
        self._complain(f"{problem}\n{hint}" if hint else str(problem))

    def _complain(self, text: str) -> None:
        shown = self.query_one("#complaint", Static)
        shown.display = bool(text)
        shown.update("\n".join(map(one_line, text.splitlines())))
