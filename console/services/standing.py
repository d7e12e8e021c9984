"""What stands: registries against the log, what waits for whom, what is wrong."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.currency import why_stale
from console.services.founding import printed_name
from console.services.judging import model_record
from console.services.opened import OpenStore
from console.services.problems import KNOWN_ERRORS
from console.services.registry_slots import as_aliases, slot_of
from console.services.reviewing import (
    all_requests,
    review_sheet,
    roles_to_answer,
    signers_of,
)
from console.services.scanning import Scanned, scan
from console.services.unusable_batches import unusable_batches
from policies.predicates import Decision
from policies.topics import LAUNCHES
from policies.trust_state import TrustState
from policies.workflow import Holder, RequestRecord, RequestState
from store.identifiers import model_key, split_key
from store.queries.models import Alias, current_aliases, current_stages

if TYPE_CHECKING:
    from console.services.pipelines.waiting_launches import WaitingLaunch

MOST_SCANNED = 200
"""Versions that the overview looks at; `countersign scan` looks at all."""


@dataclass(frozen=True, slots=True)
class UnapprovedChange:
    """A registry says something that the log does not."""

    model: str
    environment: str
    stage: str
    registry: str
    """Version that the registry points at; empty when at none."""
    approved: str
    """Version that the log says; empty when none was ever approved."""
    since: datetime | None
    """When it was first seen so."""


@dataclass(frozen=True, slots=True)
class HeldStage:
    """A version that the log says is in a stage."""

    model: str
    environment: str
    stage: str
    version: str
    entry: int
    at: str


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request that is open, and what it waits for."""

    id: str
    model: str
    version: str
    to_stage: str
    transition: str
    requester: str
    waits_for: tuple[str, ...]
    for_me: tuple[str, ...] = ()
    """Roles in which somebody whose key is at hand could still decide."""


@dataclass(frozen=True, slots=True)
class LogOverview:
    """What the log alone says: what is where, and what waits."""

    held: tuple[HeldStage, ...]
    waiting: tuple[WaitingRequest, ...]
    launches: tuple[WaitingLaunch, ...]
    """Launches that wait to be released."""
    entries: int
    void_entries: int


@dataclass(frozen=True, slots=True)
class RegistryOverview:
    """What the imports say besides: what differs, and what is no batch."""

    unapproved: tuple[UnapprovedChange, ...]
    unusable_batches: int


def log_overview(store: OpenStore) -> LogOverview:
    """The part of the first screen that needs no lineage."""
    state = store.state()
    judgements = [entry.judgement for entry in store.index.entries()]
    return LogOverview(
        held=tuple(_held(store, state)),
        waiting=tuple(waiting_requests(store, state)),
        launches=_waiting_launches(store, state),
        entries=len(judgements),
        void_entries=sum(j.standing.value == "void" for j in judgements),
    )


def _waiting_launches(store: OpenStore, state: TrustState) -> tuple[WaitingLaunch, ...]:
    """What judges launches is loaded only where there are any."""
    if store.index.newest_on_topics(store.index.size, LAUNCHES) < 0:
        return ()
    from console.services.pipelines.waiting_launches import waiting_launches

    return tuple(waiting_launches(store, state))


def registry_overview(store: OpenStore) -> RegistryOverview:
    """What the registries say against the log, as far as it was imported."""
    return RegistryOverview(
        unapproved=tuple(unapproved_changes(store)),
        unusable_batches=len(unusable_batches(store)),
    )


def incomplete_records(store: OpenStore) -> list[Scanned]:
    """What the records of the first versions lack, those with an alias first."""
    return scan(store, most=MOST_SCANNED)


def _held(store: OpenStore, state: TrustState) -> list[HeldStage]:
    return [
        HeldStage(
            model="/".join(split_key(model)[1]),
            environment=environment,
            stage=stage,
            version=split_key(holder.version)[1][-1],
            entry=holder.intent.index,
            at=holder.began.statement.at,
        )
        for model, (environment, stage), holder in _holders(store, state)
    ]


def _holders(
    store: OpenStore, state: TrustState
) -> list[tuple[str, tuple[str, str], Holder]]:
    found = []
    for topic in store.index.topics_starting("decision:"):
        model = topic.removeprefix("decision:")
        record = model_record(store, model, state)
        found += [
            (model, slot, held[-1])
            for slot, held in record.holders.items()
            if held[-1].ended is None
        ]
    return found


def waiting_requests(
    store: OpenStore, state: TrustState, *, mine: Collection[str] = ()
) -> list[WaitingRequest]:
    """Open requests with the roles that still lack approvals.

    `mine` are the ids of people whose keys are at hand; what waits for them goes first.
    """
    found = [
        _waiting(store, record, state, mine)
        for record in all_requests(store, state)
        if record.state in (RequestState.OPEN, RequestState.PROMOTING)
    ]
    return sorted(found, key=lambda request: not request.for_me)


