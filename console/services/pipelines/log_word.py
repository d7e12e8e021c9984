"""How launches stand by the word of the log alone; it knows no place and asks none.

What was launched on another machine cannot be looked at here. The log still says which
launches are held and what they wait for, which were refused, and how those ended that
were recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import LaunchPlan, RunState
from console.services.opened import OpenStore
from console.services.pipelines.launch_judging import JudgedLaunch, judge_launch
from console.services.pipelines.launch_log import (
    LaunchRecord,
    cancellations,
    launch_record,
)
from console.services.pipelines.run_facts import STATUS, pipeline_run_key
from console.services.problems import KNOWN_ERRORS
from policies.predicates import OutcomeKind, PredicateType
from policies.predicates.operations import LaunchIntent, LaunchOutcome
from policies.topics import LAUNCHES, launch_topic, outcome_topic
from policies.trust_state import TrustState
from store.identifiers import split_key
from store.judgement import IndexedEntry
from store.queries.runs import Run, runs_of_keys

FEW = 200
"""Launches that are looked for one by one; beyond that every entry is read."""
_STATES = {status: state for state, status in STATUS.items()}


@dataclass(frozen=True, slots=True)
class LastSaid:
    """What was declared last of a launch, and what came of that."""

    intent: LaunchIntent
    statement: str
    """Statement id of the intent."""
    outcome: LaunchOutcome | None = None

    @property
    def is_held(self) -> bool:
        """Whether it waits to be released, if nothing else became of it since."""
        ended = self.outcome
        return (
            self.intent.held and ended is not None and ended.outcome is OutcomeKind.DONE
        )


@dataclass(frozen=True, slots=True)
class LogWord:
    """The state of a launch as the log has it."""

    state: RunState
    reason: str
    started: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class HeldLaunch:
    """A launch that waits to be released, and how it would be judged now."""

    record: LaunchRecord
    plan: LaunchPlan
    judged: JudgedLaunch


def last_said(
    store: OpenStore, wanted: Collection[str] | None = None
) -> dict[str, LastSaid]:
    """Id of every launch, or of some, -> what was said last of it, in log order.

    For lists: signatures were checked when the entries were taken in.
    """
    found: dict[str, LastSaid] = {}
    launch_of: dict[str, str] = {}
    for indexed in _said_of(store, wanted):
        _, statement = store.entry(indexed.index)
        match statement.predicate:
            case LaunchIntent() as intent:
                statement_id = indexed.judgement.statement_id
                launch_of[statement_id] = intent.launch
                found[intent.launch] = LastSaid(intent, statement_id)
            case LaunchOutcome() as outcome if outcome.intent in launch_of:
                launch = launch_of[outcome.intent]
                if found[launch].statement == outcome.intent:
                    found[launch] = replace(found[launch], outcome=outcome)
    return found


def _said_of(
    store: OpenStore, wanted: Collection[str] | None
) -> Iterable[IndexedEntry]:
    """Entries that declare launches, or say what came of that, in log order."""
    if wanted is None or len(wanted) > FEW:
        return store.index.on_topics(LAUNCHES)
    found = [
        entry
        for launch in wanted
        for entry in store.index.on_topics(launch_topic(launch))
    ]
    for entry in list(found):
        if entry.judgement.predicate_type == PredicateType.LAUNCH_INTENT:
            topic = outcome_topic(entry.judgement.statement_id)
            found += store.index.on_topics(topic)
    return sorted(found, key=lambda entry: entry.index)


def held_launch(store: OpenStore, launch: str, state: TrustState) -> HeldLaunch | None:
    """A launch that the log says is held, judged as of now; None: it says otherwise.

    Raises:
        StoreError, ConnectorError: what it rests on cannot be read.
    """
    record = launch_record(store, launch, state)
    if record is None or not record.is_held:
        return None
    intent = record.intent
    plan = read_plan(store.objects.get(intent.definition))
    judged = judge_launch(store, plan, intent.environment, record.requester, record)
    return HeldLaunch(record, plan, judged)


def words_of_log(store: OpenStore, launches: Collection[str]) -> dict[str, LogWord]:
    """What the log says of how some launches stand; left out is what it cannot say."""
    if not launches:
        return {}
    state = store.state()
    found = {
        launch: word
        for launch, said in last_said(store, launches).items()
        if (word := _word(store, launch, said, state))
    }
    for launch, ended in cancellations(store).items():
        if launch in launches and ended.result.is_cancelled:
            found[launch] = LogWord(RunState.CANCELLED, f"by entry {ended.entry}")
    return found | {
        launch: _ended(run) for launch, run in recorded_runs(store, launches).items()
    }


def _word(
    store: OpenStore, launch: str, said: LastSaid, state: TrustState
) -> LogWord | None:
    if said.outcome is not None and said.outcome.outcome is OutcomeKind.FAILED:
        return LogWord(RunState.FAILED, said.outcome.read_back)
    if not said.is_held:
        return None
    try:
        held = held_launch(store, launch, state)
    except KNOWN_ERRORS as problem:
        return LogWord(RunState.SUSPENDED, f"it cannot be judged: {problem}")
    if held is None:
        return None
    return LogWord(RunState.SUSPENDED, held.judged.held_words)


def recorded_runs(store: OpenStore, launches: Iterable[str]) -> dict[str, Run]:
    """Those of some launches whose runs were recorded, by launch."""
    keys = [pipeline_run_key(launch) for launch in launches]
    if not keys:
        return {}
    store.projection.catch_up()
    with store.projection.reading() as connection:
        found = runs_of_keys(connection, keys)
    return {split_key(run.key)[1][-1]: run for run in found}


def _ended(run: Run) -> LogWord:
    state = _STATES.get(run.status, RunState.UNKNOWN)
    reason = "" if state is not RunState.UNKNOWN else f"recorded as {run.status}"
    return LogWord(state, reason, run.started, run.ended)
