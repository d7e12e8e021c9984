"""What the log says of launches: who declared, released and ended each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from connectors.pipelines.protocols import PipelineRun, RunState
from console.services.opened import OpenStore
from console.services.problems import Refusal
from policies.predicates import OutcomeKind, Withdrawal
from policies.predicates.operations import LaunchIntent, LaunchOutcome, LaunchRelease
from policies.topics import LAUNCHES, launch_topic, outcome_topic, withdrawn_topic
from policies.trust_state import TrustState
from policies.workflow import Entry
from store.identifiers import launched_pipeline_key


@dataclass(slots=True)
class LaunchRecord:
    """Everything that was said of one launch, in log order."""

    launch: str
    intents: list[tuple[Entry, LaunchIntent]] = field(default_factory=list)
    releases: list[tuple[Entry, LaunchRelease]] = field(default_factory=list)
    outcomes: list[tuple[Entry, LaunchOutcome]] = field(default_factory=list)
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
            self.intent.held and ended is not None and ended.outcome is OutcomeKind.DONE
        )

    @property
    def ended(self) -> LaunchOutcome | None:
        """What came of what was declared last, if that is known."""
        of = [
            outcome for _, outcome in self.outcomes if outcome.intent == self.entry.id
        ]
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


def launches(store: OpenStore) -> Iterable[tuple[str, str, LaunchIntent]]:
    """Launch id, who asked, and the intent of every launch, in log order.

    For lists: signatures were checked when the entries were taken in.
    """
    seen: set[str] = set()
    for indexed in store.index.on_topics(LAUNCHES):
        _, statement = store.entry(indexed.index)
        intent = statement.predicate
        if isinstance(intent, LaunchIntent) and intent.launch not in seen:
            seen.add(intent.launch)
            yield intent.launch, statement.by, intent


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
        if record is not None and record.ended is None:
            return record
    return None
