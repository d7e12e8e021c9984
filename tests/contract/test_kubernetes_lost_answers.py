"""Answers get lost on the way to any API server, a real one too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused
from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Bounds, Json, KubernetesClient
from connectors.kubernetes.kinds import JOB
from connectors.kubernetes.manifests import name_of_launch
from connectors.kubernetes.work import ClusterWork
from tests.contract.kubernetes_places import (
    KINDS,
    KubernetesPlace,
    job,
    kubernetes_place,
)
from tests.contract.kubernetes_proxy import faulty
from tests.contract.kubernetes_server.faults import Fault, Faults
from tests.contract.kubernetes_server.kubeconfigs import write_kubeconfig

PASSING = (
    Fault.RESET,
    Fault.LOSE_ANSWER,
    Fault.CUT_BODY,
    Fault.TOO_MANY,
    Fault.BROKEN,
    Fault.UNAVAILABLE,
)


def manifest(**spec: object) -> Json:
    found = job("", **spec)
    del found["metadata"]
    return found


@dataclass(frozen=True)
class Way:
    """A place, and the connector on a bad way to it."""

    place: KubernetesPlace
    faults: Faults
    work: ClusterWork

    def jobs(self) -> list[Json]:
        items = self.place.ask("GET", self.place.batch)["items"]
        assert isinstance(items, list)
        return items


@pytest.fixture(params=KINDS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    faults = Faults()
    with (
        kubernetes_place(request.param, tmp_path) as place,
        faulty(place, faults) as address,
    ):
        path = write_kubeconfig(tmp_path / "proxied", address)

        def turn(seconds: float) -> None:
            if place.cluster is not None:
                place.controller.step()
            time.sleep(0.05)

        client = KubernetesClient(
            from_kubeconfig(str(path)),
            bounds=Bounds(first_pause_seconds=0.001),
            sleep=turn,
        )
        yield Way(place, faults, ClusterWork(client, place.namespace, sleep=turn))
        client.close()


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("place_of_fault", [0, 1])
def test_a_create_whose_answer_is_lost_makes_one_job_that_is_held(
    way: Way, fault: Fault, place_of_fault: int
) -> None:
    """Whether it is the dry run's answer or that of the real create."""
    if place_of_fault == 0:
        way.faults.pending = [("create", fault)]
        made = way.work.create(manifest(), "launch-1")
    else:
        original, seen = way.faults.next, [0]

        def only_second(verb: str) -> Fault | None:
            seen[0] += verb == "create"
            is_second = verb == "create" and seen[0] == 2
            return fault if is_second else original(verb)

        way.faults.next = only_second  # type: ignore[method-assign]
        made = way.work.create(manifest(), "launch-1")
    (found,) = way.jobs()
    assert found["metadata"]["uid"] == made.uid
    assert found["spec"]["suspend"] is True
    with pytest.raises(ConnectorRefused, match="another one there"):
        way.work.create(manifest(backoffLimit=1), "launch-1")


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("verb", ["create", "get", "patch"])
def test_a_release_whose_answer_is_lost_is_done_once_and_found_done(
    way: Way, fault: Fault, verb: str
) -> None:
    made = way.work.create(manifest(), "launch-1")
    way.faults.pending = [(verb, fault)]
    released = way.work.release(manifest(), "launch-1")
    assert released.uid == made.uid
    found = way.place.ask("GET", f"{way.place.batch}/{name_of_launch('launch-1')}")
    assert found["spec"]["suspend"] is False
    assert found["metadata"]["generation"] == 2
    assert way.faults.pending == []


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("verb", ["delete", "get", "list"])
def test_a_cancel_whose_answer_is_lost_ends_when_everything_is_gone(
    way: Way, fault: Fault, verb: str
) -> None:
    way.work.create(manifest(), "launch-1")
    way.work.release(manifest(), "launch-1")
    way.faults.pending = [(verb, fault)]
    way.work.cancel(JOB, "launch-1", grace_seconds=30)
    assert way.jobs() == []
    pods = way.place.ask("GET", f"{way.place.core}/pods")["items"]
    assert pods == []
