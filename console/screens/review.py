"""One request: the exact text that is signed, who signed, and the dialogs to sign."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from console.actions import (
    ANSWERING,
    BACK,
    EVERYWHERE,
    GO,
    MOVES,
    REVIEW,
    bindings,
    quiet,
)
from console.rendering import one_line, printable
from console.screens.acting import ActingScreen
from console.screens.naming import FileDialog
from console.screens.signing import Blank, SigningAnswer, SigningQuestion
from console.services import currency, promoting, reviewing, signoff, waiving
from console.services.currency import ASK_ANEW
from console.services.named_files import write_new
from console.services.opened import OpenStore
from console.services.reviewing import ReviewSheet
from console.services.signing import Acting
from console.services.signing_elsewhere import make_pack
from console.widgets.keys import KeyBar
from console.widgets.title import TitleBar
from policies.predicates import Decision
from policies.verdict import Node
from policies.workflow import RequestState
from store.identifiers import split_key


@dataclass(frozen=True, slots=True)
class Shown:
    """A sheet with who answered it."""

    sheet: ReviewSheet
    answers: tuple[tuple[str, str, str, str], ...]
    waivers: tuple[str, ...]
    """Each as a sentence: what is waived, by whom, until when."""
    stale: str
    """Why an approval would count for nothing, or empty."""
    waivable: tuple[Node, ...]
    """Rules that are not met and may be waived."""


class ReviewScreen(ActingScreen, inherit_bindings=False):
    """The review text, scrolled; signing asks for key, passphrase and name."""

    BINDINGS = bindings(REVIEW, ANSWERING, BACK, EVERYWHERE, quiet(GO), MOVES)
    SIGNS = frozenset({"decide", "promote", "waive", "withdraw"})

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
        return Shown(
            sheet,
            tuple(reviewing.signers_of(store, record, state)),
            tuple(reviewing.waivers_of(store, record, sheet.policy, state)),
            currency.why_stale(store, record),
            waiving.waivable(store, sheet),
        )

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
        lines += [one_line(waiver) for waiver in shown.waivers]
        if shown.stale and sheet.record.state is RequestState.OPEN:
            lines.append(one_line(f"No approval counts: {shown.stale}. {ASK_ANEW}"))
        self.query_one("#outside", Static).update("\n".join(lines))
        self.query_one("#text", Static).update(printable(sheet.text))
        self.refresh_bindings()

    def why_not(self, action: str) -> str:
        """See ActingScreen."""
        if self._shown is None:
            return "the request is still being read"
        state = self._shown.sheet.record.state
        if action in ("decide", "withdraw") and state is not RequestState.OPEN:
            return f"the request is {state.value}"
        if action == "promote" and state not in (
            RequestState.OPEN,
            RequestState.PROMOTING,
        ):
            return f"the request is {state.value}"
        if action == "waive" and state is RequestState.WITHDRAWN:
            return f"the request is {state.value}"
        if action == "waive" and not self._shown.waivable:
            return "no rule that may be waived is unmet"
        return ""

    def action_decide(self, decision: str) -> None:
        """Open the dialog for an approval or a rejection."""
        if self._shown is None:
            return
        sheet = self._shown.sheet
        if decision == Decision.APPROVE.value and self._shown.stale:
            self.notify(f"{self._shown.stale}. {ASK_ANEW}", severity="warning")
            return

        def decide(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
            chosen = Decision(decision)
            done = signoff.answer_request(store, acting, sheet, chosen, answer.reason)
            return f"Signed: {decision}, entry {done.index}"

        self.sign(_question_for(decision, sheet, "Signs"), decide)

    def action_promote(self) -> None:
        """Open the dialog for carrying the request out."""
        if self._shown is None:
            return
        sheet = self._shown.sheet

        def promote(store: OpenStore, acting: Acting, _: SigningAnswer) -> str:
            done = promoting.promote(store, acting, sheet.record)
            return f"Promotion: {done.kind.value}, entry {done.outcome.index}"

        self.sign(_question_for("promote", sheet, "Carries out"), promote)

    def action_waive(self) -> None:
        """Open the dialog for answering by name for rules that are not met."""
        if self._shown is None:
            return
        sheet, unmet = self._shown.sheet, self._shown.waivable
        terms = sheet.policy.waivers
        days = terms.longest_days if terms else 0
        blanks = (
            Blank(
                "rules",
                "those you answer for, with commas",
                ", ".join(n.rule for n in unmet),
            ),
            Blank("until", f"a date; empty: {days} days from now", is_needed=False),
        )
        more = tuple(f"Not met: {n.rule}: {n.observed} ({n.wanted})" for n in unmet)
        question = _question_for("waive", sheet, "Answers for", blanks, more)

        def waive(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
            rules = tuple(name.strip() for name in answer.filled["rules"].split(","))
            draft = waiving.draft_waiver(
                store, acting, sheet, rules, expires=answer.filled["until"].strip()
            )
            done = waiving.waive(store, acting, sheet, draft, answer.reason)
            return f"Waived until {draft.until:%Y-%m-%d}, entry {done.index}"

        self.sign(question, waive)

    def action_withdraw(self) -> None:
        """Open the dialog for taking the request back."""
        if self._shown is None:
            return
        sheet = self._shown.sheet

        def withdraw(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
            what = f"request:{sheet.record.id}"
            done = signoff.withdraw(store, acting, what, answer.reason)
            return f"Withdrawn, entry {done.index}"

        self.sign(_question_for("withdraw", sheet, "Takes back"), withdraw)

    def action_write_pack(self) -> None:
        """Ask for a file's name and write the request out for somebody elsewhere."""
        if self._shown is not None:
            name = f"{self._shown.sheet.record.id[:12]}.review"
            self.app.push_screen(FileDialog("Write the request to", name), self._write)

    def _write(self, name: str | None) -> None:
        if name is None or self._shown is None:
            return
        record, target = self._shown.sheet.record, Path(name).expanduser()

        def write(store: OpenStore) -> str:
            write_new(target, make_pack(store, record))
            return f"Wrote {target}. There: countersign approve --from {target}"

        self.ask(write, self.tell)


def _question_for(
    verb: str,
    sheet: ReviewSheet,
    what: str,
    blanks: tuple[Blank, ...] = (),
    more: tuple[str, ...] = (),
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
            *more,
        ),
        needs_reason=verb != "promote",
        blanks=blanks,
    )
