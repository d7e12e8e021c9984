"""Sign-off states: what the accepted statements about one model add up to.

A pure reading of statements in log order: which requests are open, who answered them,
what holds each stage, and which promotions were begun and not ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from policies.predicates import (
    Approval,
    OutcomeKind,
    PredicateType,
    PromotionIntent,
    PromotionOutcome,
    Request,
    Transition,
    Withdrawal,
)
from policies.statements import Statement

if TYPE_CHECKING:
    from policies.predicates.records import Waiver


@dataclass(frozen=True, slots=True)
class Entry:
    """An accepted statement with its place in the log."""

    index: int
    id: str
    statement: Statement
    key: str = ""
    """Id of the key that made its signature."""


class RequestState(StrEnum):
    """What became of a request."""

    OPEN = "open"
    WITHDRAWN = "withdrawn"
    PROMOTING = "promoting"
    PROMOTED = "promoted"


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request and everything that answers it."""

    entry: Entry
    request: Request
    state: RequestState
    answers: tuple[tuple[Entry, Approval], ...] = ()
    """Approvals and rejections that were not withdrawn."""
    intents: tuple[tuple[Entry, PromotionIntent], ...] = ()
    waivers: tuple[tuple[Entry, Waiver], ...] = ()
    """Waivers that were not withdrawn."""

    @property
    def id(self) -> str:
        """The request's statement id."""
        return self.entry.id


@dataclass(frozen=True, slots=True)
class Holder:
    """The version that a stage of an environment has, and the promotion that put it."""

    version: str
    manifest: str
    transition: Transition
    intent: Entry
    outcome: Entry
    outcome_kind: OutcomeKind
    request: str
    placed: str = ""
    """Key of its copy in the environment's own registry, if it has one."""
    placed_at: str = ""
    """Where that copy's files lie."""
    ended: Entry | None = None
    """The demotion that took it out again."""
    restored: Entry | None = None
    """The demotion of another version that put it back."""

    @property
    def in_registry(self) -> str:
        """Key of the version that the environment's registry shows."""
        return self.placed or self.version

    @property
    def began(self) -> Entry:
        """What put the version into the stage, this time."""
        return self.restored or self.outcome

    @property
    def promoted_by(self) -> PromotionIntent:
        """The intent's own words."""
        predicate = self.intent.statement.predicate
        assert isinstance(predicate, PromotionIntent)  # noqa: S101 - by construction
        return predicate


@dataclass(slots=True)
class ModelRecord:
    """Everything decided about one registered model."""

    requests: dict[str, RequestRecord] = field(default_factory=dict)
    holders: dict[tuple[str, str], list[Holder]] = field(default_factory=dict)
    """(environment, stage) -> who held it, oldest first."""
    open_intents: dict[str, Entry] = field(default_factory=dict)

    def holder(self, environment: str, stage: str) -> Holder | None:
        """The version in a stage now."""
        held = self.holders.get((environment, stage), [])
        return held[-1] if held and held[-1].ended is None else None

    def open_request(
        self, version: str, transition: Transition
    ) -> RequestRecord | None:
        """The newest open request for a version and a target stage."""
        found = [
            record
            for record in self.requests.values()
            if record.state in (RequestState.OPEN, RequestState.PROMOTING)
            and record.request.version == version
            and record.request.transition.to_stage == transition.to_stage
            and record.request.transition.environment == transition.environment
        ]
        return found[-1] if found else None


class RunningRecord:
    """A model's record that is read on: as it was before one entry after another."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = sorted(entries, key=lambda e: e.index)
        self._taken, self._record = 0, ModelRecord()

    def before(self, position: int) -> ModelRecord:
        """The record of the entries below an index. Holds until the next call."""
        if self._taken and self._entries[self._taken - 1].index >= position:
            self._taken, self._record = 0, ModelRecord()
        while (
            self._taken < len(self._entries)
            and self._entries[self._taken].index < position
        ):
            _take(self._record, self._entries[self._taken])
            self._taken += 1
        return self._record


def read_model_record(entries: Sequence[Entry]) -> ModelRecord:
    """Fold the accepted statements on a model's topic, in log order."""
    record = ModelRecord()
    for entry in sorted(entries, key=lambda e: e.index):
        _take(record, entry)
    return record


