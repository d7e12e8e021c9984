"""The policies in force: what each is for, and its rules in plain words."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Markdown

from console.actions import BACK, EVERYWHERE, GO, MOVES, bindings, quiet
from console.rendering import one_line, printable
from console.screens.asking import AskingScreen
from console.screens.lists import ListScreen
from console.services.policy_view import PolicyLine, policies_in_force, policy_words
from console.widgets.keys import KeyBar
from console.widgets.rows import Rows
from console.widgets.title import TitleBar


class PoliciesScreen(ListScreen):
    """One row for each policy in force; Enter reads it."""

    VIEW = "Policies"
    NEXT_STEP = "No policy is in force: countersign policy activate FILE"
    HEADINGS = ("POLICY", "TO", "APPROVALS", "RULES", "MODELS", "ENVIRONMENTS", "SINCE")

    def action_refresh(self) -> None:
        """Ask for the policies in force."""
        self.ask(policies_in_force, self._show)

    def _show(self, found: list[PolicyLine]) -> None:
        self.list_rows(
            [
                (
                    line.id,
                    (
                        f"{line.id} {line.version}",
                        ", ".join(line.stages),
                        ", ".join(line.approvals),
                        str(line.rules),
                        ", ".join(line.models),
                        ", ".join(line.environments),
                        f"entry {line.since_entry}",
                    ),
                )
                for line in found
            ]
        )

    @on(Rows.RowSelected)
    def _open(self, event: Rows.RowSelected) -> None:
        self.app.push_screen(PolicyScreen(str(event.row_key.value)))


class PolicyScreen(AskingScreen, inherit_bindings=False):
    """One policy, said as a committee would say it."""

    BINDINGS = bindings(BACK, EVERYWHERE, quiet(GO), MOVES)

    def __init__(self, policy_id: str) -> None:
        super().__init__()
        self._policy_id = policy_id

    def compose(self) -> ComposeResult:
        """Title, the text, keys."""
        yield TitleBar(one_line(f"Policy {self._policy_id}"))
        with VerticalScroll(id="paper"):
            yield Markdown("reading…", id="words", open_links=False)
        yield KeyBar()

    def action_refresh(self) -> None:
        """Ask for the words."""
        self.ask(lambda store: policy_words(store, self._policy_id), self._show)

    def _show(self, words: str) -> None:
        self.query_one("#words", Markdown).update(printable(words))
