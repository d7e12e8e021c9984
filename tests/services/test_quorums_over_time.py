"""Quorums that fill up slowly, while the log goes on about other things."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.signers.files import create_key_file
from connectors.signers.opening import open_signer
from console.services.demonstration import MODEL
from console.services.founding import activate_policy, enrol, make_offer, read_offer
from console.services.gating import gate
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.problems import Refusal
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.signing import Acting, act_as_person, append
from console.services.signoff import answer_request, request_transition
from policies.predicates import Decision, Grant, LineageBatch
from policies.verdict import exit_code

As = Callable[[str], Acting]
VERSION = f"model:{MODEL}@2"


@pytest.fixture
def acting(demo_store: OpenStore) -> As:
    """Somebody of the demonstration, by the name of their key."""

    def act(name: str) -> Acting:
        path = str(demo_store.places.keys / f"{name}.pem")
        return act_as_person(demo_store, demo_store.state(), path, lambda _: None)

    return act


def current_text(store: OpenStore) -> bytes:
    policies = store.policies(store.state())
    digest = next(p.digest for p in policies if p.id == "diabetes-production")
    return store.objects.get(digest).replace(b"version = 1", b"version = 2")


def ask(store: OpenStore, who: Acting) -> str:
    version = find_version(store, VERSION)
    made = request_transition(store, who, version, "production", "eu", "because")
    return made.appended.statement_id


def approve(store: OpenStore, who: Acting, request: str) -> None:
    record = find_request(store, request, store.state())
    sheet = review_sheet(store, record, store.state())
    answer_request(store, who, sheet, Decision.APPROVE, "read it")


def hire(store: OpenStore, founder: Acting, name: str, role: str) -> Acting:
    path = store.places.keys / f"{name}.pem"
    create_key_file(path, None)
    signer = open_signer(str(path), lambda _: None)
    offer = make_offer(store.origin, signer, name=name.capitalize(), identities=())
    enrol(store, founder, read_offer(offer, store.origin), (Grant(role),))
    return act_as_person(store, store.state(), str(path), lambda _: None)


def something_else(store: OpenStore, who: Acting, number: int) -> None:
    """An entry, and a policy, that have nothing to do with the request."""
    batch = store.objects.put(f"batch {number}".encode())
    said = LineageBatch("m", "c", batch, 0, "2026-01-01T00:00:00Z")
    append(store, who, said, ("x", "0" * 64))
    other = current_text(store).replace(b"version = 2", b"version = 1")
    other = other.replace(b'"diabetes-production"', f'"other-{number}"'.encode())
    activate_policy(store, who, other.replace(b"diabetes-*", f"x{number}-*".encode()))


def test_three_approvals_with_other_entries_between_them_reach_the_promotion(
    demo_store: OpenStore, acting: As
) -> None:
    dana = acting("dana")
    three = current_text(demo_store).replace(
        b'role = "validator"\ncount = 1', b'role = "validator"\ncount = 2'
    )
    nils = hire(demo_store, dana, "nils", "validator")
    activate_policy(demo_store, dana, three)
    request = ask(demo_store, acting("ana"))
    for number, signer in enumerate((acting("vera"), acting("rik"), nils)):
        assert exit_code(gate(demo_store, VERSION, "production", "eu").tree) == 1
        something_else(demo_store, dana, number)
        hire(demo_store, dana, f"new{number}", "requester")
        approve(demo_store, signer, request)
    assert exit_code(gate(demo_store, VERSION, "production", "eu").tree) == 0
    record = find_request(demo_store, request, demo_store.state())
    promote(demo_store, acting("rik"), record, environment={})
    assert exit_code(gate(demo_store, VERSION, "production", "eu").tree) == 0


def test_what_too_few_people_could_approve_is_not_asked_for(
    demo_store: OpenStore, acting: As
) -> None:
    dana = acting("dana")
    three = current_text(demo_store).replace(
        b'role = "validator"\ncount = 1', b'role = "validator"\ncount = 2'
    )
    activate_policy(demo_store, dana, three)
    before = demo_store.index.size
    with pytest.raises(Refusal, match="2 of the role validator; 1 could sign"):
        ask(demo_store, acting("ana"))
    assert demo_store.index.size == before
    hire(demo_store, dana, "nils", "validator")
    ask(demo_store, acting("ana"))
