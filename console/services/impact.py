"""What a thing touched: the versions that came of it, where they serve, who agreed.

The question of the day a dataset turns out to be poisoned. What came of it is asked of
the projection; where it serves and who approved is read from verified statements.
"""

from __future__ import annotations

from dataclasses import dataclass

from console.services.catalogue import caught_up
from console.services.founding import printed_name
from console.services.judging import model_record
from console.services.opened import OpenStore
from policies.predicates import Decision
from policies.trust_state import TrustState
from policies.workflow import Holder, ModelRecord
from store.facts import Strength
from store.queries.lineage import Direction, describe, everything
from store.queries.models import ModelVersion, list_versions
from store.queries.resolve import resolve
from store.references import ReferenceKind, parse_reference

DEPTH = 1_000_000
"""Links behind each other: as good as no bound."""


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A stage that a version has or had, by the log."""

    environment: str
    stage: str
    is_now: bool
    promoted_at: str
    """As its signer claimed."""
    entry: int
    promoted_by: str
    approved_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Touched:
    """A model version that came of the thing."""

    version: str
    """Reference to it."""
    steps: int
    """Links between the two."""
    is_inferred: bool
    """Whether every way to it has a link that was only inferred."""
    aliases: tuple[str, ...]
    """What its registry called it at the last import."""
    held: tuple[HeldBy, ...]

    @property
    def serves(self) -> bool:
        """Whether the log or the registry says that it is somewhere now."""
        return bool(self.aliases) or any(held.is_now for held in self.held)


@dataclass(frozen=True, slots=True)
class Impact:
    """Everything that came of one thing."""

    start: str
    """Its key."""
    label: str
    touched: tuple[Touched, ...]
    """Those that serve first."""
    runs: int
    is_cut: bool
    """Whether there is more beyond the depth that was asked for."""


def impact(store: OpenStore, text: str, *, depth: int = DEPTH) -> Impact:
    """Which model versions came of a dataset version, commit, run or version.

    Raises:
        UnknownReference: there is no such thing, or several.
    """
    caught_up(store)
    reference = parse_reference(text, default_kind=ReferenceKind.DATASET)
    with store.projection.reading() as connection:
        key = resolve(connection, reference)
        found = everything(
            connection, key, Direction.DOWN, depth=depth, kind="model-version"
        )
        firm = everything(
            connection,
            key,
            Direction.DOWN,
            depth=depth,
            kind="model-version",
            ignored=(Strength.INFERRED,),
        )
        label = describe(connection, [key])[key].label
        versions = list_versions(connection, among=found.steps)
    state = store.state()
    records: dict[str, ModelRecord] = {}
    touched = []
    for version in versions:
        if version.model_key not in records:
            records[version.model_key] = model_record(store, version.model_key, state)
        record = records[version.model_key]
        touched.append(
            Touched(
                version=version.reference,
                steps=found.steps[version.key],
                is_inferred=version.key not in firm.steps,
                aliases=version.aliases,
                held=tuple(_held(store, state, record, version)),
            )
        )
    return Impact(
        start=key,
        label=label,
        touched=tuple(sorted(touched, key=lambda t: (not t.serves, t.version))),
        runs=found.counts.get("run", 0),
        is_cut=found.is_cut,
    )


def _held(
    store: OpenStore, state: TrustState, record: ModelRecord, version: ModelVersion
) -> list[HeldBy]:
    found = []
    for (environment, stage), holders in record.holders.items():
        for position, holder in enumerate(holders):
            if holder.version == version.key:
                is_last = position == len(holders) - 1
                found.append(
                    HeldBy(
                        environment=environment,
                        stage=stage,
                        is_now=is_last and holder.ended is None,
                        promoted_at=holder.outcome.statement.at,
                        entry=holder.intent.index,
                        promoted_by=_name(store, state, holder.intent.statement.by),
                        approved_by=_approvers(store, state, record, holder),
                    )
                )
    return found


def _approvers(
    store: OpenStore, state: TrustState, record: ModelRecord, holder: Holder
) -> tuple[str, ...]:
    request = record.requests.get(holder.request)
    return tuple(
        f"{_name(store, state, entry.statement.by)} as {approval.role}"
        for entry, approval in (request.answers if request else ())
        if approval.decision is Decision.APPROVE and entry.index < holder.intent.index
    )


def _name(store: OpenStore, state: TrustState, person_id: str) -> str:
    person = state.people.get(person_id)
    return printed_name(store, person.profile, person.id) if person else person_id


def place_of(held: HeldBy) -> str:
    """A stage in words."""
    now = "" if held.is_now else " (formerly)"
    return f"{held.stage} in {held.environment}{now}"
