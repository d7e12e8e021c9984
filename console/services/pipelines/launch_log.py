"""What the log says of launches: who declared, released and ended each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from connectors.pipelines.protocols import PipelineRun, RunState
from console.services.opened import OpenStore, parse_time
from console.services.problems import Refusal
from policies.predicates import OutcomeKind, PredicateType, Withdrawal
from policies.predicates.operations import (
    CancelResult,
    LaunchCancellation,
    LaunchIntent,
    LaunchOutcome,
    LaunchRelease,
)
from policies.topics import LAUNCHES, launch_topic, outcome_topic, withdrawn_topic
from policies.trust_state import TrustState
from policies.workflow import Entry
from store.identifiers import launched_pipeline_key

_ONE = launch_topic("")
STARTED = frozenset({RunState.RUNNING, RunState.SUCCEEDED})
"""States that nothing has which was cancelled before."""


@dataclass(slots=True)
class LaunchRecord:
    """Everything that was said of one launch, in log order."""

    launch: str
    intents: list[tuple[Entry, LaunchIntent]] = field(default_factory=list)
    releases: list[tuple[Entry, LaunchRelease]] = field(default_factory=list)
    outcomes: list[tuple[Entry, LaunchOutcome]] = field(default_factory=list)
    cancellations: list[tuple[Entry, LaunchCancellation]] = field(default_factory=list)
    withdrawals: list[tuple[Entry, Withdrawal]] = field(default_factory=list)

    @property
    def standing_releases(self) -> list[tuple[Entry, LaunchRelease]]:
        """What people decided about it and did not take back."""
        gone = {withdrawal.statement for _, withdrawal in self.withdrawals}
        return [pair for pair in self.releases if pair[0].id not in gone]

    @property
    def requester(self) -> str:
        """Person id of whoever asked for it first."""
        return self.intents[0][0].statement.by

    @property
    def intent(self) -> LaunchIntent:
        """What was declared last."""
        return self.intents[-1][1]

    @property
    def entry(self) -> Entry:
        """The entry that declared it last."""
        return self.intents[-1][0]

    @property
    def is_held(self) -> bool:
        """Whether it waits to be released, as far as statements say."""
        ended = self.ended
        return (
            self.intent.held
            and ended is not None
            and ended.outcome is OutcomeKind.DONE
            and not self.is_over
        )

    @property
    def ended(self) -> LaunchOutcome | None:
        """What came of what was declared last, if that is known."""
        of = [
            outcome for _, outcome in self.outcomes if outcome.intent == self.entry.id
        ]
        return of[-1] if of else None

    @property
    def cancelled(self) -> Entry | None:
        """The entry that first says that the launch itself was cancelled."""
        return next((entry for entry, said in self.cancellations if said.ends_it), None)

    @property
    def is_over(self) -> bool:
        """Whether the log says that it was cancelled, or found to be gone and not
        started again since."""
        if self.cancelled is not None:
            return True
        started = [
            entry.index
            for entry, outcome in self.outcomes
            if outcome.outcome is OutcomeKind.DONE
        ]
        return any(
            said.is_of_all
            and said.result is CancelResult.GONE
            and entry.index > max(started, default=-1)
            for entry, said in self.cancellations
        )

    def cancellation_of(self, run: str) -> tuple[Entry, LaunchCancellation] | None:
        """What was said last of the end of the launch, or of one run of a schedule."""
        of = [pair for pair in self.cancellations if pair[1].run == run]
        return of[-1] if of else None


def launch_record(
    store: OpenStore, launch: str, state: TrustState
) -> LaunchRecord | None:
    """What the log says of a launch, every signature checked again; None: nothing."""
    record = LaunchRecord(launch)
    for entry in store.verified_entries(launch_topic(launch), state):
        match entry.statement.predicate:
            case LaunchIntent() as intent:
                record.intents.append((entry, intent))
            case LaunchRelease() as release:
                record.releases.append((entry, release))
            case LaunchCancellation() as cancellation:
                record.cancellations.append((entry, cancellation))
    record.withdrawals += _withdrawals(store, record, state)
    for entry, _ in record.intents:
        for ended in store.verified_entries(outcome_topic(entry.id), state):
            if isinstance(ended.statement.predicate, LaunchOutcome):
                record.outcomes.append((ended, ended.statement.predicate))
    return record if record.intents else None


def _withdrawals(
    store: OpenStore, record: LaunchRecord, state: TrustState
) -> list[tuple[Entry, Withdrawal]]:
    """What was taken back of what people decided about a launch."""
    released = {entry.id for entry, _ in record.releases}
    if not released:
        return []
    topic = withdrawn_topic(launched_pipeline_key(record.releases[0][1].pipeline))
    return [
        (entry, withdrawal)
        for entry in store.verified_entries(topic, state)
        if isinstance(withdrawal := entry.statement.predicate, Withdrawal)
        and withdrawal.statement in released
    ]


def known_launch(store: OpenStore, launch: str, state: TrustState) -> LaunchRecord:
    """What the log says of a launch.

    Raises:
        Refusal: nothing.
    """
    record = launch_record(store, launch, state)
    if record is None:
        raise Refusal(
            f"the log knows no launch {launch[:100]!r}",
            hint="Those it knows: countersign pipeline list",
        )
    return record


Declared = tuple[str, str, LaunchIntent]
"""Launch id, who asked, and what was declared first."""


def launches(store: OpenStore) -> Iterator[Declared]:
    """Every launch, in log order.

    For lists: signatures were checked when the entries were taken in.
    """
    for launch, index in launch_names(store):
        yield from _declared_at(store, launch, index)


def newest_launches(store: OpenStore, most: int, pipeline: str = "") -> list[Declared]:
    """The launches declared last, in log order; of one pipeline, or of all."""
    found: list[Declared] = []
    for launch, index in reversed(launch_names(store)):
        if len(found) >= most:
            break
        for one in _declared_at(store, launch, index):
            if pipeline in ("", one[2].pipeline):
                found.append(one)
    return found[::-1]


def launch_names(store: OpenStore) -> list[tuple[str, int]]:
    """The id of every launch and the entry that first speaks of it, in log order."""
    return [
        (topic.removeprefix(_ONE), index)
        for topic, index in store.index.first_on_topics(_ONE)
    ]


def declared_first(store: OpenStore, launch: str) -> Declared | None:
    """One launch; None: the log declares none of that id."""
    for indexed in store.index.on_topics(launch_topic(launch))[:1]:
        return next(_declared_at(store, launch, indexed.index), None)
    return None


def _declared_at(store: OpenStore, launch: str, index: int) -> Iterator[Declared]:
    _, statement = store.entry(index)
    if isinstance(statement.predicate, LaunchIntent):
        yield launch, statement.by, statement.predicate


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Who had a launch ended, or a run of a schedule, as the log says."""

    entry: int
    by: str
    """Person id."""
    at: str
    """Claimed."""
    result: CancelResult


