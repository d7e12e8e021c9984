"""Making a store: its first person, its services, its trust root and their keys."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from connectors.signers.files import create_key_file
from connectors.signers.opening import Signer
from console.services.configuration import Configuration
from console.services.offline import remember_origin, with_copy
from console.services.opened import (
    Clock,
    OpenStore,
    confirm_anchor,
    rfc3339,
    wall_clock,
)
from console.services.places import Places
from console.services.problems import Misuse, Refusal
from console.services.signing import (
    Acting,
    Appended,
    append,
    key_of,
    refuse_demonstration_key,
    service_key_path,
    sign_statement,
)
from policies.dsse import canonical_base64
from policies.errors import MalformedStatement
from policies.keys import PublicKey
from policies.predicates import (
    DocumentKind,
    Endorsement,
    Enrolment,
    Grant,
    KeyText,
    Prefix,
)
from policies.strict_json import Fields, encode, parse
from policies.trust_root import (
    BuiltInRole,
    Person,
    Service,
    ServiceKind,
    TrustRoot,
    possession_bytes,
)
from store.merkle import EMPTY_ROOT
from store.objects import Objects, sha256_hex
from store.opening import create_backend, is_remote

ROOT_LIFETIME = timedelta(days=730)
OFFER_SCHEMA = "countersign/enrolment-offer/v1"


@dataclass(frozen=True, slots=True)
class Founded:
    """A new store and what its founder must know."""

    store: OpenStore
    person: str
    first_root: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What a newcomer hands to an enroller."""

    person: str
    name: str
    email: str
    profile: bytes
    key: PublicKey
    identities: tuple[str, ...]
    proof: str


def profile_bytes(name: str, email: str) -> bytes:
    """The erasable object with a printed name; salted, so its digest tells nothing."""
    return encode({"salt": secrets.token_hex(16), "name": name, "email": email})


def printed_name(store: OpenStore, profile: str, fallback: str) -> str:
    """The name in a profile object, or what there is when it was erased."""
    data = store.objects.find(profile)
    if data is None:
        return fallback
    try:
        return str(json.loads(data)["name"]) or fallback
    except (ValueError, KeyError, TypeError):
        return fallback


def found_store(
    address: str,
    places: Places,
    configuration: Configuration,
    founder: Signer,
    *,
    name: str,
    email: str = "",
    identities: tuple[str, ...] = (),
    roles: tuple[str, ...] = (),
    is_demo: bool = False,
    clock: Clock = wall_clock,
) -> Founded:
    """Create a store with one person who may change its trust, and two services.

    Raises:
        StoreError: something is there already, or the place does not honour
            put-if-absent or cannot be written.
    """
    refuse_demonstration_key(founder, is_demo=is_demo)
    backend = create_backend(address)
    origin = f"countersign.local/{secrets.token_hex(8)}"
    if is_remote(address):
        backend = with_copy(backend, places, origin)
    objects = Objects(backend)
    person_id = f"p-{secrets.token_hex(6)}"
    local = places.of_store(origin)
    services = tuple(
        Service(kind.value, kind, (_service_key(local, kind),)) for kind in ServiceKind
    )
    root = TrustRoot(
        origin=origin,
        version=1,
        expires=rfc3339(clock() + ROOT_LIFETIME),
        is_demo=is_demo,
        root_threshold=1,
        policy_threshold=1,
        people=(
            Person(
                id=person_id,
                profile=objects.put(profile_bytes(name, email)),
                keys=(key_of(founder),),
                identities=identities,
                grants=tuple(Grant(role) for role in (*BuiltInRole, *roles)),
            ),
        ),
        services=services,
    )
    data = root.to_bytes()
    digest = objects.put(data)
    acting = Acting(person_id, founder, key_of(founder))
    envelope = sign_statement(
        acting,
        Endorsement(DocumentKind.TRUST_ROOT, "", 1, digest),
        ("trust-root", digest),
        Prefix(origin, 0, EMPTY_ROOT.hex()),
        rfc3339(clock()),
    )
    store = OpenStore(backend, origin, places, configuration, clock=clock)
    store.log.append(envelope.to_bytes())
    remember_origin(store.address, places, origin)
    confirm_anchor(store)
    return Founded(store, person_id, digest)


