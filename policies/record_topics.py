"""Where the less frequent statements are filed (see policies.topics)."""

from __future__ import annotations

from policies.predicates.observations import Observation
from policies.predicates.operations import (
    DeploymentIntent,
    DeploymentOutcome,
    LaunchCancellation,
    LaunchIntent,
    LaunchOutcome,
    LaunchRelease,
)
from policies.predicates.records import (
    Attachment,
    Comment,
    Demotion,
    Finding,
    ModelRecordChange,
    Waiver,
)
from policies.predicates.upkeep import ErasedKind, Erasure, Recovery
from policies.statements import Statement
from policies.topics import (
    LAUNCHES,
    TRUST,
    UPKEEP,
    erasable_topic,
    erased_topic,
    kept_topic,
    launch_topic,
    model_topic,
    outcome_topic,
    request_topic,
)


def record_topics(statement: Statement) -> tuple[str, ...]:
    """Every name under which one of them is filed."""
    match statement.predicate:
        case Waiver() as waiver:
            return (
                model_topic(waiver.model),
                request_topic(waiver.request),
                erasable_topic(waiver.reason, "reason"),
            )
        case Demotion(model=model, reason=reason) | Finding(model=model, text=reason):
            return (model_topic(model), erasable_topic(reason, "reason"))
        case ModelRecordChange(model=model, purpose=purpose, limits=limits):
            return (model_topic(model), kept_topic(purpose), kept_topic(limits))
        case Attachment(model=model, content=content, name=name):
            return (
                model_topic(model),
                erasable_topic(content, "attachment"),
                erasable_topic(name, "reason"),
            )
        case Comment(model=model, text=text):
            return (model_topic(model), erasable_topic(text, "comment"))
        case Observation(model=model):
            return (model_topic(model),)
        case LaunchIntent() as intent:
            kept = (
                *(intent.definition, intent.parameters),
                *(intent.verdict, intent.evidence),
            )
            return (
                LAUNCHES,
                launch_topic(intent.launch),
                *(kept_topic(digest) for digest in kept),
            )
        case LaunchRelease(launch=launch, reason=reason):
            return (launch_topic(launch), erasable_topic(reason, "reason"))
        case LaunchOutcome(intent=intent_id):
            return (LAUNCHES, outcome_topic(intent_id))
        case LaunchCancellation(launch=launch, reason=reason):
            words = (erasable_topic(reason, "reason"),) if reason else ()
            return (LAUNCHES, launch_topic(launch), *words)
        case DeploymentIntent(model=model, verdict=verdict):
            return (model_topic(model), kept_topic(verdict))
        case DeploymentOutcome(model=model):
            return (model_topic(model),)
        case Erasure(object=digest, reason=reason, replacement=replacement):
            kind = ErasedKind.LINEAGE_BATCH
            batch = (erasable_topic(replacement, kind),) if replacement else ()
            return (
                UPKEEP,
                erased_topic(digest),
                erasable_topic(reason, "reason"),
                *batch,
            )
        case Recovery(reason=reason):
            return (TRUST, UPKEEP, erasable_topic(reason, "reason"))
    return (UPKEEP,)
