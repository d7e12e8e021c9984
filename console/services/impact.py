"""What a thing touched: the versions that came of it, where they serve, who agreed.

The question of the day a dataset turns out to be poisoned. What came of it is asked of
the projection; where it serves and who approved is read from verified statements.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from console.services.catalogue import caught_up
from console.services.founding import printed_name
from console.services.moments import NOW, Asked
from console.services.opened import OpenStore, parse_time
from policies.predicates import Decision
from policies.topics import model_topic
from policies.trust_state import TrustState
from policies.workflow import Entry, Holder, ModelRecord, read_model_record
from store.facts import Strength
from store.queries.lineage import Closure, Direction, walk
from store.queries.models import ModelVersion, list_versions
from store.queries.resolve import resolve
from store.references import ReferenceKind, parse_reference

DEPTH = 50


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A stage that a version has or had, by the log."""

    environment: str
    stage: str
    is_now: bool
    """Now, or at the moment that was asked for."""
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
    """Whether there is more than a walk may visit."""


def impact(
    store: OpenStore, text: str, *, depth: int = DEPTH, asked: Asked = NOW
) -> Impact:
    """Which model versions came of a dataset version, commit, run or version.

    At a past moment: by the links and versions there were, and in the stages that they
    had then, as the signers of promotions claim the time.

    Raises:
        UnknownReference: there is no such thing, or several.
    """
    caught_up(store)
    reference = parse_reference(text, default_kind=ReferenceKind.DATASET)
    as_of = asked.as_of
    with store.projection.reading(asked.known_at) as connection:
        key = resolve(connection, reference, as_of=as_of)
        closure = walk(connection, key, Direction.DOWN, depth=depth, as_of=as_of)
        versions = {
            found.key: found
            for node in closure.nodes.values()
            if node.kind == "model-version"
            for found in list_versions(connection, key=node.key, as_of=as_of)
        }
    state, firm = store.state(), _firmly_reached(closure)
    records: dict[str, ModelRecord] = {}
    touched = []
    for version in versions.values():
        if version.model_key not in records:
            records[version.model_key] = _record(store, version.model_key, state, asked)
        record = records[version.model_key]
        touched.append(
            Touched(
                version=version.reference,
                steps=closure.depth[version.key],
                is_inferred=version.key not in firm,
                aliases=version.aliases,
                held=tuple(_held(store, state, record, version, as_of)),
            )
        )
    return Impact(
        start=key,
        label=closure.start.label,
        touched=tuple(sorted(touched, key=lambda t: (not t.serves, t.version))),
        runs=sum(node.kind == "run" for node in closure.nodes.values()),
        is_cut=closure.is_cut,
    )


def _firmly_reached(closure: Closure) -> set[str]:
    """Keys that some way leads to on which no link was inferred."""
    following: dict[str, list[str]] = {}
    for edge in closure.edges:
        if edge.strength != Strength.INFERRED.value:
            for key in (edge.subject, edge.object):
                following.setdefault(key, []).append(edge.neighbour(key))
    reached, frontier = {closure.start.key}, [closure.start.key]
    while frontier:
        key = frontier.pop()
        for other in following.get(key, ()):
            is_further = closure.depth.get(other, 0) > closure.depth.get(key, 0)
            if other not in reached and is_further:
                reached.add(other)
                frontier.append(other)
    return reached


def _record(
    store: OpenStore, model_key: str, state: TrustState, asked: Asked
) -> ModelRecord:
    """What was decided about a model, or had been at an entry."""
    entries = store.verified_entries(model_topic(model_key), state)
    end = store.index.size if asked.known_at is None else asked.known_at + 1
    return read_model_record([entry for entry in entries if entry.index < end])


def _held(
    store: OpenStore,
    state: TrustState,
    record: ModelRecord,
    version: ModelVersion,
    as_of: datetime | None,
) -> list[HeldBy]:
    found = []
    for (environment, stage), holders in record.holders.items():
        for position, holder in enumerate(holders):
            if holder.version == version.key and _had_begun(holder.began, as_of):
                following = holders[position + 1 : position + 2]
                ending = holder.ended or (following[0].began if following else None)
                found.append(
                    HeldBy(
                        environment=environment,
                        stage=stage,
                        is_now=ending is None or not _had_begun(ending, as_of),
                        promoted_at=holder.outcome.statement.at,
                        entry=holder.intent.index,
                        promoted_by=_name(store, state, holder.intent.statement.by),
                        approved_by=_approvers(store, state, record, holder),
                    )
                )
    return found


def _had_begun(entry: Entry, as_of: datetime | None) -> bool:
    """Whether a statement was made by a moment, as its signer claims the time."""
    return as_of is None or parse_time(entry.statement.at) <= as_of


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


def places_held(
    store: OpenStore, version: ModelVersion, asked: Asked = NOW
) -> list[HeldBy]:
    """Stages that a version has or had, by the log."""
    state = store.state()
    record = _record(store, version.model_key, state, asked)
    return _held(store, state, record, version, asked.as_of)


def current_holders(store: OpenStore, model_key: str) -> set[str]:
    """Keys of the versions of a model that are in some stage now, by the log."""
    record = _record(store, model_key, store.state(), NOW)
    return {
        holders[-1].version
        for holders in record.holders.values()
        if holders and holders[-1].ended is None
    }


def place_of(held: HeldBy) -> str:
    """A stage in words."""
    now = "" if held.is_now else " (formerly)"
    return f"{held.stage} in {held.environment}{now}"
