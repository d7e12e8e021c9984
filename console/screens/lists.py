"""Screens that are one list: models, requests, runs, the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

from console.actions import REQUESTS, bindings
from console.screens.asking import AskingScreen
from console.screens.naming import FileDialog
from console.services import catalogue
from console.services.named_files import read_file
from console.services.opened import OpenStore, parse_time
from console.services.reviewing import all_requests
from console.services.signing_elsewhere import hand_in_answer
from console.widgets.keys import KeyBar
from console.widgets.rows import MOST_ROWS, Rows
from console.widgets.title import TitleBar
from policies.predicates import Decision
from policies.review_pack import LARGEST_ANSWER_BYTES
from policies.workflow import RequestRecord
from store.identifiers import split_key
from store.judgement import IndexedEntry
from store.queries.models import ModelVersion
from store.queries.runs import Run


class ListScreen(AskingScreen):
    """A title, one table, the keys."""

    VIEW = ""
    HEADINGS: tuple[str, ...] = ()
    NEXT_STEP = ""
    """What to do where there is no row yet."""

    def compose(self) -> ComposeResult:
        """Title, table, keys."""
        yield TitleBar(self.VIEW)
        yield Static("reading…", id="hint", classes="hint", markup=False)
        yield Rows(*self.HEADINGS, id="rows")
        yield KeyBar()

    def list_rows(self, rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Put rows in place of those there were, or say what to do."""
        hint = self.query_one("#hint", Static)
        hint.update(self.NEXT_STEP)
        hint.display = bool(self.NEXT_STEP) and not rows
        self.rows.show(rows)

    @property
    def rows(self) -> Rows:
        """The table."""
        return self.query_one("#rows", Rows)


class ModelsScreen(ListScreen):
    """Every version of every model."""

    VIEW = "Models"
    HEADINGS = ("MODEL", "VERSION", "ALIASES", "CREATED", "SOURCE")
    NEXT_STEP = "No model version yet: countersign import ADDRESS"

    def action_refresh(self) -> None:
        """Ask for all versions."""
        self.ask(catalogue.versions, self._show)

    def _show(self, found: list[ModelVersion]) -> None:
        self.list_rows(
            [
                (
                    v.reference,
                    (
                        v.model,
                        v.version,
                        ", ".join(v.aliases),
                        f"{v.created:%Y-%m-%d %H:%M}" if v.created else "-",
                        v.source,
                    ),
                )
                for v in found
            ]
        )

    @on(Rows.RowSelected)
    def _open(self, event: Rows.RowSelected) -> None:
        self.console.open_thing(str(event.row_key.value))


class RequestsScreen(ListScreen):
    """Requests of any state, newest first."""

    VIEW = "Requests"
    HEADINGS = ("REQUEST", "STATE", "MODEL", "TO", "ANSWERS", "WAIVED")
    NEXT_STEP = "Nobody has asked for a stage: open a version (2), then press t"
    BINDINGS = bindings(REQUESTS)

    def action_refresh(self) -> None:
        """Ask for all requests."""
        self.ask(_requests, self._show)

    def _show(self, found: tuple[list[RequestRecord], datetime]) -> None:
        records, now = found
        self.list_rows(
            [
                (
                    r.id,
                    (
                        r.id[:8],
                        r.state.value,
                        "@".join(split_key(r.request.version)[1][-2:]),
                        r.request.transition.to_stage,
                        _answers(r),
                        _waived(r, now),
                    ),
                )
                for r in reversed(records)
            ]
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim what changes the store where nothing may."""
        return None if action == "hand_in" and self.console.is_read_only else True

    def action_hand_in(self) -> None:
        """Ask for a file that was signed elsewhere, and hand it in."""
        self.app.push_screen(FileDialog("Hand in the signed answer in"), self._hand_in)

    def _hand_in(self, name: str | None) -> None:
        if name is None:
            return
        path = Path(name).expanduser()

        def hand_in(store: OpenStore) -> str:
            data = read_file(path, LARGEST_ANSWER_BYTES)
            index, is_new = hand_in_answer(store, data)
            return f"Entry {index}" if is_new else f"Entry {index} has it already"

        self.ask(hand_in, self._tell)

    def _tell(self, message: str) -> None:
        self.app.notify(message, markup=False)
        self.action_refresh()

    @on(Rows.RowSelected)
    def _open(self, event: Rows.RowSelected) -> None:
        self.console.open_request(str(event.row_key.value))


def _requests(store: OpenStore) -> tuple[list[RequestRecord], datetime]:
    return all_requests(store, store.state()), store.clock()


def _answers(record: RequestRecord) -> str:
    """How many decided which way."""
    decisions = Counter(approval.decision for _, approval in record.answers)
    said = [
        f"{decisions[decision]} {word}"
        for decision, word in ((Decision.APPROVE, "for"), (Decision.REJECT, "against"))
        if decisions[decision]
    ]
    return ", ".join(said) or "none"


def _waived(record: RequestRecord, now: datetime) -> str:
    """How many rules somebody answers for now; or that it ended."""
    if not record.waivers:
        return ""
    lasting = [w for _, w in record.waivers if parse_time(w.expires) > now]
    if not lasting:
        return "ended"
    rules = {rule for waiver in lasting for rule in waiver.rules}
    return f"{len(rules)} rule{'' if len(rules) == 1 else 's'}"


class RunsScreen(ListScreen):
    """The newest runs."""

    VIEW = f"Runs (newest {MOST_ROWS})"
    HEADINGS = ("RUN", "NAME", "EXPERIMENT", "STATUS", "STARTED", "USER (CLAIMED)")
    NEXT_STEP = "No run yet: countersign import ADDRESS"

    def action_refresh(self) -> None:
        """Ask for the newest runs."""
        self.ask(lambda store: catalogue.runs(store, limit=MOST_ROWS), self._show)

    def _show(self, found: list[Run]) -> None:
        self.list_rows(
            [
                (
                    f"run:{r.native_id}",
                    (
                        r.native_id[:8],
                        r.name,
                        r.experiment,
                        r.status,
                        f"{r.started:%Y-%m-%d %H:%M}" if r.started else "-",
                        r.user,
                    ),
                )
                for r in found
            ]
        )

    @on(Rows.RowSelected)
    def _open(self, event: Rows.RowSelected) -> None:
        self.console.open_thing(str(event.row_key.value))


class LogScreen(ListScreen):
    """The newest entries of the log."""

    VIEW = f"Log (newest {MOST_ROWS})"
    HEADINGS = ("INDEX", "STANDING", "TYPE", "SIGNER", "STATEMENT", "WHY")

    def action_refresh(self) -> None:
        """Ask for the newest entries."""
        self.ask(_newest_entries, self._show)

    def _show(self, found: list[IndexedEntry]) -> None:
        self.list_rows(
            [
                (
                    str(e.index),
                    (
                        str(e.index),
                        e.judgement.standing.value,
                        e.judgement.predicate_type.rpartition("attestation/")[2],
                        e.judgement.signer,
                        e.judgement.statement_id[:12],
                        e.judgement.reason,
                    ),
                )
                for e in reversed(found)
            ]
        )


def _newest_entries(store: OpenStore) -> list[IndexedEntry]:
    return store.index.entries(max(0, store.index.size - MOST_ROWS))
