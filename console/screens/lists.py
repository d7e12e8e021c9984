"""Screens that are one list: models, requests, runs, the log."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult

from console.screens.asking import AskingScreen
from console.services import catalogue
from console.services.opened import OpenStore
from console.services.reviewing import all_requests
from console.widgets.keys import KeyBar
from console.widgets.rows import MOST_ROWS, Rows
from console.widgets.title import TitleBar
from policies.workflow import RequestRecord
from store.identifiers import split_key
from store.judgement import IndexedEntry
from store.queries.models import ModelVersion
from store.queries.runs import Run


class ListScreen(AskingScreen):
    """A title, one table, the keys."""

    VIEW = ""
    HEADINGS: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Title, table, keys."""
        yield TitleBar(self.VIEW)
        yield Rows(*self.HEADINGS, id="rows")
        yield KeyBar()

    @property
    def rows(self) -> Rows:
        """The table."""
        return self.query_one("#rows", Rows)


class ModelsScreen(ListScreen):
    """Every version of every model."""

    VIEW = "Models"
    HEADINGS = ("MODEL", "VERSION", "ALIASES", "CREATED", "SOURCE")

    def action_refresh(self) -> None:
        """Ask for all versions."""
        self.ask(catalogue.versions, self._show)

    def _show(self, found: list[ModelVersion]) -> None:
        self.rows.show(
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
    HEADINGS = ("REQUEST", "STATE", "MODEL", "VERSION", "TO", "ANSWERS")

    def action_refresh(self) -> None:
        """Ask for all requests."""
        self.ask(lambda store: all_requests(store, store.state()), self._show)

    def _show(self, found: list[RequestRecord]) -> None:
        self.rows.show(
            [
                (
                    r.id,
                    (
                        r.id[:12],
                        r.state.value,
                        split_key(r.request.model)[1][-1],
                        split_key(r.request.version)[1][-1],
                        r.request.transition.to_stage,
                        ", ".join(a.decision.value for _, a in r.answers),
                    ),
                )
                for r in reversed(found)
            ]
        )

    @on(Rows.RowSelected)
    def _open(self, event: Rows.RowSelected) -> None:
        self.console.open_request(str(event.row_key.value))


class RunsScreen(ListScreen):
    """The newest runs."""

    VIEW = f"Runs (newest {MOST_ROWS})"
    HEADINGS = ("RUN", "NAME", "EXPERIMENT", "STATUS", "STARTED", "USER (CLAIMED)")

    def action_refresh(self) -> None:
        """Ask for the newest runs."""
        self.ask(lambda store: catalogue.runs(store, limit=MOST_ROWS), self._show)

    def _show(self, found: list[Run]) -> None:
        self.rows.show(
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
        self.rows.show(
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
