"""The next trust root: drafted, signed on other machines, handed in, judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.signers.files import create_key_file
from console.services.founding import make_offer
from console.services.problems import Misuse, Refusal
from console.services.rotating import Changes, hand_in, propose, sign_proposal
from console.services.signing import act_as_person, append
from policies.errors import MalformedStatement, PolicyError, Refused
from policies.predicates import LineageBatch
from policies.proposal import changes, read_proposal
from store.errors import StoreRefused
from tests.worlds import World

AT = "2026-03-01T12:00:00Z"


def rotated(world: World, wanted: Changes, *signers: str) -> bool:
    proposal = propose(world.store, wanted)
    for name in signers:
        proposal, _ = sign_proposal(proposal, world.people[name].signer, AT)
    return hand_in(world.store, read_proposal(proposal.to_bytes())).is_in_force


def new_offer(world: World, name: str) -> bytes:
    signer = create_key_file(world.places.keys / f"{name}.pem", None)
    return make_offer(world.store.origin, signer, name=name.capitalize())


def test_a_second_person_joins_the_root_and_from_then_on_both_must_sign(
    world: World,
) -> None:
    world.hire("vera", "validator")
    grant = {"Vera": ("root",)}
    assert not rotated(world, Changes(grant=grant, root_threshold=2), "dana")
    assert world.store.root().version == 1
    assert rotated(world, Changes(grant=grant, root_threshold=2), "dana", "vera")
    assert world.store.root().version == 2
    assert not rotated(world, Changes(expires="2029-01-01T00:00:00Z"), "dana")
    assert rotated(world, Changes(expires="2029-01-02T00:00:00Z"), "vera", "dana")
    assert world.store.root().version == 3


def test_signatures_arrive_from_files_one_by_one(world: World) -> None:
    world.hire("vera", "validator")
    wanted = Changes(grant={"Vera": ("root",)}, root_threshold=2)
    proposal = propose(world.store, wanted)
    by_dana, _ = sign_proposal(proposal, world.people["dana"].signer, AT)
    by_vera, person = sign_proposal(proposal, world.people["vera"].signer, AT)
    assert person.id == world.people["vera"].id
    first = hand_in(world.store, by_dana)
    assert (first.is_in_force, first.still_wanted) == (False, 1)
    assert hand_in(world.store, by_dana).entries == first.entries
    assert hand_in(world.store, by_vera).is_in_force
    assert hand_in(world.store, by_vera).is_in_force


def test_a_newcomer_is_added_by_offer_and_somebody_else_removed(world: World) -> None:
    vera = world.hire("vera", "validator")
    rik = Changes(add={new_offer(world, "rik"): ("risk",)})
    assert rotated(world, rik, "dana")
    state = world.store.state()
    assert vera.id in state.people, "enrolled people stay enrolled"
    assert "risk" in {g.role for p in state.people.values() for g in p.grants}
    assert rotated(world, Changes(remove=["Rik"]), "dana")
    state = world.store.state()
    assert "risk" not in {g.role for p in state.people.values() for g in p.grants}
    with pytest.raises(Misuse, match="stands in no trust root"):
        propose(world.store, Changes(remove=["Vera"]))


def test_removing_a_founder_s_old_key_leaves_only_the_new_one(world: World) -> None:
    offer = new_offer(world, "token")
    old = world.people["dana"].key.id
    wanted = Changes(add_keys={"Dana": offer}, drop_keys=[old[:12]])
    assert rotated(world, wanted, "dana")
    batch = LineageBatch("m", "c", world.store.objects.put(b"b"), 0, AT)
    with pytest.raises(StoreRefused, match="counts no longer"):
        append(world.store, world.people["dana"], batch, ("x", "0" * 64))
    key = str(world.places.keys / "token.pem")
    fresh = act_as_person(world.store, world.store.state(), key, lambda _: None)
    append(world.store, fresh, batch, ("x", "0" * 64))


def test_what_was_signed_with_a_former_key_still_verifies(world: World) -> None:
    offer = new_offer(world, "token")
    old = world.people["dana"].key.id
    rotated(world, Changes(add_keys={"Dana": offer}, drop_keys=[old[:12]]), "dana")
    state = world.store.state()
    assert [k.id for k in state.keys_at(world.people["dana"].id, 0)] == [old]
    assert world.store.verified_entries("trust", state)


def test_a_proposal_that_could_never_come_into_force_is_refused_at_once(
    world: World,
) -> None:
    offer = new_offer(world, "rik")
    with pytest.raises(Refusal, match="only 1 of them are enrolled now"):
        propose(world.store, Changes(add={offer: ("root",)}, root_threshold=2))
    with pytest.raises(MalformedStatement, match="2 people must hold"):
        propose(world.store, Changes(policy_threshold=2))
    with pytest.raises(MalformedStatement):
        propose(world.store, Changes(remove=["Dana"]))


@pytest.mark.parametrize(
    "wanted",
    [
        Changes(remove=["nobody"]),
        Changes(grant={"nobody": ("root",)}),
        Changes(drop_keys=["zzz"]),
        Changes(drop_keys=[""]),
    ],
)
def test_what_is_not_there_is_named(world: World, wanted: Changes) -> None:
    with pytest.raises(Misuse, match=r"no people|no keys"):
        propose(world.store, wanted)


def test_a_stranger_cannot_sign_a_proposal_and_nobody_signs_twice(
    world: World,
) -> None:
    vera = world.hire("vera", "validator")
    proposal = propose(world.store, Changes())
    with pytest.raises(Refused, match="nobody's who may sign"):
        sign_proposal(proposal, vera.signer, AT)
    signed, _ = sign_proposal(proposal, world.people["dana"].signer, AT)
    with pytest.raises(Refusal, match="signed this proposal already"):
        sign_proposal(signed, world.people["dana"].signer, AT)


def test_a_proposal_over_an_older_root_is_refused(world: World) -> None:
    late = propose(world.store, Changes(expires="2030-01-01T00:00:00Z"))
    late, _ = sign_proposal(late, world.people["dana"].signer, AT)
    assert rotated(world, Changes(), "dana")
    with pytest.raises(Refusal, match="another one is in force"):
        hand_in(world.store, late)


def test_a_file_that_lies_about_the_root_before_it_gains_nothing(world: World) -> None:
    eve = world.hire("eve", "validator")
    proposal = propose(world.store, Changes(grant={"Eve": ("root",)}))
    forged = replace(proposal, before=proposal.document)
    with pytest.raises(Refused, match="does not follow"):
        read_proposal(forged.to_bytes())
    signed, _ = sign_proposal(proposal, eve.signer, AT)
    done = hand_in(world.store, signed)
    assert not done.is_in_force
    assert world.store.root().version == 1


def test_changes_name_every_gain_and_loss_in_words(world: World) -> None:
    world.hire("vera", "validator")
    proposal = propose(
        world.store,
        Changes(grant={"Vera": ("root",)}, withdraw={"Dana": ("promoter",)}),
    )
    told = "\n".join(changes(proposal.current, proposal.root))
    assert f"adds {world.people['vera'].id}" in told
    assert f"{world.people['vera'].id} GAINS the role root" in told
    assert f"{world.people['dana'].id} loses the role promoter" in told


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"schema":"countersign/proposal/v1"}',
        b"[" * 100,
    ],
)
def test_a_damaged_proposal_is_malformed_and_says_so(damage: bytes) -> None:
    with pytest.raises(PolicyError):
        read_proposal(damage)
