"""A model's file: its record, what has to be remedied, files and remarks."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from console.actions import BACK, EVERYWHERE, FILE, GO, MOVES, bindings, quiet
from console.rendering import one_line
from console.screens.acting import ActingScreen
from console.screens.signing import Blank, SigningAnswer, SigningQuestion
from console.services import model_files
from console.services.model_files import ModelFileView
from console.services.observing import ObservationLine, observations
from console.services.opened import OpenStore
from console.services.signing import Acting
from console.widgets.keys import KeyBar
from console.widgets.rows import Rows
from console.widgets.title import TitleBar
from policies.rules.records import SEVERITIES
from store.references import parse_reference

_Found = tuple[ModelFileView, list[ObservationLine]]


class ModelFileScreen(ActingScreen, inherit_bindings=False):
    """The record on top, findings as rows that open ones lead, the rest below."""

    BINDINGS = bindings(FILE, BACK, EVERYWHERE, quiet(GO), MOVES)
    SIGNS = frozenset({"open_finding", "close_finding", "comment"})

    def __init__(self, reference: str) -> None:
        super().__init__()
        self._reference = reference
        self._model = parse_reference(reference).name.rpartition("/")[2]
        self._unsolved: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Title, record, findings, the rest, keys."""
        yield TitleBar(one_line(f"File of {self._model}"))
        with VerticalScroll():
            yield Static("reading…", id="record", markup=False)
            yield Static("Findings", classes="heading", markup=False)
            yield Rows("STATUS", "SEVERITY", "DUE", "ID", "TEXT", id="findings")
            yield Static("Where it runs", classes="heading", markup=False)
            yield Rows("WHERE", "VERSION", "UNTIL", "NUMBERS", id="observed")
            yield Static("", id="rest", markup=False)
        yield KeyBar()

    def action_refresh(self) -> None:
        """Ask for the file."""
        self.ask(self._question, self._show)

    def _question(self, store: OpenStore) -> _Found:
        view = model_files.model_file_view(store, self._reference)
        return view, observations(store, self._reference)

    def _show(self, found: _Found) -> None:
        view, seen = found
        self.query_one("#record", Static).update(_record(view))
        findings = sorted(view.findings, key=lambda f: f.status != "open")
        self._unsolved = {f.id: f.text for f in findings if f.status == "open"}
        self.query_one("#findings", Rows).show(
            [
                (f.id, (f.status.upper() if f.status == "open" else f.status,
                        f.severity, f.due[:10], f.id, f.text))
                for f in findings
            ]
        )  # fmt: skip
        self.query_one("#observed", Rows).show(
            [
                (
                    str(line.entry),
                    (
                        f"{line.environment}/{line.target}",
                        line.version,
                        line.until[:16].replace("T", " "),
                        "; ".join(line.numbers),
                    ),
                )
                for line in seen
            ]
        )
        self.query_one("#rest", Static).update(_rest(view))
        self.refresh_bindings()

    def why_not(self, action: str) -> str:
        """See ActingScreen."""
        if action == "close_finding" and not self._unsolved:
            return "no finding is open"
        return ""

    def action_open_finding(self) -> None:
        """Open the dialog for a new finding."""
        blanks = (
            Blank("about", "the model, or MODEL@VERSION", self._reference),
            Blank("severity", ", ".join(SEVERITIES), "high"),
            Blank("due", "due on (2027-01-31), or empty", is_needed=False),
            Blank("role", "your role, if you hold several", is_needed=False),
        )

        def open_it(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
            filled = {name: text.strip() for name, text in answer.filled.items()}
            finding, done = model_files.open_finding(
                store,
                acting,
                filled["about"],
                severity=filled["severity"],
                text=answer.reason,
                role=filled["role"],
                due=filled["due"],
            )
            return f"Finding {finding} is open, entry {done.index}"

        self.sign(self._asked("open", "Opens a finding", blanks), open_it)

    def action_close_finding(self) -> None:
        """Open the dialog for saying that a finding was remedied."""
        chosen = self.query_one("#findings", Rows).chosen
        first = next(iter(self._unsolved), "")
        proposed = chosen if chosen in self._unsolved else first

        def close(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
            finding = answer.filled["finding"].strip()
            done = model_files.close_finding(store, acting, finding, answer.reason)
            return f"Finding {finding} is closed, entry {done.index}"

        blanks = (Blank("finding", "id of the finding", proposed),)
        facts = f"Closes a finding: {self._unsolved.get(proposed, '')}"
        self.sign(self._asked("close", facts, blanks), close)

    def action_comment(self) -> None:
        """Open the dialog for a remark."""

        def remark(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
            done = model_files.comment(store, acting, self._reference, answer.reason)
            return f"Said, entry {done.index}"

        self.sign(self._asked("remark", "Remarks on the model"), remark)

    def _asked(
        self, verb: str, what: str, blanks: tuple[Blank, ...] = ()
    ) -> SigningQuestion:
        facts = (f"{what}: {self._model}", "What you give as reason is its text.")
        return SigningQuestion(verb, self._model, facts, True, blanks)


def _record(view: ModelFileView) -> str:
    if not view.owner:
        return "It has no record: countersign model set MODEL"
    pairs = (
        ("owner", view.owner),
        ("tier", view.tier),
        ("purpose", view.purpose),
        ("limits", view.limits),
        ("vendor parts", ", ".join(view.vendor_parts)),
        ("review by", view.review_by[:10]),
        ("set by", f"{view.set_by} at {view.set_at} (claimed)"),
    )
    return "\n".join(one_line(f"{name}: {text}") for name, text in pairs if text)


def _rest(view: ModelFileView) -> str:
    lines = [f"file, entry {a.entry}: {a.text}" for a in view.attachments]
    lines += [f"{c.by}, {c.at}: {c.text}" for c in view.comments]
    return "\n".join(one_line(line) for line in lines) or "No files and no remarks."
