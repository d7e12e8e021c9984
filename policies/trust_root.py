"""The trust root: people, services, keys and roles, and who may change them.

A document, signed by endorsements in the log. Reading one checks that it could ever
work: unique keys, thresholds that enough people can meet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from policies.dsse import pre_authentication_encoding
from policies.errors import MalformedStatement
from policies.keys import PublicKey, public_key_from_json
from policies.patterns import matches
from policies.predicates import Grant, PredicateType
from policies.predicates.forms import read_declared, to_json
from policies.strict_json import Fields, encode, parse

SCHEMA = "countersign/trust-root/v1"
POSSESSION_TYPE = "application/vnd.countersign.key-possession+json"


class BuiltInRole(StrEnum):
    """Roles with a meaning to the program; all others mean what policies say."""

    ROOT = "root"
    """May endorse trust roots."""
    POLICY = "policy"
    """May endorse policies."""
    ENROLLER = "enroller"
    """May add people and keys within the scope of the grant."""
    REQUESTER = "requester"
    """May ask for a transition."""
    PROMOTER = "promoter"
    """May carry out an approved transition."""
    OPERATOR = "operator"
    """May launch pipelines and change what is served."""


POWERS = frozenset({BuiltInRole.ROOT, BuiltInRole.POLICY, BuiltInRole.ENROLLER})
"""Roles that change trust itself; only a trust root gives them."""


class ServiceKind(StrEnum):
    """Machine identities, and what each may sign."""

    IMPORT = "import"
    LOG = "log"


SERVICE_STATEMENTS = {
    ServiceKind.IMPORT: frozenset(
        {PredicateType.LINEAGE_BATCH, PredicateType.OBSERVATION}
    ),
    ServiceKind.LOG: frozenset[PredicateType](),
}
"""The log service signs checkpoints, which are notes and no statements."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may hold keys and roles. `id` is opaque; names are erasable."""

    id: str
    profile: str
    keys: tuple[PublicKey, ...]
    identities: tuple[str, ...]
    """Outside identities such as `mlflow:ana` or `git:ana@example.org`."""
    grants: tuple[Grant, ...]

    def holds(self, role: str, model: str = "", environment: str = "") -> bool:
        """Whether a grant gives the role for that model name and environment.

        An empty model or environment asks for the role anywhere.
        """
        return any(
            grant.role == role
            and (not model or _covers(grant.models, model))
            and (not environment or _covers(grant.environments, environment))
            for grant in self.grants
        )


@dataclass(frozen=True, slots=True)
class Service:
    """A machine that signs unattended, limited to named statements."""

    id: str
    kind: ServiceKind
    keys: tuple[PublicKey, ...]

    def may_sign(self, kind: PredicateType) -> bool:
        """Whether statements of that type are its business."""
        return kind in SERVICE_STATEMENTS[self.kind]


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """One version of the document."""

    origin: str
    """Name of the log, in its checkpoints and in every statement."""
    version: int
    expires: str
    """RFC 3339; an expired root stops new decisions."""
    is_demo: bool
    root_threshold: int
    policy_threshold: int
    people: tuple[Person, ...]
    services: tuple[Service, ...]
    digest: str = field(default="", compare=False)

    def to_bytes(self) -> bytes:
        """The document as it is stored and endorsed."""
        return encode(
            {
                "schema": SCHEMA,
                "origin": self.origin,
                "version": self.version,
                "expires": self.expires,
                "demo": self.is_demo,
                "thresholds": {
                    "root": self.root_threshold,
                    "policy": self.policy_threshold,
                },
                "people": [
                    {
                        "id": person.id,
                        "profile": person.profile,
                        "keys": [key.to_json() for key in person.keys],
                        "identities": list(person.identities),
                        "grants": [to_json(grant) for grant in person.grants],
                    }
                    for person in self.people
                ],
                "services": [
                    {
                        "id": service.id,
                        "kind": service.kind.value,
                        "keys": [key.to_json() for key in service.keys],
                    }
                    for service in self.services
                ],
            }
        )


def read_trust_root(data: bytes) -> TrustRoot:
    """Read and check a trust root.

    Raises:
        MalformedStatement: it is none, a key or id stands twice, or a threshold
            exceeds the people who could meet it.
    """
    fields = Fields(parse(data, what="trust root", at_most=2**20), what="trust root")
    if fields.text("schema", 64) != SCHEMA:
        raise MalformedStatement(f"trust root: its schema is not {SCHEMA}")
    thresholds = fields.object("thresholds")
    root = TrustRoot(
        origin=fields.identifier("origin", longest=256),
        version=fields.integer("version", least=1),
        expires=fields.time("expires"),
        is_demo=fields.flag("demo"),
        root_threshold=thresholds.integer("root", least=1),
        policy_threshold=thresholds.integer("policy", least=1),
        people=tuple(_person(person) for person in fields.objects("people")),
        services=tuple(_service(service) for service in fields.objects("services")),
        digest=hashlib.sha256(data).hexdigest(),
    )
    thresholds.end()
    fields.end()
    _check(root)
    return root


def possession_bytes(origin: str, person: str, profile: str, key: PublicKey) -> bytes:
    """What a new key signs to prove that its holder asks to be enrolled, and where."""
    body = encode(
        {"origin": origin, "person": person, "profile": profile, "key": key.id}
    )
    return pre_authentication_encoding(POSSESSION_TYPE, body)


def _covers(patterns: tuple[str, ...], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


def _person(fields: Fields) -> Person:
    person = Person(
        id=fields.identifier("id"),
        profile=fields.digest("profile"),
        keys=_keys(fields),
        identities=fields.texts("identities", longest=256),
        grants=tuple(read_declared(Grant, one) for one in fields.objects("grants")),
    )
    fields.end()
    return person


def _service(fields: Fields) -> Service:
    service = Service(
        id=fields.identifier("id"),
        kind=fields.choice("kind", ServiceKind),
        keys=_keys(fields),
    )
    fields.end()
    return service


def _keys(fields: Fields) -> tuple[PublicKey, ...]:
    keys = []
    for key in fields.objects("keys"):
        keys.append(
            public_key_from_json(key.text("algorithm", 64), key.text("spki", 1024))
        )
        key.end()
    return tuple(keys)


def _check(root: TrustRoot) -> None:
    owners: list[Person | Service] = [*root.people, *root.services]
    ids = [owner.id.casefold() for owner in owners]
    keys = [key.id for owner in owners for key in owner.keys]
    identities = [name.casefold() for p in root.people for name in p.identities]
    for what, values in (("id", ids), ("key", keys), ("identity", identities)):
        if len(values) != len(set(values)):
            raise MalformedStatement(f"trust root: one {what} stands twice")
    for role, threshold in (
        (BuiltInRole.ROOT, root.root_threshold),
        (BuiltInRole.POLICY, root.policy_threshold),
    ):
        holders = [p for p in root.people if p.keys and p.holds(role)]
        if len(holders) < threshold:
            raise MalformedStatement(
                f"trust root: {threshold} people must hold the role {role.value!r} "
                f"and {len(holders)} do"
            )
