"""What statements about trust must satisfy: endorsements, enrolments, revocations."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from policies.errors import MalformedStatement, PolicyError, Refused
from policies.keys import public_key_from_json
from policies.predicates import (
    DocumentKind,
    Endorsement,
    Enrolment,
    Grant,
    Revocation,
    RevocationCause,
    RevokedKind,
)
from policies.statements import Statement
from policies.trust_root import (
    POWERS,
    BuiltInRole,
    Person,
    Service,
    TrustRoot,
    possession_bytes,
    read_trust_root,
)
from policies.trust_state import Signer, TrustState
from store.judgement import History

PolicyReader = Callable[[bytes], tuple[str, int]]
"""Reads a policy document: its id and version; raises PolicyError on a bad one."""


class UndecidedError(PolicyError):
    """The entry is permitted but something it names is not there: decisions stop."""


def read_endorsed_root(endorsement: Endorsement, history: History) -> TrustRoot:
    """The trust root that an endorsement names.

    Raises:
        UndecidedError: its document is missing.
        Refused: it has another version.
        MalformedStatement: it is none.
    """
    data = history.object(endorsement.digest)
    if data is None:
        raise UndecidedError(f"the trust root {endorsement.digest} is missing")
    root = read_trust_root(data)
    if root.version != endorsement.version:
        raise Refused("it names another version than the trust root has")
    return root


def founder(statement: Statement, history: History) -> Person | None:
    """Before there is a root, only people of the root being endorsed may sign.

    Raises:
        Refused: it endorses no trust root, or one of another log.
    """
    if not (
        isinstance(statement.predicate, Endorsement)
        and statement.predicate.document is DocumentKind.TRUST_ROOT
    ):
        raise Refused("there is no trust root before it")
    root = read_endorsed_root(statement.predicate, history)
    if root.origin != statement.prefix.origin:
        raise Refused("it was signed for another log")
    for person in root.people:
        if person.id == statement.by and person.holds(BuiltInRole.ROOT):
            return person
    return None


def check_endorsement(
    endorsement: Endorsement,
    signer: Person,
    state: TrustState,
    history: History,
    read_policy: PolicyReader,
) -> None:
    """Whether somebody may stand behind a document, and it comes next.

    Raises:
        PolicyError: not so.
    """
    if endorsement.document is DocumentKind.POLICY:
        if not signer.holds(BuiltInRole.POLICY):
            raise Refused(f"{signer.id!r} may not endorse policies")
        _check_policy(endorsement, state, history, read_policy)
        return
    root = read_endorsed_root(endorsement, history)
    check_successor(root, state)
    successors = {person.id: person for person in root.people}
    successor = successors.get(signer.id)
    if not signer.holds(BuiltInRole.ROOT) and not (
        successor and successor.holds(BuiltInRole.ROOT)
    ):
        raise Refused(f"{signer.id!r} may not endorse trust roots")


def check_successor(root: TrustRoot, state: TrustState) -> None:
    """Whether a trust root may follow the one in force.

    Raises:
        Refused: another version or origin, or it brings a revoked key back.
    """
    current = state.root
    if current is None:
        if root.version != 1:
            raise Refused("the first trust root must have version 1")
        return
    if root.version != current.version + 1 or root.origin != current.origin:
        raise Refused(
            f"trust root {current.version} is followed only by version "
            f"{current.version + 1} of the same origin"
        )
    owners: list[Signer] = [*root.people, *root.services]
    for owner in owners:
        for key in owner.keys:
            if state.was_revoked(key.id):
                raise Refused(f"it names the revoked key {key.id[:16]}")


def _check_policy(
    endorsement: Endorsement,
    state: TrustState,
    history: History,
    read_policy: PolicyReader,
) -> None:
    data = history.object(endorsement.digest)
    if data is None:
        raise UndecidedError(f"the policy {endorsement.digest} is missing")
    name, version = read_policy(data)
    if (name, version) != (endorsement.name, endorsement.version):
        raise Refused("it names another policy id or version than the document")
    current = state.policies.get(name)
    expected = 1 if current is None else current.version + 1
    if version != expected:
        raise Refused(f"policy {name!r} continues with version {expected}")


def check_enrolment(enrolment: Enrolment, signer: Person, state: TrustState) -> None:
    """Whether an enroller may add this person, key and these roles.

    Raises:
        PolicyError: not so.
    """
    root = state.root
    if root is None or not signer.holds(BuiltInRole.ENROLLER):
        raise Refused(f"{signer.id!r} may not enrol people")
    refuse_wider_grants(signer, enrolment.grants)
    key = public_key_from_json(enrolment.key.algorithm, enrolment.key.spki)
    if state.owner_of(key.id) is not None:
        raise Refused("the key is enrolled already")
    if state.last_period(key.id) is not None:
        raise Refused(
            "the key was enrolled before and counts no longer",
            hint="Make a new one: countersign key new NAME",
        )
    known = state.people.get(enrolment.person)
    if known is not None and _has_power(known):
        raise Refused(
            f"{known.id!r} may change trust itself; only a new trust root gives such "
            "a person another key"
        )
    _check_identity(enrolment, state)
    profile = enrolment.profile if known is None else known.profile
    proof = possession_bytes(root.origin, enrolment.person, profile, key)
    if not key.verifies(decoded_proof(enrolment.proof), proof):
        raise Refused("the key's holder did not prove possession of it here")


def _check_identity(enrolment: Enrolment, state: TrustState) -> None:
    for person_id in state.people:
        if (
            person_id.casefold() == enrolment.person.casefold()
            and person_id != enrolment.person
        ):
            raise Refused(f"the id differs from {person_id!r} only in case")
    for identity in enrolment.identities:
        owner = state.person_of_identity(identity)
        if owner is not None and owner.id != enrolment.person:
            raise Refused(f"{identity!r} is the identity of another person")


def refuse_wider_grants(enroller: Person, grants: tuple[Grant, ...]) -> None:
    """An enroller gives no built-in power and nothing beyond the own scope.

    Raises:
        Refused: a grant is wider.
    """
    for grant in grants:
        if grant.role in POWERS:
            raise Refused(
                f"an enroller may not grant the role {grant.role!r}",
                hint="That takes a new trust root.",
            )
        if not _is_within_scope(grant, enroller):
            raise Refused(
                f"the grant of {grant.role!r} reaches beyond the enroller's own scope",
                hint="Ask somebody with a wider scope, or narrow the grant.",
            )


def _is_within_scope(grant: Grant, enroller: Person) -> bool:
    return any(
        _within(grant.models, scope.models)
        and _within(grant.environments, scope.environments)
        for scope in enroller.grants
        if scope.role == BuiltInRole.ENROLLER
    )


def _within(narrow: tuple[str, ...], wide: tuple[str, ...]) -> bool:
    """Whether every pattern stands in the wider list, or that list is `*`."""
    return "*" in wide or set(narrow) <= set(wide)


def _has_power(person: Person) -> bool:
    return any(grant.role in POWERS for grant in person.grants)


def check_revocation(revocation: Revocation, signer: Person, state: TrustState) -> None:
    """Whether somebody may take a key or a person out of force.

    People may revoke their own keys; root holders anybody's but another root
    holder's, which takes a new trust root; enrollers those within their scope.

    Raises:
        Refused: not so, or the statement makes no sense.
    """
    is_compromise = revocation.cause is RevocationCause.COMPROMISED
    if is_compromise != (revocation.since is not None):
        raise Refused("`since` goes with a compromise, and only with one")
    owner = _owner_of_revoked(revocation, state)
    if owner.id == signer.id:
        _keep_enough_roots(revocation, owner, state)
        return
    if isinstance(owner, Person) and owner.holds(BuiltInRole.ROOT):
        raise Refused(
            f"{owner.id!r} may change trust roots; that power is taken only by a new "
            "trust root",
            hint="countersign trust propose --remove PERSON; revoke the key after.",
        )
    if signer.holds(BuiltInRole.ROOT):
        return
    if not (
        isinstance(owner, Person)
        and not _has_power(owner)
        and signer.holds(BuiltInRole.ENROLLER)
        and all(_is_within_scope(grant, signer) for grant in owner.grants)
    ):
        raise Refused(f"{signer.id!r} may not revoke what {owner.id!r} holds")


def _owner_of_revoked(revocation: Revocation, state: TrustState) -> Signer:
    """Who holds, or held, what is revoked."""
    if revocation.target is RevokedKind.PERSON:
        person = state.people.get(revocation.id)
        if person is None or not (person.keys or person.grants):
            raise Refused(f"nobody in force has the id {revocation.id!r}")
        return person
    owner = state.owner_of(revocation.id)
    if owner is not None:
        return owner
    period = state.last_period(revocation.id)
    if period is None:
        raise Refused("no such key was ever enrolled")
    if revocation.cause is not RevocationCause.COMPROMISED:
        raise Refused("the key counts no longer already")
    known = state.signer(period.owner)
    return known or Person(period.owner, "", (), (), ())


def _keep_enough_roots(
    revocation: Revocation, owner: Signer, state: TrustState
) -> None:
    """Refuse to leave fewer root holders than the next trust root needs."""
    root = state.root
    if (
        root is None
        or not isinstance(owner, Person)
        or not (owner.keys and owner.holds(BuiltInRole.ROOT))
    ):
        return
    keeps_a_key = revocation.target is RevokedKind.KEY and any(
        key.id != revocation.id for key in owner.keys
    )
    in_force = any(key.id == revocation.id for key in owner.keys)
    if keeps_a_key or (revocation.target is RevokedKind.KEY and not in_force):
        return
    others = sum(
        1
        for person in state.people.values()
        if person.id != owner.id and person.keys and person.holds(BuiltInRole.ROOT)
    )
    if others < root.root_threshold:
        raise Refused(
            "too few people could sign the next trust root after that",
            hint="Sign a new trust root without the key first: "
            "countersign trust propose",
        )


def decoded_proof(text: str) -> bytes:
    """The bytes of a proof of possession.

    Raises:
        MalformedStatement: it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise MalformedStatement("the proof of possession is not base64") from cause


def may_sign(service: Service, statement: Statement) -> None:
    """Whether a statement is a service's business.

    Raises:
        Refused: it is not.
    """
    if not service.may_sign(statement.type):
        raise Refused(f"the service {service.id!r} may not sign {statement.type.short}")
