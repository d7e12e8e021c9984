"""The first screen: what is in production, what waits for whom, what is wrong."""

from __future__ import annotations

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from console.rendering import one_line
from console.screens.asking import AskingScreen
from console.services.scanning import Scanned
from console.services.standing import (
    MOST_SCANNED,
    LogOverview,
    RegistryOverview,
    incomplete_records,
    log_overview,
    registry_overview,
)
from console.widgets.keys import KeyBar
from console.widgets.rows import Rows
from console.widgets.title import TitleBar
from policies.document import PIPELINE_PREFIX

_LAUNCH = "launch#"
"""What the keys of rows about launches begin with."""
_Row = tuple[str, tuple[str, str, str]]


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
        yield Static("", id="next", markup=False)
        yield KeyBar()

    def __init__(self) -> None:
        super().__init__()
        self._log: LogOverview | None = None
        self._registry: RegistryOverview | None = None
        self._scanned: list[Scanned] = []
        self._wrong_rows: dict[str, tuple[str, str, str]] = {}

    def action_refresh(self) -> None:
        """Ask for what the log says, then for what takes longer."""
        self.ask(log_overview, self._show_log)
        self.ask(registry_overview, self._show_registry)
        self.ask(incomplete_records, self._show_scanned)

    def _show_log(self, found: LogOverview) -> None:
        self._log = found
        self.console.entries = found.entries
        self._show()

    def _show_registry(self, found: RegistryOverview) -> None:
        self._registry = found
        self._show()

    def _show_scanned(self, found: list[Scanned]) -> None:
        self._scanned = found
        self._show()

    def _show(self) -> None:
        """Whatever is known so far."""
        if self._log is None:
            return
        name = self._namer(self._log)
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
                for h in self._log.held
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
                for w in self._log.waiting
            ]
            + [
                (
                    f"{_LAUNCH}{one.launch}",
                    (
                        one.launch[:24],
                        f"{PIPELINE_PREFIX}{one.pipeline}",
                        one.stage,
                        ", ".join(one.waits_for),
                    ),
                )
                for one in self._log.launches
            ]
        )
        wrong = self._wrong(self._log, name)
        self._wrong_rows = dict(wrong)
        self.query_one("#wrong", Rows).show(wrong)

    def _namer(self, log: LogOverview) -> Callable[[str], str]:
        """How models are called: without their source while there is only one."""
        models = [h.model for h in log.held] + [w.model for w in log.waiting]
        models += [c.model for c in self._registry.unapproved] if self._registry else []
        sources = {model.partition("/")[0] for model in models}
        sources |= {scanned.version.source for scanned in self._scanned}
        if len(sources) > 1:
            return str
        return lambda model: model.partition("/")[2]

    def _wrong(self, log: LogOverview, name: Callable[[str], str]) -> list[_Row]:
        rows = _unapproved(self._registry, name) + _gaps(self._scanned, name)
        if self._registry and self._registry.unusable_batches:
            many = self._registry.unusable_batches
            text = f"{many} batches of facts that are none"
            rows.append(("batches", ("the log", text, "countersign doctor names them")))
        if log.void_entries:
            text = f"{log.void_entries} void entries"
            rows.append(("void", ("the log", text, "see the log (5)")))
        return rows

    @on(Rows.RowSelected, "#held")
    def _open_thing(self, event: Rows.RowSelected) -> None:
        self.console.open_thing(str(event.row_key.value).partition("#")[0])

    @on(Rows.RowSelected, "#waiting")
    def _open_request(self, event: Rows.RowSelected) -> None:
        key = str(event.row_key.value)
        if key.startswith(_LAUNCH):
            self.console.open_launch(key.removeprefix(_LAUNCH))
        else:
            self.console.open_request(key)

    @on(Rows.RowHighlighted, "#wrong")
    def _say_next_step(self, event: Rows.RowHighlighted) -> None:
        """The row under the cursor in full, because its end is off a narrow screen."""
        key = str(event.row_key.value)
        where, what, remedy = self._wrong_rows.get(key, ("", "", ""))
        said = one_line(f"{where}: {what} Next: {remedy}") if where else ""
        self.query_one("#next", Static).update(said)

    @on(Rows.RowSelected, "#wrong")
    def _open_wrong(self, event: Rows.RowSelected) -> None:
        reference = str(event.row_key.value).partition("#")[0]
        if reference.startswith("model:"):
            self.console.open_thing(reference)


def _unapproved(
    registry: RegistryOverview | None, name: Callable[[str], str]
) -> list[_Row]:
    if registry is None:
        return []
    return [
        (
            f"model:{c.model}@{c.registry or c.approved}#unapproved#{c.environment}",
            (
                name(c.model),
                f"unapproved: {c.stage} is {c.registry or 'empty'}, "
                f"the log says {c.approved or 'none'}",
                "move the alias back, or request it",
            ),
        )
        for c in registry.unapproved
    ]


def _gaps(scanned: list[Scanned], name: Callable[[str], str]) -> list[_Row]:
    rows: list[_Row] = []
    for one in scanned:
        version = one.version
        called = f"{name(f'{version.source}/{version.model}')}@{version.version}"
        rows += [
            (
                f"{version.reference}#{gap.code}#{position}",
                (called, gap.text, gap.remedy),
            )
            for position, gap in enumerate(one.gaps)
        ]
    if len(scanned) == MOST_SCANNED:
        text = f"only {MOST_SCANNED} versions were looked at"
        remedy = "countersign scan SOURCE looks at all"
        rows.append(("more", ("the registry", text, remedy)))
    return rows
