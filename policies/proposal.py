"""A trust root on its way: the document, the one before it, and who signed already.

It travels as a file between machines that need not reach the store. Nothing in it is
trusted for being there: each signature is judged by the log when it is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.dsse import PAYLOAD_TYPE, Envelope, read_envelope
from policies.errors import MalformedStatement, Refused
from policies.keys import PublicKey
from policies.predicates import DocumentKind, Endorsement, Grant, Prefix
from policies.predicates.forms import read_declared, to_json
from policies.statements import Statement, UnknownStatement, read_statement
from policies.strict_json import Fields, encode, parse
from policies.trust_root import BuiltInRole, Person, TrustRoot, read_trust_root

SCHEMA = "countersign/proposal/v1"
LARGEST_PROPOSAL_BYTES = 4 * 1024**2
SUBJECT_NAME = "trust-root"


@dataclass(frozen=True, slots=True)
class Proposal:
    """The next trust root, before it is in force."""

    document: bytes
    before: bytes
    """The trust root it follows."""
    prefix: Prefix
    """The log as whoever proposed it had verified it."""
    names: tuple[tuple[str, str], ...] = ()
    """Person id and printed name, for display."""
    signatures: tuple[Envelope, ...] = ()

    @property
    def root(self) -> TrustRoot:
        """The proposed document."""
        return read_trust_root(self.document)

    @property
    def current(self) -> TrustRoot:
        """The document it follows."""
        return read_trust_root(self.before)

    @property
    def endorsement(self) -> Endorsement:
        """What everybody signs."""
        root = self.root
        return Endorsement(
            DocumentKind.TRUST_ROOT, "", version=root.version, digest=root.digest
        )

    def statement(self, person: str, at: str) -> Statement:
        """The statement that a person signs."""
        subject = (SUBJECT_NAME, self.root.digest)
        return Statement(person, at, self.prefix, subject, self.endorsement)

    def person_of(self, key: PublicKey) -> Person:
        """Whose key it is, in the document proposed or the one before.

        Raises:
            Refused: nobody's who could endorse it.
        """
        for root in (self.current, self.root):
            for person in root.people:
                if any(known.id == key.id for known in person.keys) and any(
                    person.id == other.id and other.holds(BuiltInRole.ROOT)
                    for document in (self.current, self.root)
                    for other in document.people
                ):
                    return person
        raise Refused(
            f"the key {key.id[:16]} is nobody's who may sign this trust root",
            hint="Those who may hold the role `root` in it, or in the one before.",
        )

    def signed_by(self) -> tuple[str, ...]:
        """Ids of people whose signature in the file verifies."""
        people = {p.id: p for p in (*self.current.people, *self.root.people)}
        found = []
        for envelope in self.signatures:
            statement = read_statement(envelope.payload)
            if isinstance(statement, UnknownStatement):
                continue
            person = people.get(statement.by)
            if (
                person is not None
                and statement.predicate == self.endorsement
                and any(
                    key.verifies(envelope.signature, envelope.signed_bytes)
                    for root in (self.current, self.root)
                    for p in root.people
                    if p.id == person.id
                    for key in p.keys
                )
            ):
                found.append(statement.by)
        return tuple(dict.fromkeys(found))

    def with_signature(self, envelope: Envelope) -> Proposal:
        """The same with one more signature."""
        return replace(self, signatures=(*self.signatures, envelope))

    def to_bytes(self) -> bytes:
        """The file."""
        return encode(
            {
                "schema": SCHEMA,
                "payload_type": PAYLOAD_TYPE,
                "document": self.document.decode(),
                "before": self.before.decode(),
                "log": to_json(self.prefix),
                "names": [{"id": id_, "name": name} for id_, name in self.names],
                "signatures": [e.to_bytes().decode() for e in self.signatures],
            }
        )


def read_proposal(data: bytes) -> Proposal:
    """Read a proposal and check that its document can follow the one before.

    Raises:
        MalformedStatement: it is none, or holds no trust roots.
        Refused: the document is not the next version.
    """
    fields = Fields(
        parse(data, what="proposal", at_most=LARGEST_PROPOSAL_BYTES), what="proposal"
    )
    if fields.text("schema", 64) != SCHEMA:
        raise MalformedStatement("this file is no proposal of a trust root")
    if fields.text("payload_type", 128) != PAYLOAD_TYPE:
        raise MalformedStatement("the proposal's payload type is not in-toto's")
    names = []
    for named in fields.objects("names"):
        names.append((named.identifier("id"), named.text("name", 256)))
        named.end()
    proposal = Proposal(
        document=fields.text("document", 2**20).encode(),
        before=fields.text("before", 2**20).encode(),
        prefix=read_declared(Prefix, fields.object("log")),
        names=tuple(names),
        signatures=tuple(
            read_envelope(text.encode())
            for text in fields.texts("signatures", longest=65_535)
        ),
    )
    fields.end()
    root, current = proposal.root, proposal.current
    if (root.version, root.origin) != (current.version + 1, current.origin):
        raise Refused("the proposed trust root does not follow the one before it")
    return proposal


def changes(before: TrustRoot, after: TrustRoot) -> list[str]:
    """What differs between two trust roots, a line each, for people who sign."""
    told = [f"version {before.version} -> {after.version}"]
    for what, old, new in (
        ("expires", before.expires, after.expires),
        (
            "people who must sign a trust root",
            before.root_threshold,
            after.root_threshold,
        ),
        (
            "people who must sign a policy",
            before.policy_threshold,
            after.policy_threshold,
        ),
        ("demonstration", before.is_demo, after.is_demo),
    ):
        if old != new:
            told.append(f"{what}: {old} -> {new}")
    old_people = {person.id: person for person in before.people}
    new_people = {person.id: person for person in after.people}
    told += [
        f"REMOVES {name}" for name in sorted(old_people.keys() - new_people.keys())
    ]
    for name, person in sorted(new_people.items()):
        told += _person_changes(old_people.get(name), person)
    old_services = {service.id: service for service in before.services}
    for service in after.services:
        known = old_services.get(service.id)
        if known is None or {k.id for k in known.keys} != {k.id for k in service.keys}:
            keys = ", ".join(key.id[:16] for key in service.keys) or "none"
            told.append(f"service {service.id}: keys {keys}")
    gone = old_services.keys() - {service.id for service in after.services}
    return told + [f"REMOVES the service {name}" for name in sorted(gone)]


def _person_changes(old: Person | None, new: Person) -> list[str]:
    told = [] if old is not None else [f"adds {new.id}"]
    old_roles = {_role(g) for g in old.grants} if old else set()
    new_roles = {_role(grant) for grant in new.grants}
    told += [
        f"{new.id} GAINS the role {role}" for role in sorted(new_roles - old_roles)
    ]
    told += [
        f"{new.id} loses the role {role}" for role in sorted(old_roles - new_roles)
    ]
    old_keys = {key.id for key in old.keys} if old else set()
    new_keys = {key.id for key in new.keys}
    told += [
        f"{new.id} GAINS the key {key[:16]}" for key in sorted(new_keys - old_keys)
    ]
    told += [
        f"{new.id} loses the key {key[:16]}" for key in sorted(old_keys - new_keys)
    ]
    if old is not None and set(old.identities) != set(new.identities):
        told.append(f"{new.id} is known as {', '.join(new.identities) or 'nobody'}")
    return told


def _role(grant: Grant) -> str:
    everywhere = grant.models == ("*",) and grant.environments == ("*",)
    scope = f" for {', '.join(grant.models)} in {', '.join(grant.environments)}"
    return grant.role if everywhere else grant.role + scope
