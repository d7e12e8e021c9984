"""One thing, a version or a run: what it is, where it came from, what came of it."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from console.actions import BACK, EVERYWHERE, GO, MOVES, VERSION, bindings, quiet
from console.rendering import one_line
from console.screens.acting import ActingScreen
from console.screens.comparison import ComparisonScreen
from console.screens.model_file import ModelFileScreen
from console.screens.stage_changes import (
    ask_for,
    ask_question,
    demote_question,
    take_out,
)
from console.services import inspection
from console.services.inspection import Details
from console.services.opened import OpenStore
from console.widgets.keys import KeyBar
from console.widgets.lineage_tree import LineageTree
from console.widgets.title import TitleBar
from store.queries.lineage import Closure, Direction
from store.references import readable_reference

DEPTH = 12
_OF_A_VERSION = ("ask_for", "demote", "compare", "model_file")


class DetailScreen(ActingScreen, inherit_bindings=False):
    """Facts on the left, the lineage both ways on the right."""

    BINDINGS = bindings(VERSION, BACK, EVERYWHERE, quiet(GO), MOVES)
    SIGNS = frozenset({"ask_for", "demote"})

    def __init__(self, reference: str) -> None:
        super().__init__()
        self._reference = reference

    def compose(self) -> ComposeResult:
        """Title, facts and trees side by side where there is room, keys."""
        yield TitleBar(one_line(self._reference))
        with Horizontal(id="sides"):
            with VerticalScroll(id="facts"):
                yield Static("reading…", id="details", markup=False)
            with Vertical(id="trees"):
                yield LineageTree("Came from", id="up")
                yield LineageTree("Came of it", id="down")
        yield KeyBar()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A run or a commit has no stage and no record."""
        if action in _OF_A_VERSION and not self._is_version:
            return False
        return super().check_action(action, parameters)

    @property
    def _is_version(self) -> bool:
        return ":" not in self._reference or self._reference.startswith("model:")

    def action_model_file(self) -> None:
        """Show what accompanies the model."""
        self.app.push_screen(ModelFileScreen(self._reference))

    def action_compare(self) -> None:
        """Show how the version differs from another of its model."""
        self.app.push_screen(ComparisonScreen(self._reference))

    def action_ask_for(self) -> None:
        """Open the dialog for asking for a stage."""
        self.sign(ask_question(self._reference), ask_for(self._reference))

    def action_demote(self) -> None:
        """Open the dialog for taking the version out of a stage."""
        self.sign(demote_question(self._reference), take_out(self._reference))

    def action_refresh(self) -> None:
        """Ask for the facts and both closures."""
        self.ask(self._question, self._show)

    @on(LineageTree.NodeSelected)
    def _open_node(self, event: LineageTree.NodeSelected[str]) -> None:
        """Enter on a thing in a tree opens it, unless it is the one shown."""
        if event.node.data:
            self.console.open_thing(readable_reference(event.node.data))

    def _question(self, store: OpenStore) -> tuple[Details, Closure, Closure]:
        up, down = (
            inspection.lineage(store, self._reference, direction, depth=DEPTH)
            for direction in (Direction.UP, Direction.DOWN)
        )
        return inspection.details(store, self._reference), up, down

    def _show(self, found: tuple[Details, Closure, Closure]) -> None:
        details, up, down = found
        self.query_one("#details", Static).update(facts_text(details))
        self.query_one("#up", LineageTree).show(up)
        self.query_one("#down", LineageTree).show(down)


def facts_text(details: Details) -> str:
    """Everything about a thing as plain lines."""
    lines = [one_line(details.title)]
    sections = (
        ("", details.fields),
        ("Lacks", tuple((gap.text, gap.remedy) for gap in details.gaps)),
        ("Metrics", tuple((m.name, m.value) for m in details.metrics)),
        ("Parameters", details.params),
        ("Tags", details.tags),
        ("Columns", inspection.column_lines(details)),
        ("Facets", inspection.facet_lines(details)),
    )
    for title, pairs in sections:
        if pairs:
            lines += ["", title] if title else [""]
        lines += [f"{one_line(name)}: {one_line(value)}" for name, value in pairs]
    return "\n".join(lines)
