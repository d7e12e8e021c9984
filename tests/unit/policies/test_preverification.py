"""Signatures that are verified ahead of the judge: found early is found late."""

from __future__ import annotations

import sys

import pytest

from policies.dsse import Envelope, read_envelope
from policies.preverification import Preverification
from store.facts import Fact, FactKind
from tests.worlds import World


@pytest.fixture
def entries(world: World) -> list[bytes]:
    for number in range(20):
        world.tell(Fact(kind=FactKind.TAG, subject="run:m/1", name=str(number)))
    return [world.store.log.entry_bytes(n) for n in range(world.store.index.size)]


def test_what_was_prepared_is_judged_as_if_it_had_not_been(
    world: World, entries: list[bytes]
) -> None:
    interval = sys.getswitchinterval()
    ahead = Preverification(2)
    state = world.store.state()
    by = {key.id: key for key in state.keys_of_all()}
    ahead.prepare(
        [*entries, b"rubbish", b"x" * 70_000],
        lambda signer: getattr(state.signer(signer), "keys", ()),
    )
    dana = world.people["dana"].key
    for data in entries[1:]:
        read = ahead.take(data)
        assert read is not None
        assert read.envelope == read_envelope(data)
        key = by[read.envelope.key_hint]
        assert ahead.is_verified(key, read.envelope)
        assert not ahead.is_verified(dana, read.envelope)
        touched = Envelope(read.envelope.payload, bytes(64), read.envelope.key_hint)
        assert not ahead.is_verified(key, touched)
    assert ahead.take(b"rubbish") is None
    ahead.close()
    assert sys.getswitchinterval() == interval


def test_a_forged_signature_prepared_by_the_right_key_stays_forged(
    world: World, entries: list[bytes]
) -> None:
    ahead = Preverification(2)
    forged = []
    for data in entries[1:]:
        good = read_envelope(data)
        forged.append(Envelope(good.payload, bytes(64), good.key_hint))
    state = world.store.state()
    ahead.prepare(
        [envelope.to_bytes() for envelope in forged],
        lambda signer: getattr(state.signer(signer), "keys", ()),
    )
    keys = {key.id: key for key in state.keys_of_all()}
    assert not any(ahead.is_verified(keys[e.key_hint], e) for e in forged)
    ahead.close()


def test_with_one_thread_nothing_is_done_ahead(entries: list[bytes]) -> None:
    ahead = Preverification(1)
    ahead.prepare(entries, lambda _: ())
    assert ahead.take(entries[1]) is None