def _for_me(
    store: OpenStore, record: RequestRecord, state: TrustState, mine: Collection[str]
) -> tuple[str, ...]:
    if record.state is not RequestState.OPEN or not mine:
        return ()
    try:
        if why_stale(store, record):
            return ()
        sheet = review_sheet(store, record, state)
    except KNOWN_ERRORS:
        return ()
    answered = {(e.statement.by, a.role) for e, a in record.answers}
    roles = [
        role
        for person in sorted(mine)
        if person != record.entry.statement.by
        for role in roles_to_answer(sheet, state, person)
        if (person, role) not in answered
    ]
    return tuple(dict.fromkeys(roles))


def _waiting(
    store: OpenStore, record: RequestRecord, state: TrustState, mine: Collection[str]
) -> WaitingRequest:
    requester = state.people.get(record.entry.statement.by)
    source, model, version = split_key(record.request.version)[1]
    return WaitingRequest(
        id=record.id,
        model=f"{source}/{model}",
        version=version,
        to_stage=record.request.transition.to_stage,
        transition=str(record.request.transition),
        requester=printed_name(store, requester.profile, requester.id)
        if requester
        else record.entry.statement.by,
        waits_for=_obstacles(store, record, state) + _pending(store, record, state),
        for_me=_for_me(store, record, state, mine),
    )


def _pending(
    store: OpenStore, record: RequestRecord, state: TrustState
) -> tuple[str, ...]:
    """What is still to be signed, or why nobody can review the request."""
    try:
        if record.state is RequestState.OPEN and (why := why_stale(store, record)):
            return (f"a new request: {why}",)
        return review_sheet(store, record, state).pending or ("promotion",)
    except KNOWN_ERRORS as problem:
        return (f"withdrawal: nobody can review it: {problem}",)


def _obstacles(
    store: OpenStore, record: RequestRecord, state: TrustState
) -> tuple[str, ...]:
    """Rejections that stand, by name."""
    return tuple(
        f"rejected by {name}"
        for name, _, decision, _ in signers_of(store, record, state)
        if decision == Decision.REJECT.value
    )


def unapproved_changes(store: OpenStore) -> list[UnapprovedChange]:
    """Imported aliases of governed stages that differ from what the log approves.

    Governed are the stages that a policy in force names, in every environment that is
    configured, or in the one without a name.
    """
    store.projection.catch_up()
    with store.projection.reading() as connection:
        aliases = current_aliases(connection)
        stages = current_stages(connection)
    return changes_among(store, aliases + as_aliases(stages))


def changes_among(store: OpenStore, aliases: list[Alias]) -> list[UnapprovedChange]:
    """Those of some aliases, and stages as aliases, that the log does not approve."""
    state = store.state()
    holders = {(model, slot): holder for model, slot, holder in _holders(store, state)}
    changes = []
    for environment, stage, alias, source in _governed(store):
        changes += _compare(environment, stage, alias, source, aliases, holders)
    return changes


def governed_stages(store: OpenStore) -> list[str]:
    """Stages that a policy in force names; only those are compared."""
    return sorted(
        {
            stage
            for policy in store.policies(store.state())
            if not policy.applies.is_for_launches
            for stage in policy.applies.to
            if "*" not in stage
        }
    )


def _governed(store: OpenStore) -> list[tuple[str, str, str, str]]:
    """(environment, stage, alias, source) to compare."""
    stages = governed_stages(store)
    configured = list(store.configuration.environments) or [DEFAULT_ENVIRONMENT]
    found = []
    for name in configured:
        setting = store.configuration.environment(name)
        found += [(name, s, slot_of(setting, s).label, setting.source) for s in stages]
    return found


def _compare(
    environment: str,
    stage: str,
    alias_name: str,
    source: str,
    aliases: list[Alias],
    holders: dict[tuple[str, tuple[str, str]], Holder],
) -> list[UnapprovedChange]:
    seen = {
        alias.model: alias
        for alias in aliases
        if alias.name == alias_name
        and (not source or split_key(alias.model)[1][0] == source)
    }
    approved = {
        shown: holder
        for (model, slot), holder in holders.items()
        if slot == (environment, stage)
        for shown in [_model_shown(holder, model)]
        if not source or split_key(shown)[1][0] == source
    }
    changes = []
    for model in sorted(seen.keys() | approved.keys()):
        alias, holder = seen.get(model), approved.get(model)
        found = alias.version_key if alias else ""
        wanted = holder.in_registry if holder else ""
        if found != wanted:
            changes.append(
                UnapprovedChange(
                    model="/".join(split_key(model)[1]),
                    environment=environment,
                    stage=stage,
                    registry=alias.version if alias else "",
                    approved=split_key(wanted)[1][-1] if wanted else "",
                    since=alias.high if alias else None,
                )
            )
    return changes


def _model_shown(holder: Holder, model: str) -> str:
    """Key of the model as the environment's registry knows it."""
    return model_key(*split_key(holder.placed)[1][:2]) if holder.placed else model
