"""Threads take turns at a store, and nobody keeps the turn while they wait outside."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from connectors.kubeflow.client import KfpClient
from connectors.kubernetes.client import KubernetesClient
from console.services.pipelines.launchers import open_launcher
from console.services.turns import Turn
from tests.contract.kubernetes_places import kubernetes_place
from tests.services.kfp_launching import kfp_world
from tests.worlds import World


def note_turns(
    patch: pytest.MonkeyPatch, client: type[KubernetesClient | KfpClient], turn: Turn
) -> list[bool]:
    """Whether somebody had the turn, for each request that a client makes."""
    noted: list[bool] = []
    once: Any = client._once

    def asked(self: object, *request: object) -> object:
        noted.append(turn.locked())
        return once(self, *request)

    patch.setattr(client, "_once", asked)
    return noted


def test_who_waits_outside_gives_way_and_takes_the_turn_again() -> None:
    turn, was_let_in = Turn(), threading.Event()

    def other() -> None:
        with turn:
            was_let_in.set()

    thread = threading.Thread(target=other)
    with turn, turn:
        thread.start()
        assert not was_let_in.wait(0.05)
        with turn.given_way():
            assert was_let_in.wait(10)
        thread.join(10)
        assert turn.locked()
    assert not turn.locked()
    with turn.given_way():
        assert not turn.locked()


def test_a_question_that_waits_for_a_cluster_lets_others_ask_meanwhile(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = world.store.turn
    with kubernetes_place("in-repo", tmp_path) as place:
        monkeypatch.setenv("KUBECONFIG", str(place.kubeconfig))
        noted = note_turns(monkeypatch, KubernetesClient, turn)
        launcher = open_launcher(world.store, "kubernetes", namespace=place.namespace)
        with turn:
            assert launcher.find("one") is None
            assert turn.locked()
    assert noted
    assert not any(noted)


def test_a_question_that_waits_for_kubeflow_does_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kfp_world(world, monkeypatch) as there:
        there.put_policy(is_released=True)
        turn = there.store.turn
        noted = note_turns(monkeypatch, KfpClient, turn)
        there.launch()
        with turn:
            held = open_launcher(there.store, "kfp").find("one")
            assert turn.locked()
    assert held is not None
    assert noted
    assert not any(noted)
