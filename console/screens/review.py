"""One request: the exact text that is signed, who signed, and the dialog to sign."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from console.actions import (
    BACK,
    EVERYWHERE,
    GO,
    MOVES,
    REVIEW,
    bindings,
    quiet,
)
from console.rendering import one_line, printable
from console.screens.asking import AskingScreen
from console.screens.signing import SigningAnswer, SigningDialog, SigningQuestion
from console.services import promoting, reviewing, signoff
from console.services.opened import OpenStore
from console.services.reviewing import ReviewSheet
from console.services.signing import act_as_person, find_key
from console.widgets.keys import KeyBar
from console.widgets.title import TitleBar
from policies.predicates import Decision
from policies.workflow import RequestState
from store.identifiers import split_key


@dataclass(frozen=True, slots=True)
class Shown:
    """A sheet with who answered it."""

    sheet: ReviewSheet
    answers: tuple[tuple[str, str, str, str], ...]


class ReviewScreen(AskingScreen, inherit_bindings=False):
    """The review text, scrolled; signing asks for key, passphrase and name."""

    BINDINGS = bindings(REVIEW, BACK, EVERYWHERE, quiet(GO), MOVES)

    def __init__(self, request_id: str) -> None:
        super().__init__()
        self._request_id = request_id
        self._shown: Shown | None = None

    def compose(self) -> ComposeResult:
        """Title, what stands outside the text, the text, keys."""
        yield TitleBar(f"Request {self._request_id[:12]}")
        yield Static("reading…", id="outside", markup=False)
        with VerticalScroll(id="paper"):
            yield Static("", id="text", markup=False)
        yield KeyBar()

    def action_refresh(self) -> None:
        """Ask for the sheet."""
        self.ask(self._question, self._show)

    def _question(self, store: OpenStore) -> Shown:
        state = store.state()
        record = reviewing.find_request(store, self._request_id, state)
        sheet = reviewing.review_sheet(store, record, state)
        return Shown(sheet, tuple(reviewing.signers_of(store, record, state)))

    def _show(self, shown: Shown) -> None:
        self._shown = shown
        sheet = shown.sheet
        lines = [
            f"State: {sheet.record.state.value}.  Short code: {sheet.short_code}.  "
            f"Still wanted: {', '.join(sheet.pending) or 'nothing'}."
        ]
        lines += [
            one_line(f"{decision} by {name} as {role} at {at} (claimed)")
            for name, role, decision, at in shown.answers
        ]
        self.query_one("#outside", Static).update("\n".join(lines))
        self.query_one("#text", Static).update(printable(sheet.text))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim what cannot be done now; pressing the key still says why."""
        if action in ("decide", "promote") and self._why_not(action):
            return None
        return True

    def _why_not(self, action: str) -> str:
        if self.console.is_read_only:
            return "the console is read-only"
        if self._shown is None:
            return "the request is still being read"
        state = self._shown.sheet.record.state
        if action == "decide" and state is not RequestState.OPEN:
            return f"the request is {state.value}"
        if action == "promote" and state not in (
            RequestState.OPEN,
            RequestState.PROMOTING,
        ):
            return f"the request is {state.value}"
        return ""

    def action_decide(self, decision: str) -> None:
        """Open the dialog for an approval or a rejection."""
        if self._shown is not None:
            sheet = self._shown.sheet
            question = self._question_for(decision, sheet, "Signs")
            self.app.push_screen(
                SigningDialog(question),
                lambda answer: self._sign(Decision(decision), answer),
            )

    def action_promote(self) -> None:
        """Open the dialog for carrying the request out."""
        if self._shown is not None:
            question = self._question_for("promote", self._shown.sheet, "Carries out")
            self.app.push_screen(SigningDialog(question), self._promote)

    def _question_for(
        self, verb: str, sheet: ReviewSheet, what: str
    ) -> SigningQuestion:
        request = sheet.record.request
        model, version = split_key(request.version)[1][-2:]
        return SigningQuestion(
            verb=verb,
            name=model,
            facts=(
                f"{what}: {verb} {model} version {version}",
                f"Transition: {request.transition}",
                f"Policy: {sheet.policy.id} version {sheet.policy.version}",
                f"Still wanted: {', '.join(sheet.pending) or 'nothing'}",
                f"Manifest: {request.manifest}",
                f"Short code of the text: {sheet.short_code}",
            ),
            needs_reason=verb != "promote",
        )

    def _sign(self, decision: Decision, answer: SigningAnswer | None) -> None:
        if answer is None or self._shown is None:
            return
        sheet = self._shown.sheet

        def question(store: OpenStore) -> str:
            acting = act_as_person(
                store,
                store.state(),
                find_key(store.places, answer.key, store.configuration.key),
                lambda _: answer.passphrase.reveal(),
            )
            done = signoff.answer_request(store, acting, sheet, decision, answer.reason)
            return f"Signed: {decision.value}, entry {done.index}"

        self.ask(question, self._tell)

    def _promote(self, answer: SigningAnswer | None) -> None:
        if answer is None or self._shown is None:
            return
        record = self._shown.sheet.record

        def question(store: OpenStore) -> str:
            acting = act_as_person(
                store,
                store.state(),
                find_key(store.places, answer.key, store.configuration.key),
                lambda _: answer.passphrase.reveal(),
            )
            done = promoting.promote(store, acting, record)
            return f"Promotion: {done.kind.value}, entry {done.outcome.index}"

        self.ask(question, self._tell)

    def _tell(self, message: str) -> None:
        self.app.notify(message, markup=False)
        self.action_refresh()