def _service_key(folder: Path, kind: ServiceKind) -> PublicKey:
    return key_of(create_key_file(service_key_path(folder, kind), None))


def make_offer(
    origin: str,
    signer: Signer,
    *,
    name: str,
    email: str = "",
    identities: tuple[str, ...] = (),
) -> bytes:
    """What a newcomer's machine writes: the key, the name, and proof of the key.

    Raises:
        MalformedStatement: the key's signature would not count; the message says why.
        ConnectorError: the key did not sign.
    """
    key, profile = key_of(signer), profile_bytes(name, email)
    person = f"p-{secrets.token_hex(6)}"
    asked = possession_bytes(origin, person, sha256_hex(profile), key)
    proof = signer.sign(asked)
    key.check(proof, asked)
    return encode(
        {
            "schema": OFFER_SCHEMA,
            "origin": origin,
            "person": person,
            "profile": profile.decode(),
            "key": key.to_json(),
            "identities": list(identities),
            "proof": base64.b64encode(proof).decode(),
        }
    )


def read_offer(data: bytes, origin: str) -> Offer:
    """Read an offer and check that it was made for this store.

    Raises:
        MalformedStatement: it is none, or does not prove possession of its key.
        Refusal: it is for another store.
    """
    from policies.keys import public_key_from_json

    fields = Fields(parse(data, what="enrolment offer"), what="enrolment offer")
    if fields.text("schema", 64) != OFFER_SCHEMA:
        raise MalformedStatement("this is no enrolment offer")
    if fields.text("origin", 256) != origin:
        raise Refusal(
            "the offer was made for another store",
            hint="Ask for one made with this store's --store.",
        )
    key = fields.object("key")
    profile = fields.text("profile", 8192).encode()
    named = Fields(parse(profile, what="profile"), what="profile")
    named.text("salt", 64)
    offer = Offer(
        person=fields.filled_text("person", 128),
        name=named.text("name", 256),
        email=named.text("email", 256),
        profile=profile,
        key=public_key_from_json(key.text("algorithm", 64), key.text("spki", 1024)),
        identities=fields.texts("identities", longest=256),
        proof=fields.filled_text("proof", 1024),
    )
    for part in (key, named, fields):
        part.end()
    asked = possession_bytes(origin, offer.person, sha256_hex(profile), offer.key)
    offer.key.check(canonical_base64(offer.proof), asked)
    return offer


def enrol(
    store: OpenStore, acting: Acting, offer: Offer, grants: tuple[Grant, ...]
) -> Appended:
    """Add the person of an offer, with roles, by a logged statement.

    Raises:
        StoreRefused: the enroller may not do this.
    """
    if not grants:
        raise Misuse("an enrolment grants at least one role", hint="--role ROLE")
    profile = store.objects.put(offer.profile)
    enrolment = Enrolment(
        person=offer.person,
        profile=profile,
        key=KeyText(
            offer.key.algorithm.value, base64.b64encode(offer.key.spki).decode()
        ),
        proof=offer.proof,
        identities=offer.identities,
        grants=grants,
    )
    return append(store, acting, enrolment, (offer.person, offer.key.id))


def activate_policy(store: OpenStore, acting: Acting, data: bytes) -> Appended:
    """Endorse a policy document; it takes effect when its threshold is met.

    Raises:
        MalformedPolicy: it is no policy.
        StoreRefused: it is not the next version, or the signer may not.
    """
    from policies.document_reading import read_policy

    policy = read_policy(data)
    digest = store.objects.put(data)
    endorsement = Endorsement(DocumentKind.POLICY, policy.id, policy.version, digest)
    return append(store, acting, endorsement, (f"policy:{policy.id}", digest))
