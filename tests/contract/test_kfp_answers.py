"""What Kubeflow Pipelines answers otherwise than one would think, and what is made of
it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
)
from connectors.kubeflow.access import endpoint
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.client import KfpClient
from connectors.kubeflow.problems import NameTaken, problem
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kfp_sending import Clock
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, RunState
from tests.contract.kfp_launching import FAST, KeptHolds, PassingTime, write_package
from tests.contract.kfp_server import engine
from tests.contract.kfp_server.faults import Fault
from tests.contract.kfp_server.installation import Installation
from tests.contract.kfp_server.server import serving
from tests.contract.kubernetes_launching import KeptPlans
from tests.pipelines import wait_for


@pytest.fixture
def here() -> Iterator[Installation]:
    with serving(Installation(steps_on_get=True)) as found:
        yield found


def launcher_of(here: Installation, namespace: str = "") -> KfpLauncher:
    time = PassingTime(here)
    client = KfpClient(
        endpoint(here.address, namespace=namespace), bounds=FAST, sleep=time.sleep
    )
    clock = Clock(time.sleep, time.monotonic)
    return KfpLauncher(client, KeptPlans(), KeptHolds(), clock=clock)


def plan_of(launcher: KfpLauncher, folder: Path) -> LaunchPlan:
    return launcher.plan(LaunchRequest(str(write_package(folder, "quick"))))


@pytest.mark.parametrize(
    ("said", "is_taken"),
    [
        ({"code": 6, "message": "Already exist error: ..."}, True),
        ({"error_message": "Failed to create a pipeline version"}, True),
        ({"code": "6"}, True),
        ({"code": 10, "message": "BadRequestError: A namespace is required"}, False),
        ({"code": 9, "message": "A namespace is required"}, False),
    ],
)
def test_a_conflict_is_a_name_that_is_taken_unless_it_is_said_to_be_another(
    said: dict[str, object], is_taken: bool
) -> None:
    """Its gateway makes a conflict of what it calls a bad request, too."""
    found = problem("http://here", 409, json.dumps(said).encode())
    assert isinstance(found, NameTaken) is is_taken
    assert isinstance(found, ConnectorRefused)
    assert ("A namespace is required" in str(found)) is not is_taken


def test_what_it_tells_as_its_own_fault_is_shown_without_what_was_sent() -> None:
    said = {"code": 13, "message": "InternalServerError:\n\tbearer-1234 may not\x1b[2J"}
    found = problem(
        "http://here", 500, json.dumps(said).encode(), ["Bearer bearer-1234"]
    )
    assert isinstance(found, ConnectorUnavailable)
    assert "InternalServerError: *** may not" in str(found)
    for data in (b"", b"<html>", b"[]", b'{"message": 3}', b"[" * 10_000):
        assert str(problem("http://here", 500, data)) == "http://here answered 500"


def test_why_a_run_may_not_have_started_is_shown(
    here: Installation, tmp_path: Path
) -> None:
    here.faults.pending = [("create run", Fault.BROKEN)]
    launcher = launcher_of(here)
    with pytest.raises(ConnectorUnavailable, match="the database is gone"):
        launcher.launch("one", plan_of(launcher, tmp_path), held=False)
    assert here.runs == {}


def test_what_is_refused_of_a_file_is_shown(here: Installation) -> None:
    api = KfpApi(KfpClient(endpoint(here.address), bounds=FAST))
    pipeline = api.make_pipeline("one")
    query = {"name": "one-1", "pipelineid": pipeline}
    with pytest.raises(ConnectorRefused, match="the pipeline spec is invalid"):
        api.upload_version(query, b"no pipeline")


@pytest.mark.parametrize("tells_what_is_taken", [True, False])
def test_an_upload_whose_answer_is_lost_is_found_by_its_name(
    here: Installation, tmp_path: Path, tells_what_is_taken: bool
) -> None:
    here.tells_what_is_taken = tells_what_is_taken
    here.faults.pending = [("upload version", Fault.LOSE_ANSWER)]
    launcher = launcher_of(here)
    launcher.launch("one", plan_of(launcher, tmp_path), held=False)
    assert (len(here.versions), len(here.runs)) == (1, 1)


def test_a_namespace_is_of_no_account_where_there_is_one_user(
    here: Installation, tmp_path: Path
) -> None:
    launcher = launcher_of(here, "team-a")
    launcher.launch("one", plan_of(launcher, tmp_path), held=False)
    run = wait_for(launcher, "one", lambda found: found.state.is_final)
    assert run.state is RunState.SUCCEEDED
    assert {one["namespace"] for one in here.experiments.values()} == {""}
    assert len(here.runs) == 1


def test_a_name_that_no_object_of_a_cluster_can_have_is_refused_before_any_claim(
    here: Installation, tmp_path: Path
) -> None:
    here.keeps_in_kubernetes = True
    launcher = launcher_of(here)
    package = str(write_package(tmp_path, "quick"))
    plan = launcher.plan(LaunchRequest(package, pipeline="My_pipeline"))
    with pytest.raises(ConnectorRefused, match="Invalid pipeline name 'My_pipeline'"):
        launcher.launch("one", plan, held=False)
    assert (here.experiments, here.runs) == ({}, {})
    plan = launcher.plan(LaunchRequest(package, pipeline="my-pipeline"))
    launcher.launch("one", plan, held=False)
    assert len(here.runs) == 1


def test_ids_that_a_filter_takes_for_one_another_are_two_launches(
    here: Installation, tmp_path: Path
) -> None:
    """To a database, `_` stands for any character, and A is a."""
    launcher = launcher_of(here)
    plan = plan_of(launcher, tmp_path)
    launcher.launch("axb", plan, held=False)
    launcher.launch("A_B", plan, held=False)
    assert launcher.find("a_b") is None
    launcher.launch("a_b", plan, held=False)
    assert len(here.runs) == 3


def test_a_run_is_started_though_somebody_archived_its_experiment(
    here: Installation, tmp_path: Path
) -> None:
    launcher = launcher_of(here)
    plan = plan_of(launcher, tmp_path)
    launcher.launch("one", plan, held=False)
    [experiment] = {run.told["experiment_id"] for run in here.runs.values()}
    KfpApi(KfpClient(endpoint(here.address))).hide_experiment(experiment)
    launcher.launch("two", plan, held=False)
    assert {run.told["storage_state"] for run in here.runs.values()} == {
        "ARCHIVED",
        "AVAILABLE",
    }
    found = launcher.find("one")
    assert found is not None
    assert found.state is not RunState.UNKNOWN


@pytest.mark.parametrize("fault", [Fault.BROKEN, Fault.FORBIDDEN])
def test_a_run_is_shown_though_its_artifacts_may_not_be_read(
    here: Installation, tmp_path: Path, fault: Fault
) -> None:
    """Some cannot be for good: their bytes are gone, or nobody gave a right to them."""
    here.has_tasks, here.embeds_artifacts = True, False
    here.faults.always = {"get artifact": fault}
    launcher = launcher_of(here)
    launcher.launch("one", plan_of(launcher, tmp_path), held=False)
    run = wait_for(launcher, "one", lambda found: found.state.is_final)
    assert run.state is RunState.SUCCEEDED
    assert [(one.artifact_id, one.address) for one in run.artifacts] == [("1", "")]
    for launch in ("two", "three", "four", "five"):
        launcher.launch(launch, plan_of(launcher, tmp_path), held=False)
        wait_for(launcher, launch, lambda found: found.state.is_final)
    tries = FAST.attempts if fault is Fault.BROKEN else 1
    assert here.faults.seen.count("get artifact") == 3 * tries


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.UNAVAILABLE, Fault.LOG_IN])
def test_a_run_whose_artifacts_cannot_be_asked_for_is_not_told_without_them(
    here: Installation, tmp_path: Path, fault: Fault
) -> None:
    here.has_tasks, here.embeds_artifacts = True, False
    launcher = launcher_of(here)
    launcher.launch("one", plan_of(launcher, tmp_path), held=False)
    for _ in range(4):
        engine.step(here)
    here.faults.always = {"get artifact": fault}
    with pytest.raises(ConnectorError):
        launcher.find("one")
    here.faults.always = {}
    run = launcher.find("one")
    assert run is not None
    assert [one.address for one in run.artifacts if one.address]


@pytest.mark.parametrize("is_archived_first", [False, True])
def test_a_launch_whose_run_was_deleted_there_is_not_sent_again(
    here: Installation, tmp_path: Path, is_archived_first: bool
) -> None:
    """By a person, or by what newer releases keep no longer."""
    launcher = launcher_of(here)
    plan = plan_of(launcher, tmp_path)
    if is_archived_first:
        here.faults.always = {"archive experiment": Fault.UNAVAILABLE}
    launcher.launch("one", plan, held=False)
    wait_for(launcher, "one", lambda found: found.state.is_final)
    here.faults.always = {}
    if is_archived_first:
        launcher.archive("one")
    here.runs.clear()
    here.forward(3600)
    found = launcher.find("one")
    assert found is not None
    assert (found.state, found.reason) == (
        RunState.UNKNOWN,
        "it was started, and its run is gone there",
    )
    with pytest.raises(ConnectorRefused, match="its run is gone"):
        launcher.launch("one", plan, held=False)
    with pytest.raises(ConnectorRefused, match="its run is gone"):
        launcher.cancel("one", grace_seconds=0.0)
    assert here.runs == {}


def test_a_run_that_it_cannot_show_may_be_the_one_and_nothing_is_sent_again(
    here: Installation, tmp_path: Path
) -> None:
    launcher = launcher_of(here)
    plan = plan_of(launcher, tmp_path)
    launcher.launch("one", plan, held=False)
    launcher.launch("two", plan, held=False)
    here.cannot_show = frozenset({"one"})
    here.forward(3600)
    with pytest.raises(ConnectorUnavailable, match="cannot show its run"):
        launcher.find("one")
    with pytest.raises(ConnectorUnavailable, match="cannot show its run"):
        launcher.launch("one", plan, held=False)
    with pytest.raises(ConnectorUnavailable, match="cannot show its run"):
        launcher.cancel("one", grace_seconds=0.0)
    assert len(here.runs) == 2
    assert [found.launch for found in launcher.runs()] == ["two"]
