"""The exact type of each statement, and where its predicate is declared."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import import_module

NAMESPACE = "https://countersign.dev/attestation/"


class PredicateType(StrEnum):
    """The exact type of each statement. Released ones never change."""

    ENDORSEMENT = NAMESPACE + "endorsement/v1"
    ENROLMENT = NAMESPACE + "enrolment/v1"
    REVOCATION = NAMESPACE + "revocation/v1"
    ERASURE = NAMESPACE + "erasure/v1"
    RECOVERY = NAMESPACE + "recovery/v1"
    LINEAGE_BATCH = NAMESPACE + "lineage-batch/v1"
    REQUEST = NAMESPACE + "request/v1"
    APPROVAL = NAMESPACE + "approval/v1"
    WITHDRAWAL = NAMESPACE + "withdrawal/v1"
    WAIVER = NAMESPACE + "waiver/v1"
    PROMOTION_INTENT = NAMESPACE + "promotion-intent/v1"
    PROMOTION_OUTCOME = NAMESPACE + "promotion-outcome/v1"
    DEMOTION = NAMESPACE + "demotion/v1"
    MODEL_RECORD = NAMESPACE + "model-record/v1"
    FINDING = NAMESPACE + "finding/v1"
    ATTACHMENT = NAMESPACE + "attachment/v1"
    COMMENT = NAMESPACE + "comment/v1"
    LAUNCH_INTENT = NAMESPACE + "launch-intent/v1"
    LAUNCH_RELEASE = NAMESPACE + "launch-release/v1"
    LAUNCH_OUTCOME = NAMESPACE + "launch-outcome/v1"
    LAUNCH_CANCELLATION = NAMESPACE + "launch-cancellation/v1"
    DEPLOYMENT_INTENT = NAMESPACE + "deployment-intent/v1"
    DEPLOYMENT_OUTCOME = NAMESPACE + "deployment-outcome/v1"
    EXPORT = NAMESPACE + "export/v1"
    OBSERVATION = NAMESPACE + "observation/v1"

    @property
    def short(self) -> str:
        """The part between the namespace and the version."""
        return self.value.removeprefix(NAMESPACE).rpartition("/")[0]


_DECLARED = {
    "trust": {
        "Endorsement": PredicateType.ENDORSEMENT,
        "Enrolment": PredicateType.ENROLMENT,
        "Revocation": PredicateType.REVOCATION,
    },
    "sign_off": {
        "LineageBatch": PredicateType.LINEAGE_BATCH,
        "Request": PredicateType.REQUEST,
        "Approval": PredicateType.APPROVAL,
        "Withdrawal": PredicateType.WITHDRAWAL,
        "PromotionIntent": PredicateType.PROMOTION_INTENT,
        "PromotionOutcome": PredicateType.PROMOTION_OUTCOME,
    },
    "records": {
        "Waiver": PredicateType.WAIVER,
        "Demotion": PredicateType.DEMOTION,
        "ModelRecordChange": PredicateType.MODEL_RECORD,
        "Finding": PredicateType.FINDING,
        "Attachment": PredicateType.ATTACHMENT,
        "Comment": PredicateType.COMMENT,
        "Export": PredicateType.EXPORT,
    },
    "operations": {
        "LaunchIntent": PredicateType.LAUNCH_INTENT,
        "LaunchRelease": PredicateType.LAUNCH_RELEASE,
        "LaunchOutcome": PredicateType.LAUNCH_OUTCOME,
        "LaunchCancellation": PredicateType.LAUNCH_CANCELLATION,
        "DeploymentIntent": PredicateType.DEPLOYMENT_INTENT,
        "DeploymentOutcome": PredicateType.DEPLOYMENT_OUTCOME,
    },
    "observations": {
        "Observation": PredicateType.OBSERVATION,
    },
    "upkeep": {
        "Erasure": PredicateType.ERASURE,
        "Recovery": PredicateType.RECOVERY,
    },
}
"""Module of this package -> class -> type. A module is imported when a statement of
its types is met, because declaring a class costs a millisecond of every start."""
_TYPES = {name: kind for types in _DECLARED.values() for name, kind in types.items()}
_PLACES = {
    kind: (module, name)
    for module, types in _DECLARED.items()
    for name, kind in types.items()
}


def type_of(predicate: object) -> PredicateType:
    """The type that goes with a predicate."""
    return _TYPES[type(predicate).__name__]


@cache
def class_of(kind: PredicateType) -> type:
    """The class that a type is declared by."""
    module, name = _PLACES[kind]
    declared = getattr(import_module(f"policies.predicates.{module}"), name)
    assert isinstance(declared, type)  # noqa: S101 - a declaration, not data
    return declared