def cancellations(store: OpenStore) -> dict[str, Cancellation]:
    """Id of every launch or run that somebody asked to be ended -> what was said last.

    For lists: signatures were checked when the entries were taken in.
    """
    found = {}
    for indexed in store.index.on_topics(LAUNCHES):
        if indexed.judgement.predicate_type != PredicateType.LAUNCH_CANCELLATION:
            continue
        _, statement = store.entry(indexed.index)
        said = statement.predicate
        if isinstance(said, LaunchCancellation):
            found[said.run] = Cancellation(
                indexed.index, statement.by, statement.at, said.result
            )
    return found


def unseen_run(launch: str, intent: LaunchIntent, reason: str) -> PipelineRun:
    """A launch of which no place shows anything, and why; it has no backend."""
    return PipelineRun(
        launch=launch,
        backend="",
        pipeline=intent.pipeline,
        state=RunState.UNKNOWN,
        plan_digest=intent.definition,
        claimed=parse_time(intent.judged_at),
        reason=reason,
    )


def as_declared(run: PipelineRun, intent: LaunchIntent) -> PipelineRun:
    """A run as its place shows it, if that is of the plan that the log declares.

    Which plan it is of is written where it runs, by whoever may write there.
    """
    if run.plan_digest in ("", intent.definition):
        return run
    why = f"it is of the plan {run.plan_digest[:16]}, and the log declares another"
    return replace(run, state=RunState.UNKNOWN, reason=why)


def own_open_launch(
    store: OpenStore, person: str, definition: str, environment: str, state: TrustState
) -> LaunchRecord | None:
    """A launch of the same plan that a person declared and never saw the end of."""
    for launch, by, intent in reversed(list(launches(store))):
        if (by, intent.definition, intent.environment) != (
            person,
            definition,
            environment,
        ):
            continue
        record = launch_record(store, launch, state)
        if record and record.ended is None and record.cancelled is None:
            return record
    return None
