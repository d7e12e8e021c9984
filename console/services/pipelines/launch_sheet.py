"""One launch as people read it: what was declared, by whom, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connectors.pipelines.fired_runs import schedule_of
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import LaunchPlan, PipelineRun, RunState
from console.services.founding import printed_name
from console.services.opened import OpenStore
from console.services.pipelines.launch_judging import JudgedLaunch, judge_launch
from console.services.pipelines.launch_log import LaunchRecord, known_launch
from console.services.pipelines.log_word import LogWord, words_of_log
from console.services.pipelines.recording import is_recorded
from console.services.words import read_words
from policies.predicates import Withdrawal
from policies.predicates.operations import LaunchCancellation, LaunchRelease
from policies.verdict import Verdict
from policies.workflow import Entry


@dataclass(frozen=True, slots=True)
class Said:
    """A statement about a launch."""

    entry: int
    by: str
    """Person or service id."""
    name: str
    """What they are called, or the id."""
    what: str
    """The short name of its type."""
    at: str
    """When, as its signer claims."""
    decision: str = ""
    """`approve` or `reject`, or `withdraw` where that was taken back."""
    role: str = ""
    """In which it was decided; empty where it was taken back."""
    reason: str = ""
    more: str = ""
    """What came of it, where somebody had it ended."""

    @property
    def words(self) -> str:
        """What it says, in a line."""
        if not self.decision:
            more = f": {self.more}" if self.more else ""
            why = f", {self.reason}" if self.reason else ""
            return f"{self.what} by {self.name}{more}{why}"
        role = f" as {self.role}" if self.role else ""
        decided = f"{self.decision} by {self.name}{role}"
        return f"{self.what}: {decided} at {self.at}: {self.reason}"


def _said(store: OpenStore, entry: Entry, name: str) -> Said:
    statement = entry.statement
    said = Said(entry.index, statement.by, name, statement.type.short, statement.at)
    match statement.predicate:
        case LaunchRelease(decision=decision, role=role, reason=reason):
            words = read_words(store, reason)
            return replace(said, decision=decision.value, role=role, reason=words)
        case LaunchCancellation() as ended:
            of = "" if ended.is_of_all else f" {ended.run}"
            words = read_words(store, ended.reason) if ended.reason else ""
            return replace(said, more=f"{ended.result.value}{of}", reason=words)
        case Withdrawal(reason=reason):
            words = read_words(store, reason)
            return replace(said, decision="withdraw", reason=words)
    return said


@dataclass(frozen=True, slots=True)
class LaunchSheet:
    """What the log has of a launch, or of the schedule that started it."""

    record: LaunchRecord
    plan: LaunchPlan
    requester: str
    """What whoever asked is called, or their id."""
    said: tuple[Said, ...]
    """In log order."""
    judged: JudgedLaunch | None
    """As of now; None: it is not held."""
    is_recorded: bool
    """Whether its run is in the log."""
    word: LogWord | None
    """How it stands by the log alone, where that can be told."""

    @property
    def is_held(self) -> bool:
        """Whether it waits to be released, as far as the log knows."""
        return self.judged is not None

    @property
    def unseen(self) -> str:
        """How it stands where its place shows nothing of it."""
        if self.word is None:
            return "nothing of it is there: it was launched elsewhere, or is gone"
        reason = f": {self.word.reason}" if self.word.reason else ""
        return f"{self.word.state.value.upper()} by the log{reason}; not seen here"

    def why_no_decision(self, run: PipelineRun | None) -> str:
        """Why it can be neither released nor rejected, given what its place shows, if
        it was looked at; or empty. To sign, nothing of it need be here."""
        if run is not None and run.state is not RunState.SUSPENDED:
            return f"it is {run.state.value}, not held"
        return "" if self.is_held else "it is not held"

    def why_no_start(self, run: PipelineRun | None) -> str:
        """Why it cannot be started from here, or empty."""
        if self.judged is None or self.judged.tree.verdict is not Verdict.YES:
            return "it is not released, or not held"
        if run is None:
            return "nothing of it is here; it is started where it was launched"
        return self.why_no_decision(run)


def launch_sheet(store: OpenStore, launch: str) -> LaunchSheet:
    """Read what the log has of a launch by its whole id; asks no place about it.

    Of what a schedule started it is what the log has of the schedule.

    Raises:
        Refusal: the log knows none of that id.
        StoreError: its plan cannot be read.
    """
    state = store.state()
    schedule = schedule_of(launch)
    record = known_launch(store, schedule or launch, state)
    intent = record.intent
    plan = read_plan(store.objects.get(intent.definition))
    is_held = (
        intent.held and record.ended is not None and not record.is_over and not schedule
    )
    statements = [
        *record.intents,
        *record.releases,
        *record.outcomes,
        *record.cancellations,
        *record.withdrawals,
    ]
    entries = sorted((entry for entry, _ in statements), key=lambda entry: entry.index)

    def called(who: str) -> str:
        person = state.people.get(who)
        return printed_name(store, person.profile, who) if person else who

    return LaunchSheet(
        record,
        plan,
        called(record.requester),
        tuple(_said(store, entry, called(entry.statement.by)) for entry in entries),
        judge_launch(store, plan, intent.environment, record.requester, record)
        if is_held
        else None,
        is_recorded(store, launch),
        words_of_log(store, {launch}).get(launch),
    )