def _take(record: ModelRecord, entry: Entry) -> None:
    match entry.statement.predicate:
        case Request() as request:
            record.requests[entry.id] = RequestRecord(entry, request, RequestState.OPEN)
        case Approval() as approval:
            _answer(record, entry, approval)
        case Withdrawal() as withdrawal:
            _withdraw(record, withdrawal)
        case PromotionIntent() as intent:
            _begin(record, entry, intent)
        case PromotionOutcome() as outcome:
            _end(record, entry, outcome)
        case _ if entry.statement.type is PredicateType.DEMOTION:
            _demote(record, entry)
        case _ if entry.statement.type is PredicateType.WAIVER:
            _waive(record, entry)


def _answer(record: ModelRecord, entry: Entry, approval: Approval) -> None:
    request = record.requests.get(approval.request)
    if request is not None:
        record.requests[approval.request] = replace(
            request, answers=(*request.answers, (entry, approval))
        )


def _withdraw(record: ModelRecord, withdrawal: Withdrawal) -> None:
    request = record.requests.get(withdrawal.statement)
    if request is not None:
        if request.state is RequestState.OPEN:
            record.requests[withdrawal.statement] = replace(
                request, state=RequestState.WITHDRAWN
            )
        return
    for key, candidate in record.requests.items():
        gone = withdrawal.statement
        record.requests[key] = replace(
            candidate,
            answers=tuple(a for a in candidate.answers if a[0].id != gone),
            waivers=tuple(w for w in candidate.waivers if w[0].id != gone),
        )


def _begin(record: ModelRecord, entry: Entry, intent: PromotionIntent) -> None:
    record.open_intents.pop(intent.takes_over, None)
    record.open_intents[entry.id] = entry
    request = record.requests.get(intent.request)
    if request is not None:
        record.requests[intent.request] = replace(
            request,
            state=RequestState.PROMOTING,
            intents=(*request.intents, (entry, intent)),
        )


def _end(record: ModelRecord, entry: Entry, outcome: PromotionOutcome) -> None:
    begun = record.open_intents.pop(outcome.intent, None)
    if begun is None or not isinstance(begun.statement.predicate, PromotionIntent):
        return
    intent = begun.statement.predicate
    request = record.requests.get(intent.request)
    has_failed = outcome.outcome is OutcomeKind.FAILED
    if request is not None:
        state = RequestState.OPEN if has_failed else RequestState.PROMOTED
        record.requests[intent.request] = replace(request, state=state)
    if has_failed:
        return
    slot = (intent.transition.environment, intent.transition.to_stage)
    record.holders.setdefault(slot, []).append(
        Holder(
            version=intent.version,
            manifest=intent.manifest,
            transition=intent.transition,
            intent=begun,
            outcome=entry,
            outcome_kind=outcome.outcome,
            request=intent.request,
            placed=outcome.placed,
            placed_at=outcome.placed_at,
        )
    )


def _waive(record: ModelRecord, entry: Entry) -> None:
    from policies.predicates.records import Waiver

    waiver = entry.statement.predicate
    assert isinstance(waiver, Waiver)  # noqa: S101 - dispatched on its type
    request = record.requests.get(waiver.request)
    if request is not None:
        record.requests[waiver.request] = replace(
            request, waivers=(*request.waivers, (entry, waiver))
        )


def _demote(record: ModelRecord, entry: Entry) -> None:
    """End the hold that a demotion names, if it is the one that lasts."""
    from policies.predicates.records import Demotion

    demotion = entry.statement.predicate
    assert isinstance(demotion, Demotion)  # noqa: S101 - dispatched on its type
    held = record.holders.get((demotion.environment, demotion.stage), [])
    if held and held[-1].intent.id == demotion.promotion and held[-1].ended is None:
        held[-1] = replace(held[-1], ended=entry)
        earlier = [h for h in held[:-1] if h.intent.id == demotion.restores]
        if earlier and all(h.ended is None for h in earlier):
            held.append(replace(earlier[-1], restored=entry))
