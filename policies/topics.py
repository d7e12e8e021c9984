"""Names under which accepted entries are found again, without reading the others."""

from __future__ import annotations

from policies.predicates import (
    Approval,
    DocumentKind,
    Endorsement,
    Enrolment,
    LineageBatch,
    PredicateType,
    PromotionIntent,
    PromotionOutcome,
    Request,
    Revocation,
    Transition,
    Withdrawal,
)
from policies.statements import Statement
from store.identifiers import kind_of

TRUST = "trust"
POLICY = "policy"
LINEAGE = "lineage"
UPKEEP = "upkeep"
LAUNCHES = "launch"
"""Every launch of a pipeline."""
RECORD_TYPES = frozenset(PredicateType) - {
    PredicateType.ENDORSEMENT,
    PredicateType.ENROLMENT,
    PredicateType.REVOCATION,
    PredicateType.LINEAGE_BATCH,
    PredicateType.REQUEST,
    PredicateType.APPROVAL,
    PredicateType.WITHDRAWAL,
    PredicateType.PROMOTION_INTENT,
    PredicateType.PROMOTION_OUTCOME,
}
"""Types whose rules live in policies.record_permissions."""


def model_topic(model_key: str) -> str:
    """Everything that was decided or asked about one registered model."""
    return f"decision:{model_key}"


def request_topic(request_id: str) -> str:
    """A request, by its statement id, and all that answers it."""
    return f"request:{request_id}"


def slot_topic(model_key: str, transition: Transition) -> str:
    """Promotions into one stage of one environment for one model."""
    return f"slot:{model_key}|{transition.environment}|{transition.to_stage}"


def launch_topic(launch: str) -> str:
    """Everything that was said of one launch of a pipeline, by its id."""
    return f"launch:{launch}"


def outcome_topic(intent_id: str) -> str:
    """What came of a launch that was declared, by the intent's statement id."""
    return f"launched:{intent_id}"


def withdrawn_topic(pipeline_key: str) -> str:
    """Withdrawals of what people decided about launches of one pipeline."""
    return f"withdrawn:{pipeline_key}"


def placed_topic(version_key: str) -> str:
    """Promotions that put a copy, by its own key, into another registry."""
    return f"placed:{version_key}"


def erasable_topic(digest: str, kind: str) -> str:
    """Statements that name an object as words that may be erased."""
    return f"words:{kind}:{digest}"


def kept_topic(digest: str) -> str:
    """Statements that name an object which decisions rest on."""
    return f"kept:{digest}"


def erased_topic(digest: str) -> str:
    """Erasures of one object."""
    return f"erased:{digest}"


def topics_of(statement_id: str, statement: Statement) -> tuple[str, ...]:
    """Every name under which an accepted statement is filed."""
    if statement.type in RECORD_TYPES:
        from policies.record_topics import record_topics

        return record_topics(statement)
    match statement.predicate:
        case Endorsement(document=DocumentKind.TRUST_ROOT, digest=digest):
            return (TRUST, kept_topic(digest))
        case Endorsement(digest=digest):
            return (POLICY, kept_topic(digest))
        case Enrolment(profile=profile):
            return (TRUST, erasable_topic(profile, "profile"))
        case Revocation(reason=reason):
            return (TRUST, erasable_topic(reason, "reason"))
        case LineageBatch(batch=batch):
            return (LINEAGE, erasable_topic(batch, "lineage-batch"))
        case Request() as request:
            return (
                model_topic(request.model),
                request_topic(statement_id),
                erasable_topic(request.reason, "reason"),
                kept_topic(request.evidence),
                erasable_topic(request.review, "review"),
            )
        case Approval() as approval:
            return (
                model_topic(approval.model),
                request_topic(approval.request),
                erasable_topic(approval.reason, "reason"),
            )
        case Withdrawal(model=model, reason=reason):
            is_of_launch = kind_of(model) == "pipeline"
            about = withdrawn_topic(model) if is_of_launch else model_topic(model)
            return (about, erasable_topic(reason, "reason"))
        case PromotionIntent() as intent:
            return (
                model_topic(intent.model),
                request_topic(intent.request),
                slot_topic(intent.model, intent.transition),
                kept_topic(intent.verdict),
                *((kept_topic(intent.head),) if intent.head else ()),
            )
        case PromotionOutcome(model=model, transition=transition, placed=placed):
            found = (model_topic(model), slot_topic(model, transition))
            return (*found, placed_topic(placed)) if placed else found
    return ()
