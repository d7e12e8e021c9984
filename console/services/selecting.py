"""Which policy decides on a transition: the log is asked what policies select by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.services.opened import OpenStore
from policies.document import Policy
from policies.predicates import Transition
from policies.selection import Asked, needs_record, needs_stages, select_policy
from policies.topics import model_topic
from policies.trust_state import TrustState
from policies.workflow import RequestRecord, RunningRecord
from store.identifiers import split_key


@dataclass(frozen=True, slots=True)
class Wanted:
    """A transition that somebody asks for, or could."""

    model: str
    """Key of the model."""
    version: str
    """Key of the version."""
    transition: Transition
    requester: str = ""
    """Person id; empty: nobody has asked."""

    @classmethod
    def of(cls, record: RequestRecord) -> Wanted:
        """What a request asks for."""
        request = record.request
        by = record.entry.statement.by
        return cls(request.model, request.version, request.transition, by)


def policy_for(
    store: OpenStore,
    wanted: Wanted,
    state: TrustState,
    *,
    position: int | None = None,
    known: TrustState | None = None,
    among: Sequence[Policy] | None = None,
) -> Policy:
    """The policy that decides, by the log before `position`; None: by all of it.

    `known` says which keys were stolen; by default `state`. `among` stands for the
    policies in force.

    Raises:
        UnknownSelection: one turns on what the log does not say.
        MalformedPolicy: none covers it, or no one of them is the narrowest.
    """
    policies = store.policies(state) if among is None else among
    before = store.index.size if position is None else position
    asked = asked_at(store, wanted, before, known or state, policies)
    return select_policy(policies, asked)


def asked_at(
    store: OpenStore,
    wanted: Wanted,
    position: int,
    known: TrustState,
    policies: Sequence[Policy],
) -> Asked:
    """A transition with what policies select by, as the log before a position has it.

    Only what one of the policies turns on is looked up.
    """
    name = split_key(wanted.model)[1][-1]
    stages: frozenset[str] = frozenset()
    if needs_stages(policies):
        stages = _stages(store, wanted, position, known)
    if not needs_record(policies):
        return Asked(name, wanted.transition, stages)
    from console.services.record_facts import record_told

    told = record_told(store, wanted.model, known, position)
    if told.lack:
        return Asked(name, wanted.transition, stages, why_unknown=told.lack)
    said = [
        what
        for what, by in (("tier", told.tier_by), ("owner", told.owner_by))
        if by <= {wanted.requester}
    ]
    return Asked(
        name,
        wanted.transition,
        stages,
        tier="" if "tier" in said else told.tier,
        owner="" if "owner" in said else told.owner,
        why_unknown=f"only whoever asks says the model's {' and '.join(said)}",
    )


def _stages(
    store: OpenStore, wanted: Wanted, position: int, known: TrustState
) -> frozenset[str]:
    entries = store.verified_entries(model_topic(wanted.model), known)
    holders = RunningRecord(entries).before(position).holders
    return frozenset(
        stage
        for (environment, stage), held in holders.items()
        if environment == wanted.transition.environment
        and held[-1].ended is None
        and held[-1].version == wanted.version
    )
