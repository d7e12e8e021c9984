"""The policies in force, as people read them."""

from __future__ import annotations

from dataclasses import dataclass

from console.services.opened import OpenStore
from console.services.problems import Misuse
from policies.authoring.plain_words import policy_in_words
from policies.document import Policy


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One policy in force."""

    id: str
    version: int
    models: tuple[str, ...]
    stages: tuple[str, ...]
    environments: tuple[str, ...]
    rules: int
    approvals: tuple[str, ...]
    """Such as `2 x validator`."""
    since_entry: int


def policies_in_force(store: OpenStore) -> list[PolicyLine]:
    """Every policy in force, by its id."""
    state = store.state()
    return [
        PolicyLine(
            id=policy.id,
            version=policy.version,
            models=policy.applies.models,
            stages=policy.applies.to,
            environments=policy.applies.environments,
            rules=len(policy.rules),
            approvals=tuple(f"{q.count} x {q.role}" for q in policy.quorums),
            since_entry=state.policies[policy.id].since,
        )
        for policy in sorted(store.policies(state), key=_id)
    ]


def policy_words(store: OpenStore, policy_id: str) -> str:
    """A policy in force in plain English, as Markdown.

    Raises:
        Misuse: none has that id.
    """
    for policy in store.policies(store.state()):
        if policy.id == policy_id:
            return policy_in_words(policy)
    raise Misuse(f"no policy {policy_id!r} is in force")


def _id(policy: Policy) -> str:
    return policy.id
