"""Who holds which keys and roles, and which policies are in force, at one position.

A fold over the accepted endorsements and enrolments of a log. Roles come from here and
never from a statement that claims them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from policies.errors import Refused
from policies.keys import PublicKey
from policies.predicates import Endorsement, Enrolment, Grant
from policies.trust_root import (
    BuiltInRole,
    Person,
    Service,
    TrustRoot,
)

Signer = Person | Service


@dataclass(frozen=True, slots=True)
class ActivePolicy:
    """A policy in force: what was endorsed, and since which entry."""

    id: str
    version: int
    digest: str
    since: int


@dataclass(slots=True)
class TrustState:
    """Everything that decides whose statements count. Changed by `policies.ledger`."""

    root: TrustRoot | None = None
    root_since: int = -1
    people: dict[str, Person] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    enrolled_at: dict[str, int] = field(default_factory=dict)
    """Entry that brought a person; the root's for those it names."""
    policies: dict[str, ActivePolicy] = field(default_factory=dict)
    pending: dict[str, set[str]] = field(default_factory=dict)
    """Digest of a document -> people whose endorsement of it stands."""

    @property
    def root_digest(self) -> str:
        """Digest of the root in force, or empty before the first."""
        return "" if self.root is None else self.root.digest

    def signer(self, signer_id: str) -> Signer | None:
        """The person or service of that id."""
        return self.people.get(signer_id) or self.services.get(signer_id)

    def keys_of_all(self) -> list[PublicKey]:
        """Every key that is in force."""
        owners: list[Signer] = [*self.people.values(), *self.services.values()]
        return [key for owner in owners for key in owner.keys]

    def owner_of(self, key_id: str) -> Signer | None:
        """Whose key it is."""
        owners: list[Signer] = [*self.people.values(), *self.services.values()]
        for owner in owners:
            if any(key.id == key_id for key in owner.keys):
                return owner
        return None

    def person_of_identity(self, identity: str) -> Person | None:
        """The person who lists an outside identity such as `mlflow:ana`."""
        folded = identity.casefold()
        for person in self.people.values():
            if any(name.casefold() == folded for name in person.identities):
                return person
        return None

    def take_root(self, root: TrustRoot, index: int) -> None:
        """Put a root in force: it replaces those it names and keeps the enrolled."""
        named = {person.id for person in root.people}
        enrolled = {
            person_id: person
            for person_id, person in self.people.items()
            if self.enrolled_at.get(person_id, -1) > self.root_since
            and person_id not in named
            and self.root is not None
            and person_id not in {p.id for p in self.root.people}
        }
        self.people = {person.id: person for person in root.people} | enrolled
        self.services = {service.id: service for service in root.services}
        self.enrolled_at |= dict.fromkeys(named, index)
        self.root, self.root_since = root, index

    def take_enrolment(self, enrolment: Enrolment, key: PublicKey, index: int) -> None:
        """Add a person, or a key, identities and roles to one."""
        known = self.people.get(enrolment.person)
        if known is None:
            known = Person(enrolment.person, enrolment.profile, (), (), ())
            self.enrolled_at[enrolment.person] = index
        self.people[enrolment.person] = replace(
            known,
            keys=(*known.keys, key),
            identities=(*known.identities, *enrolment.identities),
            grants=(*known.grants, *enrolment.grants),
        )

    def take_endorsement(self, endorsement: Endorsement, person: str) -> set[str]:
        """Note who stands behind a document; return all who do."""
        signers = self.pending.setdefault(endorsement.digest, set())
        signers.add(person)
        return signers


def refuse_wider_grants(enroller: Person, grants: tuple[Grant, ...]) -> None:
    """An enroller gives no built-in power and nothing beyond the own scope.

    Raises:
        Refused: a grant is wider.
    """
    scopes = [g for g in enroller.grants if g.role == BuiltInRole.ENROLLER]
    for grant in grants:
        if grant.role in (BuiltInRole.ROOT, BuiltInRole.POLICY, BuiltInRole.ENROLLER):
            raise Refused(
                f"an enroller may not grant the role {grant.role!r}",
                hint="That takes a new trust root.",
            )
        if not any(
            _within(grant.models, scope.models)
            and _within(grant.environments, scope.environments)
            for scope in scopes
        ):
            raise Refused(
                f"the grant of {grant.role!r} reaches beyond the enroller's own scope",
                hint="Ask somebody with a wider scope, or narrow the grant.",
            )


def _within(narrow: tuple[str, ...], wide: tuple[str, ...]) -> bool:
    """Whether every pattern stands in the wider list, or that list is `*`."""
    return "*" in wide or set(narrow) <= set(wide)


def count_holders(
    people: set[str], state: TrustState, has_role: Callable[[Person], bool]
) -> int:
    """How many of some people exist and satisfy a condition."""
    return sum(
        1 for name in people if (found := state.people.get(name)) and has_role(found)
    )
