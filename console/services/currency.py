"""Whether a signature on a request could still count: same policy, same incumbent."""

from __future__ import annotations

from console.services.judging import evidence_of, model_record
from console.services.opened import OpenStore
from console.services.problems import Refusal
from console.services.selecting import Wanted, policy_for
from policies.errors import MalformedPolicy
from policies.workflow import RequestRecord

ASK_ANEW = "Ask for the transition again, and have the new request signed."


def require_current(store: OpenStore, record: RequestRecord, what: str) -> None:
    """Refuse to sign or take what would be stale the moment it is in the log.

    `what` names the signature: "the answer", "the waiver".

    Raises:
        Refusal: the policy in force, or the version in the stage, is another by now,
            or no policy covers the transition any more.
    """
    if why := why_stale(store, record):
        raise Refusal(f"{what} is stale: {why}", hint=ASK_ANEW)


def why_stale(store: OpenStore, record: RequestRecord) -> str:
    """Why a signature that allows a request would count for nothing, or empty."""
    request, asked = record.request, record.request.transition
    state = store.state()
    try:
        policy = policy_for(store, Wanted.of(record), state)
    except MalformedPolicy as problem:
        return str(problem)
    if policy.digest != request.policy:
        return f"the policy is now {policy.id} version {policy.version}"
    holder = model_record(store, request.model, state).holder(
        asked.environment, asked.to_stage
    )
    frozen = evidence_of(store, record).incumbent.version_key
    if (holder.version if holder else "") != frozen:
        return "the stage is held by another version than when this was asked for"
    return ""
