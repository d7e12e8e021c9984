"""Who holds which keys and roles, and which policies are in force, at one position.

A fold over the accepted endorsements, enrolments and revocations of a log. Roles come
from here and never from a statement that claims them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from policies.compromise import (
    EnrolmentRecord,
    RevocationRecord,
    effective_revocations,
    suspect_keys,
)
from policies.keys import PublicKey
from policies.predicates import Endorsement, RevokedKind
from policies.trust_root import Person, Service, TrustRoot

Signer = Person | Service


@dataclass(frozen=True, slots=True)
class ActivePolicy:
    """A policy in force: what was endorsed, and since which entry."""

    id: str
    version: int
    digest: str
    since: int


@dataclass(frozen=True, slots=True)
class Endorsed:
    """One person's standing endorsement of a document."""

    person: str
    key: str
    index: int


@dataclass(frozen=True, slots=True)
class Adoption:
    """How a document came into force."""

    endorsements: tuple[Endorsed, ...]
    threshold: int
    since: int


@dataclass(frozen=True, slots=True)
class KeyPeriod:
    """Entries for which a key counted: since <= index < until."""

    owner: str
    key: PublicKey
    since: int
    until: int | None = None

    def covers(self, index: int) -> bool:
        """Whether the key counted for an entry."""
        return self.since <= index and (self.until is None or index < self.until)


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A stretch of lost history that root holders have given up."""

    restored_size: int
    restored_root: str
    lost_size: int
    lost_root: str
    index: int
    """Entry that completed the agreement."""


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
    pending: dict[str, tuple[Endorsed, ...]] = field(default_factory=dict)
    """Digest of a document -> endorsements of it that stand."""
    adoptions: dict[str, Adoption] = field(default_factory=dict)
    """Digest of every document that ever came into force."""
    enrolments: tuple[EnrolmentRecord, ...] = ()
    revocations: tuple[RevocationRecord, ...] = ()
    periods: tuple[KeyPeriod, ...] = ()
    suspect_since: dict[str, int] = field(default_factory=dict)
    """Key id -> first entry that somebody else may have signed with it."""
    recoveries: dict[tuple[int, str, int, str], frozenset[str]] = field(
        default_factory=dict
    )
    """What root holders say was lost -> who says so."""
    abandoned: tuple[Abandoned, ...] = ()

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

    def keys_ever(self) -> list[PublicKey]:
        """Every key that is or was in force, each once."""
        return list({period.key.id: period.key for period in self.periods}.values())

    def owner_of(self, key_id: str) -> Signer | None:
        """Whose key it is now."""
        owners: list[Signer] = [*self.people.values(), *self.services.values()]
        for owner in owners:
            if any(key.id == key_id for key in owner.keys):
                return owner
        return None

    def keys_at(self, signer_id: str, index: int) -> list[PublicKey]:
        """Keys of a signer that counted for the entry at an index."""
        return [p.key for p in self.periods if p.owner == signer_id and p.covers(index)]

    def last_period(self, key_id: str) -> KeyPeriod | None:
        """The newest period in which a key counted, or None if it never did."""
        return next((p for p in reversed(self.periods) if p.key.id == key_id), None)

    def is_suspect(self, key_id: str, index: int) -> bool:
        """Whether somebody else may have signed the entry with that key."""
        return index >= self.suspect_since.get(key_id, index + 1)

    def lacks_endorsements(self, digest: str) -> bool:
        """Whether a document would not be in force without suspect signatures."""
        adoption = self.adoptions.get(digest)
        if adoption is None:
            return True
        people = {
            e.person
            for e in adoption.endorsements
            if not self.is_suspect(e.key, e.index)
        }
        return len(people) < adoption.threshold

    def was_revoked(self, key_id: str) -> bool:
        """Whether a key was taken out of force by a revocation that stands."""
        return key_id in self.suspect_since or any(
            record.takes(period.owner, key_id)
            for record in effective_revocations(self.revocations, self.enrolments)
            for period in self.periods
            if period.key.id == key_id and period.since <= record.index
        )

    def person_of_identity(self, identity: str) -> Person | None:
        """The person who lists an outside identity such as `mlflow:ana`."""
        folded = identity.casefold()
        for person in self.people.values():
            if any(name.casefold() == folded for name in person.identities):
                return person
        return None

    def take_root(self, root: TrustRoot, index: int) -> None:
        """Put a root in force: it replaces those it names and keeps the enrolled."""
        replaced = {person.id for person in root.people}
        if self.root is not None:
            replaced |= {person.id for person in self.root.people}
        self.enrolments = tuple(
            record
            for record in self.enrolments
            if record.enrolment.person not in replaced
        )
        self.root, self.root_since = root, index
        self.pending.clear()
        self._recompute(index)

    def take_enrolment(self, record: EnrolmentRecord) -> None:
        """Add a person, or a key, identities and roles to one."""
        self.enrolments += (record,)
        self._recompute(record.index)

    def take_revocation(self, record: RevocationRecord) -> None:
        """Let keys count no longer, and distrust what a thief may have signed."""
        self.revocations += (record,)
        self._recompute(record.index)
        self.pending = {
            digest: tuple(e for e in signed if not self.is_suspect(e.key, e.index))
            for digest, signed in self.pending.items()
        }

    def take_endorsement(
        self, endorsement: Endorsement, endorsed: Endorsed
    ) -> tuple[Endorsed, ...]:
        """Note who stands behind a document; return all who do."""
        others = self.pending.get(endorsement.digest, ())
        kept = tuple(e for e in others if e.person != endorsed.person)
        self.pending[endorsement.digest] = (*kept, endorsed)
        return self.pending[endorsement.digest]

    def adopt(self, digest: str, adoption: Adoption) -> None:
        """Remember how a document came into force."""
        self.adoptions[digest] = adoption

    def _recompute(self, index: int) -> None:
        """Derive people, services and their keys from root, enrolments, revocations."""
        effective = effective_revocations(self.revocations, self.enrolments)
        self.suspect_since = suspect_keys(effective, self.enrolments)
        if self.root is None:
            return
        self.people = {person.id: person for person in self.root.people}
        self.enrolled_at = dict.fromkeys(self.people, self.root_since)
        for record in self.enrolments:
            if not self.is_suspect(record.signed_with, record.index):
                self._enrol(record)
        self.people = {
            person_id: self._without_revoked(person, effective)
            for person_id, person in self.people.items()
        }
        self.services = {
            service.id: replace(
                service, keys=self._kept(service.id, service.keys, effective)
            )
            for service in self.root.services
        }
        self._note_periods(index)

    def _enrol(self, record: EnrolmentRecord) -> None:
        enrolment = record.enrolment
        known = self.people.get(enrolment.person)
        if known is None:
            known = Person(enrolment.person, enrolment.profile, (), (), ())
            self.enrolled_at[enrolment.person] = record.index
        self.people[enrolment.person] = replace(
            known,
            keys=(*known.keys, record.key),
            identities=(*known.identities, *enrolment.identities),
            grants=(*known.grants, *enrolment.grants),
        )

    def _without_revoked(
        self, person: Person, effective: Iterable[RevocationRecord]
    ) -> Person:
        has_left = any(
            record.revocation.target is RevokedKind.PERSON
            and record.revocation.id == person.id
            and record.index >= self.enrolled_at[person.id]
            for record in effective
        )
        return replace(
            person,
            keys=self._kept(person.id, person.keys, effective),
            grants=() if has_left else person.grants,
        )

    def _kept(
        self,
        owner: str,
        keys: tuple[PublicKey, ...],
        effective: Iterable[RevocationRecord],
    ) -> tuple[PublicKey, ...]:
        """Keys that no revocation made since their owner came has taken."""
        arrived = self.enrolled_at.get(owner, self.root_since)
        return tuple(
            key
            for key in keys
            if key.id not in self.suspect_since
            and not any(
                record.takes(owner, key.id)
                and (
                    record.index >= arrived
                    or record.revocation.target is RevokedKind.KEY
                )
                for record in effective
            )
        )

    def _note_periods(self, index: int) -> None:
        """Close the periods of keys that no longer count; open those of new ones."""
        owners: list[Signer] = [*self.people.values(), *self.services.values()]
        counting = {(o.id, key.id): key for o in owners for key in o.keys}
        still_open = set()
        periods = []
        for period in self.periods:
            place = (period.owner, period.key.id)
            if period.until is None and place not in counting:
                period = replace(period, until=index + 1)
            if period.until is None:
                still_open.add(place)
            periods.append(period)
        first = index + 1 if self.periods else 0
        periods += [
            KeyPeriod(owner, key, first)
            for (owner, key_id), key in counting.items()
            if (owner, key_id) not in still_open
        ]
        self.periods = tuple(periods)
