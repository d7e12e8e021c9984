"""Launches judged again: each statement against what policy, plan and people were then.

Everything is read from the log and its objects, so that whoever holds an auditor's file
comes to the same as whoever holds the store. What runs somewhere is not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from connectors.pipelines.plan_contradictions import contradiction
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import LaunchPlan, RunState
from console.services.opened import OpenStore, parse_time
from console.services.pipelines.launch_evidence import read_commit_told
from console.services.pipelines.launch_judging import (
    JudgedLaunch,
    LogMoment,
    judge_launch,
)
from console.services.pipelines.launch_log import STARTED, LaunchRecord
from console.services.problems import KNOWN_ERRORS
from policies.predicates import OutcomeKind, Withdrawal
from policies.predicates.operations import (
    LaunchCancellation,
    LaunchIntent,
    LaunchOutcome,
    LaunchRelease,
)
from policies.verdict import Verdict, read_tree
from policies.workflow import Entry

_NOT_STARTED = frozenset(
    {RunState.PENDING.value, RunState.SUSPENDED.value, RunState.CANCELLED.value}
)
_LOOK = "See it: countersign log show"


@dataclass(frozen=True, slots=True)
class LaunchFinding:
    """Something about a launch that should not be so."""

    launch: str
    entry: int
    what: str
    next_step: str

    def __str__(self) -> str:
        return f"the launch {self.launch} at entry {self.entry}: {self.what}. " + (
            self.next_step
        )


def records_of(entries: Iterable[Entry]) -> dict[str, LaunchRecord]:
    """Id of every launch -> what was said of it, from accepted entries in log order."""
    found: dict[str, LaunchRecord] = {}
    launch_of: dict[str, str] = {}
    """Launches by the statement ids of their intents and releases."""
    for entry in entries:
        match entry.statement.predicate:
            case LaunchIntent() as intent:
                record = found.setdefault(intent.launch, LaunchRecord(intent.launch))
                record.intents.append((entry, intent))
                launch_of[entry.id] = intent.launch
            case LaunchRelease() as release if release.launch in found:
                found[release.launch].releases.append((entry, release))
                launch_of[entry.id] = release.launch
            case Withdrawal() as withdrawal if withdrawal.statement in launch_of:
                record = found[launch_of[withdrawal.statement]]
                record.withdrawals.append((entry, withdrawal))
            case LaunchOutcome() as outcome if outcome.intent in launch_of:
                found[launch_of[outcome.intent]].outcomes.append((entry, outcome))
            case LaunchCancellation() as cancellation if cancellation.launch in found:
                found[cancellation.launch].cancellations.append((entry, cancellation))
    return found


@dataclass(frozen=True)
class LaunchAgain:
    """One declaration of a launch, to be judged as its signer had to."""

    store: OpenStore
    record: LaunchRecord
    entry: Entry
    intent: LaunchIntent

    @cached_property
    def plan(self) -> LaunchPlan:
        """The plan that the log names.

        Raises:
            StoreError: it is not there, or has another digest.
            ConnectorError: it is none.
        """
        return read_plan(self.store.objects.get(self.intent.definition))

    @property
    def before(self) -> LaunchRecord | None:
        """What had been said of it by then."""
        index = self.entry.index
        earlier = LaunchRecord(
            self.record.launch,
            [pair for pair in self.record.intents if pair[0].index < index],
            [pair for pair in self.record.releases if pair[0].index < index],
            [pair for pair in self.record.outcomes if pair[0].index < index],
            [pair for pair in self.record.cancellations if pair[0].index < index],
            withdrawals=[
                pair for pair in self.record.withdrawals if pair[0].index < index
            ],
        )
        return earlier if earlier.intents else None

    def judged(self, *, as_recorded: bool) -> JudgedLaunch:
        """The verdict at its place in the log and the time that it states.

        Without `as_recorded` keys count as stolen that became known to be so later.

        Raises:
            StoreError, ConnectorError, PolicyError: what it rests on cannot be read.
        """
        index, before = self.entry.index, self.before
        state = self.store.state(before=index)
        return judge_launch(
            self.store,
            self.plan,
            self.intent.environment,
            before.requester if before else self.entry.statement.by,
            before,
            LogMoment(
                state,
                state if as_recorded else self.store.state(),
                index,
                parse_time(self.intent.judged_at),
            ),
            read_commit_told(self.store.objects.get(self.intent.evidence)),
        )


def declarations(store: OpenStore, record: LaunchRecord) -> list[LaunchAgain]:
    """Every declaration of a launch, in log order."""
    return [LaunchAgain(store, record, *pair) for pair in record.intents]


def launch_findings(store: OpenStore, record: LaunchRecord) -> list[LaunchFinding]:
    """What is wrong with a launch by what was known when each part of it was signed."""
    found = []
    for again in declarations(store, record):
        try:
            said = list(_wrong(store, again))
        except (*KNOWN_ERRORS, ValueError) as problem:
            said = [
                (
                    f"what it rests on cannot be read: {problem}",
                    "Restore the object from a backup; its digest proves which it is.",
                )
            ]
        said += _wrong_outcomes(record, again)
        found += [
            LaunchFinding(record.launch, again.entry.index, what, next_step)
            for what, next_step in said
        ]
    return found


def _wrong(store: OpenStore, again: LaunchAgain) -> Iterator[tuple[str, str]]:
    """What is wrong with one declaration, and what to do."""
    intent, plan = again.intent, again.plan
    if plan.pipeline != intent.pipeline:
        yield (
            f"it declares the pipeline {intent.pipeline!r}, and its plan is of "
            f"{plan.pipeline!r}",
            _LOOK,
        )
    parameters = json.dumps(dict(plan.parameters), sort_keys=True).encode()
    if store.objects.get(intent.parameters) != parameters:
        yield "the parameters it names are not those of its plan", _LOOK
    strange = contradiction(plan)
    if strange:
        yield f"its plan contradicts itself: {strange}", _LOOK
    judged = again.judged(as_recorded=True)
    policy = judged.policy
    if intent.policy != (policy.digest if policy else ""):
        which = f"{policy.id} version {policy.version}" if policy else "none"
        yield (
            f"the policy that decided then was {which}, and it names another",
            "Ask who declared it why; launch it anew.",
        )
    if intent.root != store.state(before=again.entry.index).root_digest:
        yield "it names another trust root than the one in force then", _LOOK
    if not read_tree(store.objects.get(intent.verdict)).decides_as(judged.tree):
        yield (
            "the verdict that is recorded does not follow from policy, plan and "
            f"releases: {_why(judged)}",
            "Ask who declared it why; launch it anew.",
        )
    if intent.held and not (judged.waits or judged.tree.verdict is Verdict.YES):
        yield f"it was held though it was refused: {_why(judged)}", _LOOK
    if not intent.held and judged.tree.verdict is not Verdict.YES:
        yield (
            f"it was let go though it was not allowed: {_why(judged)}",
            "End what runs: countersign pipeline cancel "
            f"{intent.launch}. Trust nothing that it made.",
        )


def _why(judged: JudgedLaunch) -> str:
    """The rule that decides, and what was found."""
    for leaf in judged.tree.leaves():
        if leaf.verdict is not Verdict.YES:
            wanted = f", wanted: {leaf.wanted}" if leaf.wanted else ""
            return f"{leaf.rule}: {leaf.observed}{wanted}"
    return "it would have been allowed"


def _wrong_outcomes(record: LaunchRecord, again: LaunchAgain) -> list[tuple[str, str]]:
    """Outcomes of one declaration that say that something went which should not."""
    found = []
    has_failed = False
    for entry, outcome in record.outcomes:
        if outcome.intent != again.entry.id:
            continue
        if outcome.outcome is OutcomeKind.FAILED:
            has_failed = True
            continue
        if has_failed:
            found.append(
                (
                    f"entry {entry.index} says that it was started after an earlier "
                    "outcome said that it was refused",
                    f"Look at what is there: countersign pipeline show {record.launch}",
                )
            )
        cancelled = record.cancelled
        if cancelled and cancelled.index < entry.index and _is_started(outcome):
            found.append(
                (
                    f"entry {entry.index} shows it as {outcome.read_back!r:.120}, and "
                    f"entry {cancelled.index} says that it was cancelled before",
                    "One of them is not so. Look at what is there: countersign "
                    f"pipeline show {record.launch}",
                )
            )
        if again.intent.held and not _is_held(outcome):
            found.append(
                (
                    f"entry {entry.index} shows it as {outcome.read_back!r:.120}, and "
                    "it was declared to be held",
                    "Somebody let it go outside. End it: countersign pipeline cancel "
                    f"{record.launch}",
                )
            )
    return found


def _is_held(outcome: LaunchOutcome) -> bool:
    """Whether a place showed it as held."""
    return _state_shown(outcome) in _NOT_STARTED


def _is_started(outcome: LaunchOutcome) -> bool:
    """Whether a place showed it as what runs, or ran to its end."""
    return _state_shown(outcome) in {state.value for state in STARTED}


def _state_shown(outcome: LaunchOutcome) -> str:
    """What a place showed: its name, the launch, then the state."""
    words = outcome.read_back.replace(":", " ").split()
    return words[2] if len(words) > 2 else ""


def doubts(store: OpenStore, record: LaunchRecord) -> list[LaunchFinding]:
    """Launches that were allowed, and would not have been with what is known now."""
    found = []
    for again in declarations(store, record):
        try:
            judged = again.judged(as_recorded=False)
        except (*KNOWN_ERRORS, ValueError):
            continue  # launch_findings says so
        if not again.intent.held and judged.tree.verdict is not Verdict.YES:
            found.append(
                LaunchFinding(
                    record.launch,
                    again.entry.index,
                    f"allowed then, and not with what is known now: {_why(judged)}",
                    "Trust what it made only after a new launch.",
                )
            )
    return found


def void_findings(void: Sequence[tuple[Entry, str]]) -> list[LaunchFinding]:
    """Void statements of enrolled people that say that something was launched, or
    ended."""
    found = []
    for entry, reason in void:
        match entry.statement.predicate:
            case LaunchOutcome(outcome=OutcomeKind.DONE) as outcome:
                what, launch = "it says that it was started", outcome.run
            case LaunchIntent(held=False) as intent:
                what, launch = "it says that it is let go", intent.launch
            case LaunchCancellation() as cancellation:
                what, launch = "it says that it was ended", cancellation.run
            case _:
                continue
        found.append(
            LaunchFinding(
                launch,
                entry.index,
                f"{what}, and counts for nothing: {reason}; {entry.statement.by} "
                "signed it",
                "What is there may be another than the log says. Look where it would "
                "run, and ask who signed.",
            )
        )
    return found
