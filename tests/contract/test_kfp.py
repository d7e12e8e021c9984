"""What launching needs of Kubeflow Pipelines, held to the published API; of a real one
too where there is one."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.client import BASE
from connectors.kubeflow.problems import NameTaken, ObjectMissing
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, RunState
from tests.contract.kfp_launching import package_of_steps
from tests.contract.kfp_places import KINDS, KfpPlace, kfp_place
from tests.contract.kfp_server.swagger import description, operation, wrong
from tests.pipelines import wait_for

WAIT_SECONDS = 300.0


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[KfpPlace]:
    with kfp_place(request.param) as found:
        yield found


@pytest.fixture
def launch() -> str:
    return f"countersign-test-{secrets.token_hex(6)}"


def plan_of(place: KfpPlace, folder: Path, *does: str) -> LaunchPlan:
    package = package_of_steps(*does, image=place.image, name="countersign-test")
    path = folder / "pipeline.yaml"
    path.write_text(json.dumps(package))
    return place.launcher().plan(LaunchRequest(str(path)))


def test_a_name_of_an_experiment_is_taken_once(place: KfpPlace, launch: str) -> None:
    """On this everything rests that keeps a launch from being sent twice."""
    api = KfpApi(place.client())
    made = api.make_experiment(f"{launch}/a", "first")
    with pytest.raises(NameTaken):
        api.make_experiment(f"{launch}/a", "second")
    [found] = [one for one in api.experiments(launch) if one.name == f"{launch}/a"]
    assert (found.experiment_id, found.description) == (made.experiment_id, "first")
    assert found.created is not None
    assert api.client.server_time is not None
    api.hide_experiment(made.experiment_id)
    with pytest.raises(NameTaken):
        api.make_experiment(f"{launch}/a", "third")
    api.drop_experiment(made.experiment_id)
    assert list(api.experiments(launch)) == []


def test_a_version_reads_back_as_what_was_uploaded(
    place: KfpPlace, tmp_path: Path, launch: str
) -> None:
    """Though the server writes the package anew, and calls the pipeline otherwise."""
    launcher = place.launcher()
    plan = plan_of(place, tmp_path, "quick")
    launcher.launch(launch, plan, held=False)
    found = wait_for(
        launcher, launch, lambda run: run.state.is_final, seconds=WAIT_SECONDS
    )
    assert found.state is not RunState.UNKNOWN, found.reason


def test_a_run_goes_through_its_states_with_its_steps(
    place: KfpPlace, tmp_path: Path, launch: str
) -> None:
    launcher = place.launcher()
    plan = plan_of(place, tmp_path, "quick", "fails")
    launcher.launch(launch, plan, held=False)
    run = wait_for(
        launcher, launch, lambda run: run.state.is_final, seconds=WAIT_SECONDS
    )
    assert run.state is RunState.FAILED
    assert [(s.name, s.state) for s in run.steps] == [
        ("quick", RunState.SUCCEEDED),
        ("fails", RunState.FAILED),
    ]
    assert launch in [found.launch for found in place.launcher().runs()]
    launcher.archive(launch)
    assert launcher.find(launch) == run


def test_a_run_that_is_cancelled_is_gone(
    place: KfpPlace, tmp_path: Path, launch: str
) -> None:
    launcher = place.launcher()
    launcher.launch(launch, plan_of(place, tmp_path, "waits"), held=False)
    run = launcher.cancel(launch, grace_seconds=WAIT_SECONDS)
    assert run.state is RunState.CANCELLED
    assert launcher.launch(launch, plan_of(place, tmp_path, "waits"), held=False) == run


def test_what_an_installation_does_not_have_is_asked_for_once(
    place: KfpPlace, tmp_path: Path, launch: str
) -> None:
    launcher = place.launcher()
    launcher.launch(launch, plan_of(place, tmp_path, "quick"), held=False)
    run = wait_for(
        launcher, launch, lambda run: run.state.is_final, seconds=WAIT_SECONDS
    )
    if place.own is None:
        return
    newer = [one for one in place.own.faults.seen if one == "list tasks"]
    assert place.own.has_tasks or len(newer) == 1
    addresses = {one.address for one in run.artifacts if one.is_output}
    assert addresses == (
        {f"s3://mlpipeline/v2/{launch}/quick/data"} if place.own.has_tasks else {""}
    )


def test_what_has_ended_is_looked_at_once(tmp_path: Path, launch: str) -> None:
    """A console asks again every second, of every launch."""
    with kfp_place("in-repo") as place:
        assert place.own is not None
        launcher = place.launcher()
        launcher.launch(launch, plan_of(place, tmp_path, "quick"), held=False)
        run = wait_for(launcher, launch, lambda run: run.state.is_final)
        assert launcher.find(launch) == run
        place.own.faults.seen.clear()
        assert launcher.find(launch) == run
        assert place.own.faults.seen == ["list runs"]
        [stored] = place.own.runs.values()
        place.own.steps_on_get = False
        stored.told["state"] = "RUNNING"  # somebody retries it in its own pages
        found = launcher.find(launch)
        assert found is not None
        assert found.state is RunState.RUNNING


@pytest.mark.parametrize(
    ("kind", "said"),
    [("in-repo", ("cached.containers", "1")), ("in-repo-newer", ("cached", "quick"))],
)
def test_steps_that_were_taken_from_an_earlier_run_are_told(
    tmp_path: Path, launch: str, kind: str, said: tuple[str, str]
) -> None:
    with kfp_place(kind) as place:
        assert place.own is not None
        place.own.cached = frozenset({"quick"})
        launcher = place.launcher()
        launcher.launch(launch, plan_of(place, tmp_path, "quick", "talks"), held=False)
        run = wait_for(launcher, launch, lambda run: run.state.is_final)
        assert run.state is RunState.SUCCEEDED
        assert said in run.told
        assert all("talks" in started for started in place.own.started)


@pytest.mark.peer
def test_the_test_server_refuses_what_is_not_described() -> None:
    if description() is None:
        pytest.skip("peer: COUNTERSIGN_TEST_SPECS names no published description")
    described = operation("POST", f"{BASE}/runs")
    assert described is not None
    [schema] = [one["schema"] for one in described["parameters"] if "schema" in one]
    good = {"display_name": "x", "runtime_config": {"parameters": {"a": 1}}}
    assert wrong(schema, good, "run") == []
    wrong_ones: tuple[dict[str, object], ...] = (
        {"display_nam": "x"},
        {"display_name": 3},
        {"state": "RUNING"},
        {"created_at": "yesterday"},
        {"runtime_config": {"parameter": {}}},
    )
    for bad in wrong_ones:
        assert wrong(schema, bad, "run") != [], bad
    assert operation("POST", f"{BASE}/runs/x:terminate") is not None
    assert operation("POST", f"{BASE}/runs/x:stop") is None
    with kfp_place("in-repo") as place, pytest.raises(ObjectMissing):
        KfpApi(place.client()).run("no-such-run")
