"""Every action of the console once: id, key, label and what it does.

Footer, help, palette and the table in docs/commands.md come from here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do, and the key that does it."""

    id: str
    """`area.verb`"""
    key: str
    method: str
    """The Textual action."""
    label: str
    tooltip: str
    is_shown: bool = True

    def binding(self) -> Binding:
        """As Textual wants it."""
        return Binding(
            self.key,
            self.method,
            self.label,
            id=self.id,
            tooltip=self.tooltip,
            show=self.is_shown,
        )


GO = (
    Action(
        "go.overview",
        "1",
        "app.go('overview')",
        "Overview",
        "What is in production, what waits, what is wrong",
    ),
    Action(
        "go.models", "2", "app.go('models')", "Models", "Every version of every model"
    ),
    Action(
        "go.requests",
        "3",
        "app.go('requests')",
        "Requests",
        "Open requests and what they wait for",
    ),
    Action("go.runs", "4", "app.go('runs')", "Runs", "Runs, newest first"),
    Action("go.log", "5", "app.go('log')", "Log", "Every signed statement"),
    Action(
        "go.trust", "6", "app.go('trust')", "Trust", "Who may decide, by which keys"
    ),
    Action(
        "go.policies",
        "7",
        "app.go('policies')",
        "Policies",
        "What a transition needs, in plain words",
    ),
    Action(
        "go.pipelines",
        "8",
        "app.go('pipelines')",
        "Launches",
        "What was launched, and how it goes",
    ),
)
EVERYWHERE = (
    Action("view.refresh", "r", "refresh", "Refresh", "Read the store again", False),
    Action(
        "view.help",
        "question_mark",
        "app.toggle_help",
        "Help",
        "Show or hide the keys that work here",
    ),
    Action("app.quit", "q", "app.quit", "Quit", "Leave the console"),
)
BACK = (
    Action("view.back", "escape", "app.pop_screen", "Back", "To where you came from"),
)
DECIDING = (
    Action(
        "decide.approve",
        "a",
        "decide('approve')",
        "Approve",
        "Sign an approval of what is shown",
    ),
    Action(
        "decide.reject",
        "x",
        "decide('reject')",
        "Reject",
        "Sign a rejection of what is shown",
    ),
)
REVIEW = (
    *DECIDING,
    Action(
        "request.promote", "p", "promote", "Promote", "Carry the approved request out"
    ),
)
ANSWERING = (
    Action(
        "request.waive",
        "w",
        "waive",
        "Waive",
        "Answer by name for rules that are not met",
        False,
    ),
    Action(
        "request.withdraw",
        "u",
        "withdraw",
        "Withdraw",
        "Take back a request of your own",
        False,
    ),
    Action(
        "request.pack",
        "e",
        "write_pack",
        "Write out",
        "Write a file for an approver who cannot reach the store",
        False,
    ),
)
VERSION = (
    Action(
        "version.request", "t", "ask_for", "Ask for", "Ask for a stage for this version"
    ),
    Action(
        "version.demote", "d", "demote", "Demote", "Take this version out of a stage"
    ),
    Action(
        "version.compare",
        "v",
        "compare",
        "Compare",
        "With the version now in a stage, or another",
    ),
    Action(
        "model.file",
        "f",
        "model_file",
        "File",
        "The model's record, findings, files and remarks",
    ),
)
REQUESTS = (
    Action(
        "requests.hand_in",
        "i",
        "hand_in",
        "Hand in",
        "Hand in an answer that was signed elsewhere",
        False,
    ),
)
FILE = (
    Action("finding.open", "o", "open_finding", "Open", "Open a finding"),
    Action("finding.close", "c", "close_finding", "Close", "Say that it was remedied"),
    Action("model.comment", "m", "comment", "Remark", "Remark on the model"),
)
LAUNCHING = (
    Action(
        "launch.new",
        "l",
        "draft",
        "Launch",
        "Fill in what to launch, look at plan and verdict, sign",
    ),
)
LAUNCHES = (
    Action(
        "launches.times",
        "h",
        "only_schedules",
        "Schedules",
        "Only schedules, and when they are due; or all launches again",
    ),
)
DRAFT = (
    Action(
        "draft.go",
        "ctrl+g",
        "go_on",
        "Go on",
        "From the form to plan and verdict, from there to the signature",
    ),
    Action(
        "draft.copy",
        "ctrl+y",
        "copy_line",
        "Copy",
        "Copy the line for crontab, where no place keeps the times",
    ),
)
LAUNCH = (
    Action(
        "launch.start", "s", "start", "Start", "Start a launch that others released"
    ),
    Action(
        "launch.cancel",
        "z",
        "cancel_run",
        "End",
        "End the run, and see that nothing of it is left",
    ),
    Action(
        "launch.repeat", "y", "repeat", "Again", "Launch exactly the same once more"
    ),
    Action("launch.find", "slash", "find", "Find", "Only lines of the log with a text"),
)
FIELDS = (
    Action(
        "field.next", "tab", "app.focus_next", "To next", "To the next field", False
    ),
    Action(
        "field.previous",
        "shift+tab",
        "app.focus_previous",
        "To the one before",
        "To the field before",
        False,
    ),
)
COMPARING = (
    Action("compare.next", "n", "other(1)", "Next", "With the next other version"),
    Action(
        "compare.previous",
        "b",
        "other(-1)",
        "Before",
        "With the one before in the list",
    ),
)
CANCEL = (
    Action("dialog.cancel", "escape", "cancel", "Cancel", "Leave without signing"),
)
MOVES = (
    Action("move.down", "j", "app.simulate_key('down')", "Down", "One row down", False),
    Action("move.up", "k", "app.simulate_key('up')", "Up", "One row up", False),
    Action(
        "move.first",
        "g",
        "app.simulate_key('ctrl+home')",
        "First",
        "To the first row",
        False,
    ),
    Action(
        "move.last",
        "G",
        "app.simulate_key('ctrl+end')",
        "Last",
        "To the last row",
        False,
    ),
)
ALL = (
    *(*GO, *EVERYWHERE, *BACK, *REVIEW, *ANSWERING),
    *(*VERSION, *REQUESTS, *FILE, *LAUNCH, *COMPARING, *MOVES, *CANCEL),
    *(*LAUNCHING, *LAUNCHES, *DRAFT, *FIELDS),
)


def quiet(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """The same actions, left out of the footer to make room for nearer ones."""
    return tuple(replace(action, is_shown=False) for action in actions)


def bindings(*groups: tuple[Action, ...]) -> list[BindingType]:
    """The bindings of some groups of actions."""
    return [action.binding() for group in groups for action in group]
