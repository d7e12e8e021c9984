"""The documented role of the launcher allows what is done with schedules."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kubernetes.kinds import served
from connectors.kubernetes.problems import NotAllowed
from connectors.pipelines.kubernetes_schedules import KubernetesSchedules
from connectors.pipelines.protocols import LaunchRequest, RunState, Times
from tests.contract.kubernetes_launching import KeptPlans
from tests.contract.kubernetes_places import KINDS, KubernetesPlace, kubernetes_place
from tests.contract.schedule_cases import FORMS, Form
from tests.contract.test_kubernetes_rights import _as_service_account


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KubernetesPlace]:
    with kubernetes_place(request.param, tmp_path) as found:
        yield found
        if found.cluster is not None:
            found.cluster.identities.by_token.clear()


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_the_launcher_may_do_all_that_is_done_with_schedules(
    place: KubernetesPlace, tmp_path: Path, form: Form
) -> None:
    if form.definitions():
        for definition in form.definitions():
            place.own.redefine(definition)
    limited = _as_service_account(place, "launcher", tmp_path)

    def turn(seconds: float) -> None:
        if place.cluster is not None:
            place.controller.step()
        time.sleep(0.05)

    path = tmp_path / "job.json"
    path.write_text(json.dumps(form.manifest("quick")))
    keeper = KubernetesSchedules(
        limited.client,
        KeptPlans(),
        keeper=form.kind,
        namespace=place.namespace,
        sleep=turn,
    )
    plan = keeper.plan(LaunchRequest(str(path), times=Times("0 3 * * *")))
    assert keeper.launch("one", plan, held=True).state is RunState.SUSPENDED
    assert keeper.release("one").state is RunState.RUNNING
    assert list(keeper.fired("one")) == []
    assert keeper.standing("one").active == 0
    assert keeper.cancel("one", grace_seconds=20).state is RunState.CANCELLED
    kept = served(limited.client, form.kind).path(place.namespace)
    with pytest.raises(NotAllowed):
        limited.client.items(kept)
    limited.client.close()
