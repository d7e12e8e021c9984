"""Promotion: putting a version into a stage, with a statement before and one after."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.errors import ConnectorError, ConnectorUnavailable
from connectors.protocols import AliasWriter
from console.services.cosigned import keep_head
from console.services.gating import require_anchor
from console.services.judging import (
    Judged,
    evidence_of,
    judge_request,
    model_record,
)
from console.services.opened import OpenStore, rfc3339
from console.services.placing import NOWHERE, Place, place_version
from console.services.problems import Refusal, Undecided
from console.services.registry_slots import held, put, slot_of, tag_version
from console.services.signing import Acting, Appended, append
from console.services.signoff import reread
from policies.predicates import (
    OutcomeKind,
    PromotionIntent,
    PromotionOutcome,
)
from policies.verdict import Verdict
from policies.workflow import RequestRecord, RequestState
from store.identifiers import split_key


@dataclass(frozen=True, slots=True)
class Promoted:
    """How a promotion ended."""

    intent: Appended
    outcome: Appended
    kind: OutcomeKind
    registry: str
    read_back: str
    judged: Judged


def promote(
    store: OpenStore,
    acting: Acting,
    record: RequestRecord,
    *,
    environment: Mapping[str, str] = os.environ,
) -> Promoted:
    """Carry out an approved request: intent, registry, read back, outcome.

    An own intent that was left open is taken up again, so trying twice is safe.

    Raises:
        Refusal: the verdict is not yes.
        Undecided: it could not be told.
    """
    require_anchor(store)
    store.require_known_types()
    if record.state is RequestState.PROMOTED:
        raise Refusal("the request was promoted already")
    if record.state is RequestState.WITHDRAWN:
        raise Refusal("the request was withdrawn")
    judged = _judge_again(store, record)
    if judged.tree.verdict is not Verdict.YES:
        raise Refusal(
            f"the verdict is {judged.tree.verdict.value}; nothing was changed",
            hint="See why: countersign gate "
            f"{_reference(record)} --to {record.request.transition.to_stage}",
        )
    reread(store, record, acting.id)
    intent = _open_intent(store, acting, record) or _declare(
        store, acting, record, judged
    )
    applied = _apply(store, record, intent.statement_id, environment)
    request = record.request
    outcome = append(
        store,
        acting,
        PromotionOutcome(
            intent=intent.statement_id,
            model=request.model,
            version=request.version,
            transition=request.transition,
            outcome=applied.kind,
            registry=applied.registry,
            read_back=applied.read_back,
            placed=applied.place.copy,
            placed_at=applied.place.location,
        ),
        (request.version, request.manifest),
    )
    return Promoted(
        intent, outcome, applied.kind, applied.registry, applied.read_back, judged
    )


def _judge_again(store: OpenStore, record: RequestRecord) -> Judged:
    state = store.state()
    current = model_record(store, record.request.model, state)
    transition = record.request.transition
    holder = current.holder(transition.environment, transition.to_stage)
    return judge_request(
        store,
        current.requests[record.id],
        holder.version if holder else "",
        state,
        now=store.clock(),
        position=store.index.size,
    )


def _open_intent(
    store: OpenStore, acting: Acting, record: RequestRecord
) -> Appended | None:
    current = model_record(store, record.request.model, store.state())
    for statement_id, entry in current.open_intents.items():
        predicate = entry.statement.predicate
        if (
            isinstance(predicate, PromotionIntent)
            and predicate.request == record.id
            and entry.statement.by == acting.id
        ):
            return Appended(entry.index, statement_id)
    return None


def _declare(
    store: OpenStore, acting: Acting, record: RequestRecord, judged: Judged
) -> Appended:
    request = record.request
    abandoned = _abandoned(store, record)
    intent = PromotionIntent(
        request=record.id,
        model=request.model,
        version=request.version,
        manifest=request.manifest,
        transition=request.transition,
        policy=request.policy,
        root=store.state().root_digest,
        verdict=store.objects.put(judged.tree.to_bytes()),
        judged_at=rfc3339(judged.judged_at),
        takes_over=abandoned,
        head=keep_head(store, judged.policy),
    )

    def still_yes() -> None:
        if _judge_again(store, record).tree.verdict is not Verdict.YES:
            raise Refusal(
                "something else was decided meanwhile, and the verdict is no longer "
                "yes; nothing was changed"
            )

    return append(
        store,
        acting,
        intent,
        (request.version, request.manifest),
        check_again=still_yes,
    )


def _abandoned(store: OpenStore, record: RequestRecord) -> str:
    """Another person's intent for the same request that was never ended."""
    current = model_record(store, record.request.model, store.state())
    for statement_id, entry in current.open_intents.items():
        predicate = entry.statement.predicate
        if isinstance(predicate, PromotionIntent) and predicate.request == record.id:
            return statement_id
    return ""


@dataclass(frozen=True, slots=True)
class _Applied:
    """What became of the registry."""

    kind: OutcomeKind
    registry: str = ""
    read_back: str = ""
    place: Place = NOWHERE


def _apply(
    store: OpenStore,
    record: RequestRecord,
    intent: str,
    environment: Mapping[str, str],
) -> _Applied:
    """Move what the environment's registry calls the stage, and read it back."""
    request = record.request
    setting = store.configuration.environment(request.transition.environment)
    if not setting.registry:
        return _Applied(OutcomeKind.RECORDED_ONLY)
    writer = open_registry(setting.registry, environment)
    slot = slot_of(setting, request.transition.to_stage)
    try:
        approved = evidence_of(store, record).model
        place = place_version(store, approved, setting, environment)
        put(writer, slot, place.model, place.version)
        read_back = held(writer, slot, place.model)
    except ConnectorUnavailable as cause:
        raise Undecided(
            f"the promotion is begun and the registry does not answer: {cause}",
            hint="The intent is in the log. Run the same command again to end it.",
        ) from cause
    except ConnectorError as cause:
        return _Applied(OutcomeKind.FAILED, writer.address, f"refused: {cause}"[:500])
    said = f"{slot.label} -> {place.model}@{read_back or 'nothing'}"
    if read_back != place.version:
        return _Applied(OutcomeKind.FAILED, writer.address, said)
    if setting.tag:
        version = (place.model, place.version)
        problem = tag_version(writer, *version, setting.tag, intent)
        said += f"; {problem}"[:200] if problem else ""
    return _Applied(OutcomeKind.DONE, writer.address, said, place)


def open_registry(address: str, environment: Mapping[str, str]) -> AliasWriter:
    """The writer for a registry's address."""
    from connectors.mlflow.client import MlflowClient, authorisation_from
    from connectors.mlflow.registry import MlflowRegistry

    client = MlflowClient(address, authorisation=authorisation_from(environment))
    return MlflowRegistry(client)


def _reference(record: RequestRecord) -> str:
    return "model:" + "@".join(split_key(record.request.version)[1][-2:])
