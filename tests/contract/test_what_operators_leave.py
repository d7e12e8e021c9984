"""What operators write into a job does not make it another, on their own cluster too.

The jobs say more than they need to: amounts in long forms, numbers where text is meant,
several replicas. Every look compares all of it with the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.kubernetes.client import Json
from connectors.pipelines.protocols import CanCancel, CanHold, RunState
from tests.contract.kubernetes_flavours import (
    FLAVOURS,
    MPI,
    PYTORCH,
    TENSORFLOW,
    Operated,
    operated,
)
from tests.contract.kubernetes_launching import KubernetesCase
from tests.contract.kubernetes_places import KINDS as PLACES
from tests.pipelines import wait_for

AMOUNTS: Json = {
    "limits": {"cpu": "1000m", "memory": "0.5Gi"},
    "requests": {"cpu": "100m", "memory": "512Mi"},
}
_LOOKS = 20


def _job(*does: str) -> Json:
    made = FLAVOURS["kubernetes"].manifest(*does)
    pod = made["spec"]["template"]["spec"]
    pod["containers"][0]["resources"] = AMOUNTS
    pod["volumes"] = [{"name": "scratch", "emptyDir": {"sizeLimit": "1024Mi"}}]
    return made


def _operated(kind: Operated, *does: str) -> Json:
    made = operated(kind, *does, workers=2)
    for one in made["spec"][kind.field].values():
        one["template"]["spec"]["containers"][0]["resources"] = AMOUNTS
    made["spec"]["runPolicy"] = {"backoffLimit": 0, "activeDeadlineSeconds": 600}
    return made


def _trained(*does: str) -> Json:
    made = FLAVOURS["kubernetes-trainjob"].manifest(*does)
    made["spec"]["trainer"] |= {"numNodes": 2, "resourcesPerNode": AMOUNTS}
    return made


def _workflow(*does: str) -> Json:
    made = FLAVOURS["kubernetes-workflow"].manifest(*does)
    spec: Any = made["spec"]
    spec["arguments"]["parameters"].append({"name": "epochs", "value": 5})
    spec["templates"][1]["container"]["resources"] = AMOUNTS
    return made


MANIFESTS: dict[str, Callable[..., Json]] = {
    "kubernetes": _job,
    "kubernetes-pytorchjob": lambda *does: _operated(PYTORCH, *does),
    "kubernetes-tfjob": lambda *does: _operated(TENSORFLOW, *does),
    "kubernetes-mpijob": lambda *does: _operated(MPI, *does),
    "kubernetes-trainjob": _trained,
    "kubernetes-workflow": _workflow,
}


@pytest.fixture(params=PLACES)
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=sorted(MANIFESTS))
def case(
    request: pytest.FixtureRequest, where: str, tmp_path: Path
) -> Iterator[KubernetesCase]:
    flavour = replace(FLAVOURS[request.param], manifest=MANIFESTS[request.param])
    made = KubernetesCase(tmp_path, flavour, where)
    yield made
    made.close()


def test_it_is_the_same_held_released_and_ended(case: KubernetesCase) -> None:
    launcher = case.launcher
    assert isinstance(launcher, CanHold)
    plan = launcher.plan(case.request("quick"))
    launcher.launch("one", plan, held=True)
    for _ in range(_LOOKS):
        # Its operator looks at it meanwhile, and writes what it writes.
        again = launcher.launch("one", plan, held=True)
        assert (again.state, again.reason) == (RunState.SUSPENDED, "")
        time.sleep(0.1)
    assert case.starts() == 0
    launcher.release("one")
    # A worker may end after the leader that decides.
    run = wait_for(launcher, "one", lambda run: run.state.is_final and not run.reason)
    assert run.state is RunState.SUCCEEDED
    assert {step.state for step in run.steps} == {RunState.SUCCEEDED}
    assert launcher.launch("one", plan, held=False).state is RunState.SUCCEEDED


def test_cancelled_leaves_nothing_that_runs(case: KubernetesCase) -> None:
    launcher = case.launcher
    assert isinstance(launcher, CanCancel)
    launcher.launch("one", launcher.plan(case.request("waits")), held=False)
    wait_for(launcher, "one", lambda _: case.starts() > 0)
    assert launcher.cancel("one", grace_seconds=30).state is RunState.CANCELLED
    assert case.unended_pods() == []
    assert launcher.cancel("one", grace_seconds=30).state is RunState.CANCELLED
