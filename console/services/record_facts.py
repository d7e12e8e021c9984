"""What accompanies a model, for the rules that ask about it at a position."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from console.services.founding import printed_name
from console.services.opened import OpenStore, parse_time
from policies.evidence import Metric
from policies.model_file import ModelFile, read_model_file
from policies.predicates.observations import Observation, ObservedNumber
from policies.predicates.records import ModelRecordChange
from policies.rules.context import Context, ModelStanding, Observed, OpenFinding
from policies.topics import model_topic
from policies.trust_state import TrustState
from policies.verdict import Node, Verdict
from policies.workflow import Entry, RequestRecord


def model_file_before(
    store: OpenStore, model_key: str, known: TrustState, position: int
) -> ModelFile:
    """A model's file below a position, without what stolen keys changed in it."""
    entries = store.verified_entries(model_topic(model_key), known)
    return read_model_file(
        [entry for entry in entries if entry.index < position],
        lambda entry: known.is_suspect(entry.key, entry.index),
    )


@dataclass(frozen=True, slots=True)
class RecordTold:
    """What policies select by in a model's record, and who stands behind it."""

    tier: str = ""
    tier_by: frozenset[str] = frozenset()
    """Ids of everybody who signed a record that says so, since it said otherwise."""
    owner: str = ""
    """Person id."""
    owner_by: frozenset[str] = frozenset()
    lack: str = ""
    """Why nothing is known of it, if so."""


def record_told(
    store: OpenStore, model_key: str, known: TrustState, position: int
) -> RecordTold:
    """A model's tier and owner below a position.

    Where a thief can have signed the newest record nothing is known: neither what it
    says, nor whether what it replaced would still be said.
    """
    changes = [
        (entry, entry.statement.predicate)
        for entry in store.verified_entries(model_topic(model_key), known)
        if entry.index < position
        and isinstance(entry.statement.predicate, ModelRecordChange)
    ]
    if not changes:
        return RecordTold(lack="the model has no record")
    newest, _ = changes[-1]
    if known.is_suspect(newest.key, newest.index):
        return RecordTold(lack="the model's record was signed with a stolen key")
    told = RecordTold()
    for entry, record in changes:
        by = frozenset({entry.statement.by})
        is_told = not known.is_suspect(entry.key, entry.index)
        if is_told and isinstance(record, ModelRecordChange):
            told = RecordTold(
                tier=record.tier,
                tier_by=by | (told.tier_by if told.tier == record.tier else by),
                owner=record.owner,
                owner_by=by | (told.owner_by if told.owner == record.owner else by),
            )
    return told


def review_still_ahead(
    store: OpenStore, model_key: str, known: TrustState, position: int, now: datetime
) -> list[Node]:
    """Whether a date of review that was set before a position, or a later one since, is
    still to come. Nothing where none was set before it: that rule was waived."""
    then = model_file_before(store, model_key, known, position).record
    if then is None or not then.review_by:
        return []
    record = model_file_before(store, model_key, known, store.index.size).record
    due = record.review_by if record else ""
    verdict = Verdict.UNKNOWN
    if due:
        verdict = Verdict.YES if now < parse_time(due) else Verdict.NO
    return [
        Node(
            "the model's next review is still ahead",
            verdict,
            f"review by {due[:10]}" if due else "no date of the next review",
            "a date to come",
            "Review the model, then: countersign model set MODEL --review-by DATE",
        )
    ]


def with_record(
    context: Context,
    store: OpenStore,
    record: RequestRecord,
    states: tuple[TrustState, TrustState],
    position: int,
) -> Context:
    """The context with what the model's file says.

    `states` are the state at the position, and the one that knows of stolen keys.
    """
    state, known = states
    file = model_file_before(store, record.request.model, known, position)
    return replace(
        context,
        model=_standing(store, file, state),
        findings=tuple(
            OpenFinding(
                found.finding.finding,
                found.finding.severity,
                parse_time(found.finding.due) if found.finding.due else None,
            )
            for found in file.open_findings(record.request.version)
        ),
        observations=tuple(
            _observed(entry, observation, state)
            for entry, observation in file.observations
        ),
    )


def _observed(entry: Entry, observation: Observation, state: TrustState) -> Observed:
    return Observed(
        entry=entry.index,
        version=observation.version,
        manifest=observation.manifest,
        environment=observation.environment,
        target=observation.target,
        since=parse_time(observation.since),
        until=parse_time(observation.until),
        numbers=_metrics(observation.numbers),
        units=_units(observation.numbers),
        baseline=observation.baseline,
        baseline_numbers=_metrics(observation.baseline_numbers),
        baseline_units=_units(observation.baseline_numbers),
        is_by_service=entry.statement.by in state.services,
    )


def _metrics(numbers: tuple[ObservedNumber, ...]) -> tuple[Metric, ...]:
    return tuple(Metric(n.name, n.value, n.slice, n.samples) for n in numbers)


def _units(numbers: tuple[ObservedNumber, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((n.name, n.unit) for n in numbers if n.unit)


def _standing(
    store: OpenStore, file: ModelFile, state: TrustState
) -> ModelStanding | None:
    record = file.record
    if record is None:
        return None
    owner = state.people.get(record.owner)
    return ModelStanding(
        owner=printed_name(store, owner.profile, owner.id) if owner else record.owner,
        is_owner_in_force=owner is not None,
        tier=record.tier,
        vendor_parts=record.vendor_parts,
        review_by=parse_time(record.review_by) if record.review_by else None,
        owner_id=record.owner,
    )
