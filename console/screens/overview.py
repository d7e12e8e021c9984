"""The first screen: what is in production, what waits for whom, what is wrong."""

from __future__ import annotations

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from console.screens.asking import AskingScreen
from console.services.standing import MOST_SCANNED, Overview, overview
from console.widgets.keys import KeyBar
from console.widgets.rows import Rows
from console.widgets.title import TitleBar


class OverviewScreen(AskingScreen):
    """Three questions, and rows that open what they name."""

    def compose(self) -> ComposeResult:
        """Title, three tables, keys."""
        yield TitleBar("Overview")
        with VerticalScroll():
            yield Static("In a stage, by the log", classes="heading", markup=False)
            yield Rows("MODEL", "VERSION", "STAGE", "ENVIRONMENT", "SINCE", id="held")
            yield Static("Waiting", classes="heading", markup=False)
            yield Rows("REQUEST", "MODEL", "TO", "WAITS FOR", id="waiting")
            yield Static("Wrong", classes="heading", markup=False)
            yield Rows("WHERE", "WHAT", "NEXT STEP", id="wrong", longest_cell=62)
        yield KeyBar()

    def action_refresh(self) -> None:
        """Ask for the whole overview."""
        self.ask(overview, self._show)

    def _show(self, found: Overview) -> None:
        name = _namer(found)
        self.query_one("#held", Rows).show(
            [
                (
                    f"model:{h.model}@{h.version}#{h.stage}#{h.environment}",
                    (
                        name(h.model),
                        h.version,
                        h.stage.upper() if h.stage == "production" else h.stage,
                        h.environment,
                        h.at[:16].replace("T", " "),
                    ),
                )
                for h in found.held
            ]
        )
        self.query_one("#waiting", Rows).show(
            [
                (
                    w.id,
                    (
                        w.id[:12],
                        f"{name(w.model)}@{w.version}",
                        w.to_stage,
                        ", ".join(w.waits_for),
                    ),
                )
                for w in found.waiting
            ]
        )
        self.query_one("#wrong", Rows).show(_wrong(found, name))
        self.console.entries = found.entries

    @on(Rows.RowSelected, "#held")
    def _open_thing(self, event: Rows.RowSelected) -> None:
        self.console.open_thing(str(event.row_key.value).partition("#")[0])

    @on(Rows.RowSelected, "#waiting")
    def _open_request(self, event: Rows.RowSelected) -> None:
        self.console.open_request(str(event.row_key.value))

    @on(Rows.RowSelected, "#wrong")
    def _open_wrong(self, event: Rows.RowSelected) -> None:
        reference = str(event.row_key.value).partition("#")[0]
        if reference.startswith("model:"):
            self.console.open_thing(reference)


def _namer(found: Overview) -> Callable[[str], str]:
    """How models are called: without their source while there is only one."""
    models = [h.model for h in found.held] + [w.model for w in found.waiting]
    models += [c.model for c in found.unapproved]
    sources = {model.partition("/")[0] for model in models}
    sources |= {scanned.version.source for scanned in found.scanned}
    if len(sources) > 1:
        return str
    return lambda model: model.partition("/")[2]


def _wrong(
    found: Overview, name: Callable[[str], str]
) -> list[tuple[str, tuple[str, str, str]]]:
    rows = [
        (
            f"model:{c.model}@{c.registry or c.approved}#unapproved#{c.environment}",
            (
                name(c.model),
                f"unapproved: {c.stage} is {c.registry or 'empty'}, "
                f"the log says {c.approved or 'none'}",
                "move the alias back, or request it",
            ),
        )
        for c in found.unapproved
    ]
    for scanned in found.scanned:
        version = scanned.version
        rows += [
            (
                f"{version.reference}#{gap.code}#{position}",
                (
                    f"{name(f'{version.source}/{version.model}')}@{version.version}",
                    gap.text,
                    gap.remedy,
                ),
            )
            for position, gap in enumerate(scanned.gaps)
        ]
    if len(found.scanned) == MOST_SCANNED:
        rows.append(
            (
                "more",
                (
                    "the registry",
                    f"only {MOST_SCANNED} versions were looked at",
                    "countersign scan SOURCE looks at all",
                ),
            )
        )
    if found.unusable_batches:
        rows.append(
            (
                "batches",
                (
                    "the log",
                    f"{found.unusable_batches} batches of facts that are none",
                    "countersign doctor names them",
                ),
            )
        )
    if found.void_entries:
        rows.append(
            (
                "void",
                ("the log", f"{found.void_entries} void entries", "see the log (5)"),
            )
        )
    return rows
