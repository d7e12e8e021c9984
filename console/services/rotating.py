"""The next trust root: drafted here, signed on any machine, handed in by anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from connectors.signers.opening import Signer
from console.services.founding import printed_name, read_offer
from console.services.opened import OpenStore, rfc3339
from console.services.problems import Misuse, Refusal
from console.services.signing import key_of, refuse_other_form
from policies.dsse import PAYLOAD_TYPE, Envelope, pre_authentication_encoding
from policies.predicates import Grant
from policies.proposal import Proposal
from policies.trust_root import BuiltInRole, Person, TrustRoot, read_trust_root
from policies.trust_state import TrustState

ROOT_LIFETIME = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Changes:
    """What the next trust root is to change; people by id or printed name."""

    expires: str = ""
    root_threshold: int | None = None
    policy_threshold: int | None = None
    add: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)
    """Bytes of an enrolment offer -> roles."""
    remove: Sequence[str] = ()
    grant: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    withdraw: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drop_keys: Sequence[str] = ()
    """Beginnings of key ids."""
    add_keys: Mapping[str, bytes] = field(default_factory=dict)
    """Person -> bytes of an enrolment offer that brings the new key."""


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What became of the signatures of a proposal."""

    entries: tuple[int, ...]
    refused: tuple[str, ...]
    is_in_force: bool
    still_wanted: int
    """People who must still sign."""


def propose(store: OpenStore, wanted: Changes) -> Proposal:
    """Draft the trust root that follows the one in force.

    Raises:
        Misuse: a person or key is not there, or nothing would change but the expiry.
        Refusal: too few people could ever sign it.
        MalformedStatement: it would be no valid trust root.
    """
    state, current = store.state(), store.root()
    people = {
        person.id: state.people[person.id]
        for person in current.people
        if person.id in state.people
    }
    for offer_bytes, roles in wanted.add.items():
        person = _offered(store, offer_bytes, roles)
        people[person.id] = person
    for name in wanted.remove:
        found = find_person(store, people | state.people, name)
        if people.pop(found.id, None) is None:
            raise Misuse(
                f"{name!r} was enrolled and stands in no trust root",
                hint=f"Take them out of force: countersign revoke person:{found.id} "
                "--cause left --reason TEXT",
            )
    for name, offer_bytes in wanted.add_keys.items():
        person = find_person(store, people, name)
        newcomer = _offered(store, offer_bytes, ())
        people[person.id] = replace(person, keys=(*person.keys, *newcomer.keys))
    for name, roles in wanted.grant.items():
        person = find_person(store, people | state.people, name)
        known = {grant.role for grant in person.grants}
        new = tuple(Grant(role) for role in roles if role not in known)
        people[person.id] = replace(person, grants=(*person.grants, *new))
    for name, roles in wanted.withdraw.items():
        person = find_person(store, people, name)
        kept = tuple(grant for grant in person.grants if grant.role not in roles)
        people[person.id] = replace(person, grants=kept)
    for prefix in wanted.drop_keys:
        _drop_key(people, prefix)
    root = replace(
        current,
        version=current.version + 1,
        expires=wanted.expires or rfc3339(store.clock() + ROOT_LIFETIME),
        root_threshold=wanted.root_threshold or current.root_threshold,
        policy_threshold=wanted.policy_threshold or current.policy_threshold,
        people=tuple(people.values()),
    )
    document = root.to_bytes()
    _require_signable(read_trust_root(document), state)
    names = {p.id: p.profile for p in (*current.people, *root.people)}
    return Proposal(
        document=document,
        before=store.objects.get(current.digest),
        prefix=store.prefix(),
        names=tuple(
            (person_id, printed_name(store, profile, ""))
            for person_id, profile in names.items()
        ),
    )


