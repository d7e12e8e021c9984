"""What statements say: one class each, and its exact fields, as plain values.

Each class declares its fields once (see forms); reading, writing and the published
JSON Schema follow from that. The less frequent ones live in modules of their own.
"""

from policies.predicates.sign_off import (
    Approval,
    Decision,
    EvidenceCheck,
    LineageBatch,
    OutcomeKind,
    Prefix,
    PromotionIntent,
    PromotionOutcome,
    Request,
    Transition,
    Withdrawal,
)
from policies.predicates.trust import (
    DocumentKind,
    Endorsement,
    Enrolment,
    Grant,
    KeyText,
    Revocation,
    RevocationCause,
    RevokedKind,
)
from policies.predicates.types import NAMESPACE, PredicateType, class_of, type_of

__all__ = [
    "NAMESPACE",
    "Approval",
    "Decision",
    "DocumentKind",
    "Endorsement",
    "Enrolment",
    "EvidenceCheck",
    "Grant",
    "KeyText",
    "LineageBatch",
    "OutcomeKind",
    "PredicateType",
    "Prefix",
    "PromotionIntent",
    "PromotionOutcome",
    "Request",
    "Revocation",
    "RevocationCause",
    "RevokedKind",
    "Transition",
    "Withdrawal",
    "class_of",
    "type_of",
]
