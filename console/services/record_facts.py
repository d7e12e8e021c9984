"""What accompanies a model, for the rules that ask about it at a position."""

from __future__ import annotations

from dataclasses import replace

from console.services.founding import printed_name
from console.services.opened import OpenStore, parse_time
from policies.document import Policy
from policies.model_file import ModelFile, read_model_file
from policies.rules.context import Context, ModelStanding, OpenFinding
from policies.topics import model_topic
from policies.trust_state import TrustState
from policies.workflow import RequestRecord

_KINDS = frozenset({"model_record", "findings"})


def model_file_before(
    store: OpenStore, model_key: str, known: TrustState, position: int
) -> ModelFile:
    """A model's file below a position, without what stolen keys changed in it."""
    entries = store.verified_entries(model_topic(model_key), known)
    return read_model_file(
        [entry for entry in entries if entry.index < position],
        lambda entry: known.is_suspect(entry.key, entry.index),
    )


def with_record(
    context: Context,
    store: OpenStore,
    record: RequestRecord,
    policy: Policy,
    states: tuple[TrustState, TrustState],
    position: int,
) -> Context:
    """The context with the model's record and open findings, if a rule asks for them.

    `states` are the state at the position, and the one that knows of stolen keys.
    """
    if not any(rule.kind in _KINDS for rule in policy.rules):
        return context
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
    )


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
    )
