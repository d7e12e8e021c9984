"""How what several people sign takes effect: roots, policies, recoveries.

Thresholds count people, never keys, and only people who hold the role now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policies.predicates import DocumentKind, Endorsement
from policies.statements import Statement
from policies.trust_permissions import read_endorsed_root
from policies.trust_root import BuiltInRole, Person, TrustRoot
from policies.trust_state import (
    Abandoned,
    ActivePolicy,
    Adoption,
    Endorsed,
    Signer,
    TrustState,
)
from store.judgement import History


def endorse(
    state: TrustState,
    index: int,
    endorsement: Endorsement,
    signer: tuple[str, str],
    history: History,
) -> None:
    """Count an accepted endorsement; put its document in force if it completes it.

    `signer` is the person's id and the id of the key they signed with.
    """
    person, key = signer
    endorsements = state.take_endorsement(endorsement, Endorsed(person, key, index))
    if endorsement.document is DocumentKind.TRUST_ROOT:
        root = read_endorsed_root(endorsement, history)
        if is_root_complete(root, [e.person for e in endorsements], state):
            threshold = max(
                root.root_threshold, state.root.root_threshold if state.root else 1
            )
            state.adopt(root.digest, Adoption(endorsements, threshold, index))
            state.take_root(root, index)
        return
    threshold = 1 if state.root is None else state.root.policy_threshold
    people = [e.person for e in endorsements]
    if holders(people, state.people, BuiltInRole.POLICY) >= threshold:
        state.adopt(endorsement.digest, Adoption(endorsements, threshold, index))
        state.policies[endorsement.name] = ActivePolicy(
            endorsement.name, endorsement.version, endorsement.digest, index
        )


def is_root_complete(root: TrustRoot, signers: list[str], state: TrustState) -> bool:
    """Whether the thresholds of the root in force and of the new one are met."""
    successors = {person.id: person for person in root.people}
    current = state.root
    return holders(signers, successors, BuiltInRole.ROOT) >= root.root_threshold and (
        current is None
        or holders(signers, state.people, BuiltInRole.ROOT) >= current.root_threshold
    )


def holders(signers: Iterable[str], people: Mapping[str, Person], role: str) -> int:
    """How many of some signers exist and hold a role."""
    return sum(
        1 for name in set(signers) if (found := people.get(name)) and found.holds(role)
    )


def recover(
    state: TrustState, index: int, statement: Statement, signer: Signer
) -> None:
    """Count an accepted recovery; enough root holders who agree abandon a history."""
    from policies.predicates.upkeep import Recovery

    recovery = statement.predicate
    assert isinstance(recovery, Recovery)  # noqa: S101 - dispatched on its type
    agreed = (
        recovery.restored_size,
        recovery.restored_root,
        recovery.lost_size,
        recovery.lost_root,
    )
    people = state.recoveries.get(agreed, frozenset()) | {signer.id}
    state.recoveries[agreed] = people
    threshold = 1 if state.root is None else state.root.root_threshold
    if holders(people, state.people, BuiltInRole.ROOT) >= threshold:
        state.abandoned += (Abandoned(*agreed, index),)
