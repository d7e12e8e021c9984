"""Requests: what waits for the people whose keys are at hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from console.cli import main
from console.services.keyring import people_at_hand
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.places import Places
from console.services.reviewing import find_request, review_sheet
from console.services.signoff import answer_request, request_transition
from console.services.standing import waiting_requests
from policies.predicates import Decision
from tests.services.test_waivers import As, acting

__all__ = ["acting"]


def asked(store: OpenStore, acting: As) -> str:
    version = find_version(store, "model:diabetes-progression@2")
    made = request_transition(
        store, acting("ana"), version, "production", "eu", "because"
    )
    return made.appended.statement_id


def roles(store: OpenStore, *people: str) -> dict[str, tuple[str, ...]]:
    found = waiting_requests(store, store.state(), mine=people)
    return {request.id: request.for_me for request in found}


def test_a_request_waits_for_whoever_could_still_decide_in_a_role(
    demo_store: OpenStore, acting: As
) -> None:
    request = asked(demo_store, acting)
    vera, rik, ana = (acting(name).id for name in ("vera", "rik", "ana"))
    assert roles(demo_store, vera)[request] == ("validator",)
    assert roles(demo_store, ana)[request] == ()
    assert roles(demo_store)[request] == ()
    assert set(roles(demo_store, vera, rik)[request]) == {"risk", "validator"}
    state = demo_store.state()
    sheet = review_sheet(demo_store, find_request(demo_store, request, state), state)
    answer_request(demo_store, acting("vera"), sheet, Decision.APPROVE, "read it")
    assert roles(demo_store, vera)[request] == ()
    first = waiting_requests(demo_store, demo_store.state(), mine=[rik])[0]
    assert first.for_me == ("risk",)


def test_the_keys_of_this_machine_say_who_is_asked(
    demo_store: OpenStore, acting: As, tmp_path: Path
) -> None:
    keys = tmp_path / "config" / "keys"
    keys.mkdir(parents=True)
    places = Places(tmp_path / "data", tmp_path / "config")

    def at_hand() -> frozenset[str]:
        return people_at_hand(places, demo_store, has_agent=False, tell=lambda _: None)

    assert at_hand() == frozenset()
    for path in demo_store.places.keys.glob("vera*"):
        shutil.copy(path, places.keys / path.name)
    assert at_hand() == {acting("vera").id}


def test_a_person_without_keys_has_nothing_waiting(
    demo_store: OpenStore,
    acting: As,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked(demo_store, acting)
    monkeypatch.setenv("COUNTERSIGN_STORE", demo_store.address)
    monkeypatch.setenv("COUNTERSIGN_DATA", str(demo_store.places.data))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert main(["requests", "--mine"]) == 0
    assert "nothing to show" in capsys.readouterr().err
    assert main(["requests"]) == 0
    assert "FOR ME" in capsys.readouterr().out
