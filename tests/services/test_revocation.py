"""Revocation: who may, what stops counting, and what a thief did with a key."""

from __future__ import annotations

import pytest

from console.services.problems import Misuse
from console.services.revoking import revoke
from console.services.rotating import Changes
from console.services.signing import Acting, append
from policies.predicates import LineageBatch, RevocationCause
from store.errors import StoreRefused
from tests.services.test_rotation import AT, new_offer, rotated
from tests.worlds import World

LOST, LEFT = RevocationCause.LOST, RevocationCause.LEFT
COMPROMISED = RevocationCause.COMPROMISED


def say_something(world: World, who: Acting, text: bytes = b"b") -> int:
    batch = LineageBatch("m", "c", world.store.objects.put(text), 0, AT)
    return append(world.store, who, batch, ("x", "0" * 64)).index


def take(world: World, by: str, of: str, cause: RevocationCause, **more: int) -> None:
    key = world.people[of].key.id
    revoke(world.store, world.people[by], f"key:{key[:16]}", cause, "why", **more)


def test_a_lost_key_counts_no_longer_and_its_person_keeps_the_roles(
    world: World,
) -> None:
    vera = world.hire("vera", "validator")
    before = say_something(world, vera)
    take(world, "dana", "vera", LOST)
    with pytest.raises(StoreRefused, match="counts no longer"):
        say_something(world, vera, b"later")
    state = world.store.state()
    assert state.people[vera.id].holds("validator")
    assert [k.id for k in state.keys_at(vera.id, before)] == [vera.key.id]


def test_who_left_holds_no_key_and_no_role(world: World) -> None:
    vera = world.hire("vera", "validator")
    revoke(world.store, world.people["dana"], "person:Vera", LEFT, "left us")
    person = world.store.state().people[vera.id]
    assert (person.keys, person.grants) == ((), ())
    with pytest.raises(StoreRefused, match="counts no longer"):
        say_something(world, vera)


def test_people_may_revoke_their_own_key_and_nobody_else_s(world: World) -> None:
    vera = world.hire("vera", "validator")
    world.hire("rik", "risk")
    with pytest.raises(StoreRefused, match="may not revoke"):
        take(world, "vera", "rik", LOST)
    take(world, "vera", "vera", LOST)
    assert vera.key.id not in {k.id for k in world.store.state().keys_of_all()}


def test_an_enroller_revokes_within_the_own_scope_and_no_power(world: World) -> None:
    world.hire("eddy", "validator")
    assert rotated(world, Changes(grant={"Eddy": ("enroller",)}), "dana"), (
        "eddy is an enroller now"
    )
    world.hire("vera", "validator")
    take(world, "eddy", "vera", LOST)
    with pytest.raises(StoreRefused, match="taken only by a new trust root"):
        take(world, "eddy", "dana", LOST)


def test_one_root_holder_cannot_take_out_another(world: World) -> None:
    world.hire("vera", "validator")
    assert rotated(world, Changes(grant={"Vera": ("root",)}), "dana", "vera")
    with pytest.raises(StoreRefused, match="taken only by a new trust root"):
        take(world, "vera", "dana", COMPROMISED, since=0)


def test_the_last_key_that_can_change_trust_cannot_be_revoked(world: World) -> None:
    with pytest.raises(StoreRefused, match="too few people"):
        take(world, "dana", "dana", COMPROMISED, since=0)


def test_a_revoked_key_never_comes_back(world: World) -> None:
    from console.services.founding import enrol, read_offer
    from policies.predicates import Grant

    offer = new_offer(world, "vera")
    dana = world.people["dana"]
    read = read_offer(offer, world.store.origin)
    enrol(world.store, dana, read, (Grant("validator"),))
    revoke(world.store, dana, f"key:{read.key.id}", LOST, "lost")
    with pytest.raises(StoreRefused, match="enrolled before"):
        enrol(world.store, dana, read, (Grant("validator"),))
    with pytest.raises(StoreRefused, match="revoked key"):
        _propose_key(world, offer)


def _propose_key(world: World, offer: bytes) -> None:
    from console.services.rotating import hand_in, propose, sign_proposal

    proposal = propose(world.store, Changes(add_keys={"Dana": offer}))
    signed, _ = sign_proposal(proposal, world.people["dana"].signer, AT)
    done = hand_in(world.store, signed)
    if done.refused:
        raise StoreRefused(done.refused[0])


def test_people_whom_a_thief_enrolled_go_with_the_key(world: World) -> None:
    world.hire("eddy", "validator")
    assert rotated(world, Changes(grant={"Eddy": ("enroller",)}), "dana")
    stolen_at = world.store.index.size
    honest, world.people["dana"] = world.people["dana"], world.people["eddy"]
    mallory = world.hire("mallory", "validator")
    world.people["dana"] = honest
    said = say_something(world, mallory)
    revoke(
        world.store,
        honest,
        f"key:{world.people['eddy'].key.id}",
        COMPROMISED,
        "stolen",
        since=stolen_at,
    )
    state = world.store.state()
    assert mallory.id not in state.people
    assert state.is_suspect(mallory.key.id, said)
    with pytest.raises(StoreRefused, match="not enrolled"):
        say_something(world, mallory, b"again")


def test_what_a_thief_revoked_is_undone_when_the_theft_is_known(world: World) -> None:
    vera = world.hire("vera", "validator")
    world.hire("eddy", "validator")
    assert rotated(world, Changes(grant={"Eddy": ("enroller",)}), "dana")
    stolen_at = world.store.index.size
    take(world, "eddy", "vera", COMPROMISED, since=0)
    assert vera.key.id in world.store.state().suspect_since
    take(world, "dana", "eddy", COMPROMISED, since=stolen_at)
    assert world.store.state().suspect_since.keys() == {world.people["eddy"].key.id}
    say_something(world, vera)


def test_since_goes_with_a_compromise_and_only_with_one(world: World) -> None:
    world.hire("vera", "validator")
    with pytest.raises(Misuse, match="--since"):
        take(world, "dana", "vera", LOST, since=3)
    with pytest.raises(Misuse, match="--since"):
        take(world, "dana", "vera", COMPROMISED)
    with pytest.raises(Misuse, match="no keys begin"):
        revoke(world.store, world.people["dana"], "key:zz", LOST, "why")
    with pytest.raises(Misuse, match="reason"):
        revoke(world.store, world.people["dana"], "person:Vera", LEFT, " ")


def test_a_restored_state_is_the_state_that_was_judged(world: World) -> None:
    world.hire("vera", "validator")
    world.hire("eddy", "validator")
    assert rotated(world, Changes(grant={"Eddy": ("enroller",)}), "dana")
    take(world, "dana", "vera", COMPROMISED, since=2)
    fresh = world.reopened(world.elsewhere("other"))
    here, there = world.store.state(), fresh.state()
    assert here == there
    fresh.close()