def find_person(store: OpenStore, people: Mapping[str, Person], name: str) -> Person:
    """A person by id or by printed name.

    Raises:
        Misuse: none or several answer to it.
    """
    if name in people:
        return people[name]
    wanted = name.casefold()
    found = [
        person
        for person in people.values()
        if printed_name(store, person.profile, "").casefold() == wanted
    ]
    if len(found) != 1:
        raise Misuse(
            f"{len(found) or 'no'} people answer to {name!r}",
            hint="Give the id; see: countersign trust show",
        )
    return found[0]


def _offered(store: OpenStore, data: bytes, roles: tuple[str, ...]) -> Person:
    offer = read_offer(data, store.origin)
    return Person(
        id=offer.person,
        profile=store.objects.put(offer.profile),
        keys=(offer.key,),
        identities=offer.identities,
        grants=tuple(Grant(role) for role in roles),
    )


def _drop_key(people: dict[str, Person], prefix: str) -> None:
    matching = [
        (person, key)
        for person in people.values()
        for key in person.keys
        if prefix and key.id.startswith(prefix.lower())
    ]
    if len(matching) != 1:
        raise Misuse(
            f"{len(matching) or 'no'} keys begin with {prefix!r}",
            hint="See: countersign trust show --format json",
        )
    person, dropped = matching[0]
    kept = tuple(key for key in person.keys if key.id != dropped.id)
    people[person.id] = replace(person, keys=kept)


def _require_signable(root: TrustRoot, state: TrustState) -> None:
    """Refuse a root that those who can sign now could never bring into force."""
    able = [
        person
        for person in root.people
        if person.holds(BuiltInRole.ROOT)
        and (known := state.people.get(person.id))
        and known.keys
    ]
    if len(able) < root.root_threshold:
        raise Refusal(
            f"{root.root_threshold} people of the new trust root must sign it, and "
            f"only {len(able)} of them are enrolled now",
            hint="Enrol them first (countersign key enrol), then give them the role "
            "with --grant.",
        )


def sign_proposal(
    proposal: Proposal, signer: Signer, at: str
) -> tuple[Proposal, Person]:
    """Add one signature; needs no store and no network.

    Raises:
        Refused: the key is nobody's who may sign it.
        Refusal: that person has signed it already.
    """
    key = key_of(signer)
    person = proposal.person_of(key)
    refuse_other_form(key, person.keys)
    if person.id in proposal.signed_by():
        raise Refusal(f"{person.id} has signed this proposal already")
    payload = proposal.statement(person.id, at).to_payload()
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    envelope = Envelope(payload, signer.sign(signed), key.id)
    return proposal.with_signature(envelope), person


def hand_in(
    store: OpenStore,
    proposal: Proposal,
    tell: Callable[[str], None] = lambda _: None,
) -> HandedIn:
    """Append every signature of a proposal; handing in twice is harmless.

    Raises:
        Refusal: it is for another store, or follows another trust root.
    """
    from policies.errors import PolicyError
    from store.errors import StoreRefused

    current, root = store.root(), proposal.root
    if root.origin != store.origin:
        raise Refusal("the proposal is for another store")
    if root.digest == current.digest:
        return HandedIn((), (), True, 0)
    if proposal.current.digest != current.digest:
        raise Refusal(
            f"the proposal follows trust root {proposal.current.version}, and another "
            f"one is in force: version {current.version}",
            hint="Propose anew: countersign trust propose",
        )
    store.objects.put(proposal.document)
    entries, refused = [], []
    for envelope in proposal.signatures:
        try:
            entries.append(store.log.append(envelope.to_bytes()))
            tell(f"entry {entries[-1]}")
        except (StoreRefused, PolicyError) as problem:
            refused.append(str(problem))
    is_in_force = store.root().digest == root.digest
    signed = {e.person for e in store.state().pending.get(root.digest, ())}
    wanted = max(root.root_threshold, current.root_threshold) - len(signed)
    return HandedIn(
        tuple(entries),
        tuple(refused),
        is_in_force,
        0 if is_in_force else max(wanted, 1),
    )
