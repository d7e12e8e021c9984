"""Names under which accepted entries are found again, without reading the others."""

from __future__ import annotations

from policies.predicates import Transition

TRUST = "trust"
POLICY = "policy"
LINEAGE = "lineage"


def model_topic(model_key: str) -> str:
    """Everything that was decided or asked about one registered model."""
    return f"decision:{model_key}"


def request_topic(request_id: str) -> str:
    """A request, by its statement id, and all that answers it."""
    return f"request:{request_id}"


def slot_topic(model_key: str, transition: Transition) -> str:
    """Promotions into one stage of one environment for one model."""
    return f"slot:{model_key}|{transition.environment}|{transition.to_stage}"
