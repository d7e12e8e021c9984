"""The gate: may a version be in a stage now?"""

from __future__ import annotations

from console.services.judging import (
    Judged,
    judge_request,
    judge_standing,
    model_record,
    no_request,
)
from console.services.opened import OpenStore, confirmed_anchor
from console.services.problems import Undecided
from policies.predicates import PromotionOutcome, Transition
from policies.topics import placed_topic
from policies.trust_state import TrustState
from store.identifiers import EntityKey, model_key, model_version_key, split_key
from store.references import ReferenceKind, parse_reference


def require_anchor(store: OpenStore) -> None:
    """Refuse to decide on a log whose beginning no person confirmed.

    Raises:
        Undecided: neither pinned nor remembered here.
    """
    if not confirmed_anchor(store):
        raise Undecided(
            "this machine was never told which trust root to trust",
            hint=f"Compare {store.first_root} with what its owner tells you, then give "
            "it as --anchor or COUNTERSIGN_ANCHOR.",
        )


def decided_version(store: OpenStore, text: str) -> tuple[EntityKey, EntityKey]:
    """Model and version keys of a reference, from the log if it can tell.

    A version that was never decided about is looked up in the projection.
    """
    reference = parse_reference(text, default_kind=ReferenceKind.MODEL)
    topics = store.index.topics_starting("decision:model:")
    matching = []
    for topic in topics:
        key = topic.removeprefix("decision:")
        source, name = split_key(key)[1]
        if reference.name in (name, f"{source}/{name}"):
            matching.append((source, name))
    if len(matching) == 1 and reference.selector.isdigit():
        source, name = matching[0]
        key = model_key(source, name)
        return key, model_version_key(source, name, reference.selector)
    from console.services.named_versions import find_version

    version = find_version(store, text)
    return EntityKey(version.model_key), EntityKey(version.key)


def gate(
    store: OpenStore,
    text: str,
    to_stage: str,
    environment: str,
    *,
    artifact_folder: str = "",
) -> Judged:
    """Whether a version may be in a stage now.

    A version that was promoted is judged as it was then, with its bytes as they are
    now; another by its open request.

    Raises:
        Undecided: this machine cannot decide on this log.
        UnknownReference: there is no such version.
    """
    require_anchor(store)
    store.require_known_types()
    state, now = store.state(), store.clock()
    model, version = _original(store, decided_version(store, text), state)
    record = model_record(store, model, state)
    holder = record.holder(environment, to_stage)
    if holder is not None and holder.version == version:
        return judge_standing(
            store, record, holder, now, artifact_folder=artifact_folder
        )
    transition = Transition("", to_stage, environment)
    request = record.open_request(version, transition)
    if request is None:
        from console.services.named_versions import find_version

        find_version(store, text)
        reference = parse_reference(text, default_kind=ReferenceKind.MODEL)
        tree = no_request(transition, str(reference))
        return Judged(tree, None, None, store.index.size, now)
    return judge_request(
        store,
        request,
        holder.version if holder else "",
        state,
        now=now,
        position=store.index.size,
        artifact_folder=artifact_folder,
    )


def _original(
    store: OpenStore, named: tuple[EntityKey, EntityKey], state: TrustState
) -> tuple[EntityKey, EntityKey]:
    """Model and version that were decided about, where a copy of one is named."""
    for entry in store.verified_entries(placed_topic(named[1]), state):
        outcome = entry.statement.predicate
        if isinstance(outcome, PromotionOutcome):
            named = EntityKey(outcome.model), EntityKey(outcome.version)
    return named
