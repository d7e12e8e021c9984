"""Attacks on statements and trust: each is mounted, and refused for its own reason."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from console.services.demonstration import Demonstrated
from console.services.founding import activate_policy, make_offer, read_offer
from console.services.problems import Refusal
from console.services.signing import Acting, act_as_person, append, sign_statement
from policies.dsse import Envelope, read_envelope
from policies.errors import MalformedStatement
from policies.predicates import (
    DocumentKind,
    Endorsement,
    Enrolment,
    Grant,
    KeyText,
    LineageBatch,
    Prefix,
)
from policies.trust_root import BuiltInRole, possession_bytes, read_trust_root
from store.errors import StoreRefused
from store.judgement import Standing
from tests.unit.policies.test_policy_documents import GOOD
from tests.worlds import World

AT = "2026-03-01T12:00:00Z"


def batch(world: World, text: bytes = b"batch") -> LineageBatch:
    return LineageBatch("m", "c", world.store.objects.put(text), 0, AT)


def refused(world: World, who: Acting, predicate: object, why: str) -> None:
    size = world.store.index.size
    with pytest.raises(StoreRefused, match=why):
        append(world.store, who, predicate, ("x", "0" * 64))
    assert world.store.catch_up() == size


def enrolment(world: World, name: str, *grants: Grant, **changes: object) -> Enrolment:
    from connectors.signers.files import create_key_file

    signer = create_key_file(world.places.keys / f"{name}.pem", None)
    offer = read_offer(
        make_offer(world.store.origin, signer, name=name), world.store.origin
    )
    made = Enrolment(
        person=offer.person,
        profile=world.store.objects.put(offer.profile),
        key=KeyText(
            offer.key.algorithm.value, base64.b64encode(offer.key.spki).decode()
        ),
        proof=offer.proof,
        identities=(),
        grants=grants,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names checked by the dataclass


def test_payload_type_swap_is_refused(world: World) -> None:
    data = json.loads(world.store.log.entry_bytes(0))
    data["payloadType"] = "application/json"
    with pytest.raises(MalformedStatement):
        read_envelope(json.dumps(data).encode())


def test_a_changed_payload_under_an_old_signature_is_void(world: World) -> None:
    done = append(world.store, world.people["dana"], batch(world), ("m", "0" * 64))
    envelope = read_envelope(world.store.log.entry_bytes(done.index))
    forged = Envelope(
        envelope.payload.replace(b'"rows":0', b'"rows":9'),
        envelope.signature,
        envelope.key_hint,
    )
    with pytest.raises(StoreRefused, match="made its signature"):
        world.store.log.append(forged.to_bytes())


def test_an_unsigned_key_hint_steers_nothing(world: World) -> None:
    envelope = sign_statement(
        world.people["dana"], batch(world), ("m", "0" * 64), world.store.prefix(), AT
    )
    steered = replace(envelope, key_hint="somebody else's")
    assert world.store.log.append(steered.to_bytes()) == world.store.index.size - 1


def test_signing_in_somebody_else_s_name_is_refused(world: World) -> None:
    world.hire("vera", "validator")
    impostor = replace(world.people["vera"], id=world.people["dana"].id)
    refused(world, impostor, batch(world), "made its signature")


def test_a_demonstration_s_key_is_refused_by_a_store_that_is_meant(
    world: World, demo: Demonstrated
) -> None:
    key = str(demo.home / "config" / "keys" / "vera.pem")
    with pytest.raises(Refusal, match="demonstration key"):
        act_as_person(world.store, world.store.state(), key, lambda _: None)


@pytest.mark.parametrize(
    "name", ["\u0430lice", "a\u202eb", "a b", "\x1b[31m", "", "x" * 200]
)
def test_an_id_or_role_that_only_looks_like_another_is_refused(
    world: World, name: str
) -> None:
    made = enrolment(world, "vera", Grant("validator"))
    for forged in (
        replace(made, person=name),
        replace(made, grants=(Grant(name),)),
    ):
        refused(world, world.people["dana"], forged, "'person'|'role'")


def test_one_key_for_two_people_is_refused(world: World) -> None:
    first = enrolment(world, "vera", Grant("validator"))
    append(world.store, world.people["dana"], first, ("x", "0" * 64))
    refused(
        world,
        world.people["dana"],
        replace(first, person="p-other"),
        "enrolled already",
    )


def test_an_enrolment_without_possession_of_the_key_is_refused(world: World) -> None:
    stolen = enrolment(world, "vera", Grant("validator"), person="p-thief")
    refused(world, world.people["dana"], stolen, "did not prove possession")


def test_an_offer_for_another_store_is_refused(world: World) -> None:
    offer = make_offer("another/log", world.people["dana"].signer, name="V")
    with pytest.raises(Refusal, match="another store"):
        read_offer(offer, world.store.origin)


@pytest.mark.parametrize(
    "role", [BuiltInRole.ROOT, BuiltInRole.POLICY, BuiltInRole.ENROLLER]
)
def test_an_enroller_cannot_hand_out_power_over_trust(world: World, role: str) -> None:
    wide = enrolment(world, "vera", Grant(role))
    refused(world, world.people["dana"], wide, "may not grant")


def test_somebody_without_the_role_cannot_enrol_or_endorse(world: World) -> None:
    vera = world.hire("vera", "validator")
    refused(world, vera, enrolment(world, "eve", Grant("risk")), "may not enrol")
    digest = world.store.objects.put(GOOD.encode())
    policy = Endorsement(DocumentKind.POLICY, "production", 1, digest)
    refused(world, vera, policy, "may not endorse policies")


def test_a_service_cannot_do_what_people_do(world: World) -> None:
    from console.services.signing import act_as_service
    from policies.trust_root import ServiceKind

    service = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    digest = world.store.objects.put(GOOD.encode())
    policy = Endorsement(DocumentKind.POLICY, "production", 1, digest)
    refused(world, service, policy, "may not sign endorsement")


def test_policy_versions_go_up_by_one_and_never_back(world: World) -> None:
    dana = world.people["dana"]
    activate_policy(world.store, dana, GOOD.encode())
    for version in (1, 3, 2**40):
        text = GOOD.replace("version = 1", f"version = {version}")
        if version == 1:
            text += "# changed\n"
        with pytest.raises(StoreRefused, match="continues with version 2"):
            activate_policy(world.store, dana, text.encode())
    activate_policy(
        world.store, dana, GOOD.replace("version = 1", "version = 2").encode()
    )
    assert world.store.state().policies["production"].version == 2


def _next_root(world: World, **changes: object) -> Endorsement:
    root = replace(world.store.root(), **changes)  # type: ignore[arg-type]  # names checked by the dataclass
    digest = world.store.objects.put(root.to_bytes())
    return Endorsement(DocumentKind.TRUST_ROOT, "", root.version, digest)


@pytest.mark.parametrize("version", [1, 3, 2**50])
def test_trust_roots_go_up_by_exactly_one(world: World, version: int) -> None:
    refused(
        world, world.people["dana"], _next_root(world, version=version), "followed only"
    )


def test_the_next_root_signed_by_its_own_new_people_alone_has_no_effect(
    world: World,
) -> None:
    eve = world.hire("eve", "validator")
    usurped = replace(
        world.store.root().people[0],
        id=eve.id,
        keys=(eve.key,),
        profile=world.store.root().people[0].profile,
    )
    endorsement = _next_root(world, version=2, people=(usurped,))
    append(world.store, eve, endorsement, ("x", "0" * 64))
    assert world.store.root().version == 1
    assert world.store.root().people[0].id == world.people["dana"].id


def test_a_root_that_nobody_could_ever_change_is_malformed(world: World) -> None:
    root = world.store.root()
    for broken in (
        replace(root, root_threshold=2),
        replace(root, people=()),
        replace(root, people=(*root.people, *root.people)),
    ):
        with pytest.raises(MalformedStatement):
            read_trust_root(broken.to_bytes())


def test_a_policy_whose_document_is_missing_stops_decisions_not_reading(
    world: World,
) -> None:
    from console.services.problems import Undecided
    from store.backend import entry_path

    envelope = sign_statement(
        world.people["dana"],
        Endorsement(DocumentKind.POLICY, "p", 1, "9" * 64),
        ("x", "9" * 64),
        world.store.prefix(),
        AT,
    )
    path = world.folder / "store" / entry_path(world.store.index.size)
    path.write_bytes(envelope.to_bytes())
    world.store.catch_up()
    entry = world.store.index.entry(world.store.index.size - 1)
    assert entry is not None
    assert entry.judgement.standing is Standing.UNKNOWN
    with pytest.raises(Undecided):
        world.store.require_known_types()


def test_a_well_signed_statement_of_a_later_version_stops_decisions(
    world: World,
) -> None:
    from policies.dsse import PAYLOAD_TYPE, pre_authentication_encoding
    from store.backend import entry_path

    dana = world.people["dana"]
    envelope = sign_statement(
        dana, batch(world), ("m", "0" * 64), world.store.prefix(), AT
    )
    payload = envelope.payload.replace(b"lineage-batch/v1", b"lineage-batch/v2")
    signature = dana.signer.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    path = world.folder / "store" / entry_path(world.store.index.size)
    path.write_bytes(Envelope(payload, signature, dana.key.id).to_bytes())
    world.store.catch_up()
    assert world.store.index.count_unknown() == 1


def test_a_prefix_larger_than_the_log_or_of_another_root_is_refused(
    world: World,
) -> None:
    origin = world.store.origin
    for prefix, why in (
        (Prefix(origin, 99, "0" * 64), "more than precede it"),
        (Prefix(origin, 1, "0" * 64), "another history"),
        (Prefix("other", 0, "0" * 64), "another log"),
    ):
        envelope = sign_statement(
            world.people["dana"], batch(world), ("m", "0" * 64), prefix, AT
        )
        with pytest.raises(StoreRefused, match=why):
            world.store.log.append(envelope.to_bytes())


def test_possession_is_bound_to_person_and_log() -> None:
    from policies.keys import ed25519_public_key

    key = ed25519_public_key(
        bytes.fromhex(
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        )
    )
    texts = {
        possession_bytes(origin, person, "p" * 64, key)
        for origin in ("a", "b")
        for person in ("x", "y")
    }
    assert len(texts) == 4
