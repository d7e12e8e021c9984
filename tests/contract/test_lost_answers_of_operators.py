"""An answer that is lost starts a job of an operator no second time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.pipelines.protocols import RunState
from tests.contract.kubernetes_bench import Bench, bench
from tests.contract.kubernetes_flavours import FLAVOURS
from tests.contract.kubernetes_server.faults import Fault
from tests.contract.kubernetes_server.objects import Object

PASSING = (Fault.RESET, Fault.LOSE_ANSWER, Fault.CUT_BODY, Fault.UNAVAILABLE)
KINDS = ("kubernetes-pytorchjob", "kubernetes-trainjob", "kubernetes-workflow")
STORED = {
    "kubernetes-pytorchjob": ("kubeflow.org", "pytorchjobs"),
    "kubernetes-trainjob": ("trainer.kubeflow.org", "trainjobs"),
    "kubernetes-workflow": ("argoproj.io", "workflows"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def there(kind: str, tmp_path: Path) -> Iterator[Bench]:
    flavour = FLAVOURS[kind]
    with bench(tmp_path, flavour.definitions()) as made:
        for where, body in flavour.surroundings("quick"):
            assert made.place.ask("POST", where, body).status == 201
        yield made


def lose(there: Bench, lost: str, position: int, fault: Fault) -> list[int]:
    """Let the fault strike one request of a kind, counted from 1."""
    faults, seen = there.place.own.faults, [0]
    usual = faults.next

    def strike(verb: str) -> Fault | None:
        seen[0] += verb == lost
        is_it = verb == lost and seen[0] == position
        return fault if is_it else usual(verb)

    faults.next = strike  # type: ignore[method-assign]
    return seen


def stored(there: Bench, kind: str) -> list[Object]:
    return there.place.own.store.all(STORED[kind])


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("position", [1, 2])
def test_a_create_whose_answer_is_lost_makes_one_that_is_held(
    there: Bench, kind: str, fault: Fault, position: int
) -> None:
    """Whether it is the answer of the dry run or of what was meant."""
    plan = there.plan(FLAVOURS[kind].manifest("quick"))
    seen = lose(there, "create", position, fault)
    assert there.launcher.launch("one", plan, held=True).state is RunState.SUSPENDED
    assert seen[0] > position
    assert len(stored(there, kind)) == 1
    there.controller.step()
    assert there.unended() == []


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("verb", ["create", "get", "patch"])
def test_a_release_whose_answer_is_lost_is_done_once(
    there: Bench, kind: str, fault: Fault, verb: str
) -> None:
    there.launch(FLAVOURS[kind].manifest("quick"), held=True)
    seen = lose(there, verb, 1, fault)
    there.launcher.release("one")
    there.launcher.release("one")
    assert seen[0] > 1
    for _ in range(3):
        there.controller.step()
    (found,) = stored(there, kind)
    assert found["metadata"]["generation"] == 2
    assert len(there.pods()) == 1


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("verb", ["get", "list", "patch"])
def test_a_cancel_whose_answer_is_lost_ends_when_nothing_is_left(
    there: Bench, kind: str, fault: Fault, verb: str
) -> None:
    there.launch(FLAVOURS[kind].manifest("quick"))
    there.controller.step()
    for pod in there.pods().values():
        there.controller.run(pod)
    there.controller.step()
    lose(there, verb, 1, fault)
    assert there.launcher.cancel("one", grace_seconds=30).state is RunState.CANCELLED
    assert there.unended() == []
