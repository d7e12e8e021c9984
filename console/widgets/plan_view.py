"""A plan, byte for byte as it is stored and digested, and the verdict beside it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Log, Static

from connectors.pipelines.protocols import LaunchPlan
from console.rendering import one_line
from console.services.pipelines.launch_judging import JudgedLaunch
from policies.verdict import Verdict, tree_lines


def said_of(judged: JudgedLaunch) -> str:
    """What would come of a launch, in a line."""
    if judged.tree.verdict is Verdict.YES:
        return "YES: it would start at once"
    if judged.waits:
        return "HELD: it would wait until it is released"
    return f"{judged.tree.verdict.value.upper()}: nothing would be launched"


class PlanView(Vertical):
    """Both scroll; the button that goes on is dim where nothing could be launched."""

    def compose(self) -> ComposeResult:
        """What would come of it, verdict and plan, buttons."""
        yield Static("", id="said", markup=False)
        with Horizontal(id="both"):
            with VerticalScroll(id="why"):
                yield Static("", id="verdict", markup=False)
            yield Log(id="planned", auto_scroll=False)
        with Horizontal(id="buttons"):
            yield Button("Back", id="back", compact=True)
            yield Button("Plan again", id="again", compact=True)
            yield Button("Sign and launch", id="sign", variant="warning", compact=True)

    def show(self, plan: LaunchPlan, judged: JudgedLaunch, environment: str) -> None:
        """Show both, from their beginnings."""
        lines = plan.to_bytes().decode("ascii").splitlines()
        where = f"{plan.pipeline} in {environment}, at {plan.place}"
        what = f"{len(lines)} lines; {where}"
        shown = (said_of(judged), f"plan {plan.digest}", what)
        self.query_one("#said", Static).update("\n".join(map(one_line, shown)))
        told = "\n".join(map(one_line, tree_lines(judged.tree)))
        self.query_one("#verdict", Static).update(told)
        self.query_one("#why", VerticalScroll).scroll_home(animate=False)
        planned = self.query_one("#planned", Log)
        planned.clear()
        planned.write_lines(lines, scroll_end=False)
        planned.scroll_home(animate=False)
        may_go = judged.tree.verdict is Verdict.YES or judged.waits
        self.query_one("#sign", Button).disabled = not may_go
        planned.focus()
