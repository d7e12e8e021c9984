"""The test server of Kubeflow Pipelines, as Kubeflow's own SDK sees it.

COUNTERSIGN_TEST_KFP_SDK is a Python that has it: `pip install kfp`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.kubeflow.fingerprints import fingerprint
from connectors.kubeflow.packages import read_package
from connectors.pipelines.protocols import LaunchRequest, RunState
from tests.contract.kfp_launching import write_package
from tests.contract.kfp_places import KfpPlace, kfp_place
from tests.pipelines import wait_for

TESTS = Path(__file__).parents[1]
AS_SERVED = TESTS / "peers/kfp/as_served.sh"
COMPILED = TESTS / "unit/connectors/pipelines/kfp_compiled"
VARIABLE = "COUNTERSIGN_TEST_KFP_SDK"
SCRIPT = """
import json, sys
import kfp_server_api
from kfp.client import Client

address, package = sys.argv[1:]
client = Client(host=address)
asked = {"predicates": [
    {"operation": 1, "key": "display_name", "stringValue": "one"},
]}
[run] = client.list_runs(sort_by="created_at desc", filter=json.dumps(asked)).runs
whole = client.get_run(run.run_id)
of = whole.pipeline_version_reference
version = client.get_pipeline_version(of.pipeline_id, of.pipeline_version_id)
experiment = client.get_experiment(experiment_id=run.experiment_id)
taken = []
try:
    client.upload_pipeline_version(package, version.name, pipeline_id=of.pipeline_id)
except kfp_server_api.ApiException as refused:
    taken.append(refused.status)
again = client.create_experiment(experiment.display_name)
second = client.run_pipeline(
    experiment.experiment_id,
    "one",
    pipeline_id=of.pipeline_id,
    version_id=of.pipeline_version_id,
    params={"mark": "there"},
)
client.terminate_run(second.run_id)
try:
    client.terminate_run(second.run_id)
except kfp_server_api.ApiException as refused:
    taken.append(refused.status)
ended = client.wait_for_run_completion(second.run_id, timeout=60, sleep_duration=0.1)
client.archive_run(second.run_id)
body = kfp_server_api.V2beta1Run(
    display_name="one", description=run.description,
    experiment_id=experiment.experiment_id,
    pipeline_version_reference=of, runtime_config=whole.runtime_config,
)
client._run_api.run_service_create_run(run=body)
print(json.dumps({
    "state": whole.state,
    "description": whole.description,
    "parameters": whole.runtime_config.parameters,
    "history": [one.state for one in whole.state_history],
    "tasks": [
        one.display_name
        for one in (whole.run_details and whole.run_details.task_details) or []
    ],
    "images": version.pipeline_spec["deploymentSpec"]["executors"],
    "is_same_experiment": again.experiment_id == experiment.experiment_id,
    "refused": taken,
    "ended": ended.state,
    "archived": client.get_run(second.run_id).storage_state,
}))
"""


@pytest.fixture
def python() -> str:
    found = os.environ.get(VARIABLE, "")
    if not found:
        pytest.skip(f"the SDK of Kubeflow Pipelines is optional: set {VARIABLE}")
    return found


@pytest.fixture(params=["in-repo", "in-repo-newest"])
def place(request: pytest.FixtureRequest) -> Iterator[KfpPlace]:
    with kfp_place(request.param) as found:
        yield found


@pytest.mark.peer
def test_what_is_launched_is_seen_and_added_to_by_the_sdk(
    place: KfpPlace, tmp_path: Path, python: str
) -> None:
    launcher = place.launcher()
    package = write_package(tmp_path, "quick")
    plan = launcher.plan(LaunchRequest(str(package), parameters={"mark": "here"}))
    launcher.launch("one", plan, held=False)
    run = wait_for(launcher, "one", lambda found: found.state.is_final)
    assert run.state is RunState.SUCCEEDED

    seen = told_by(python, place.endpoint.address, package)
    assert seen["description"] == f"countersign launch one plan {plan.digest}"
    assert (seen["state"], seen["parameters"]) == ("SUCCEEDED", {"mark": "here"})
    assert seen["history"] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert place.own is not None
    assert ("quick" in seen["tasks"]) is not place.own.has_tasks
    assert place.image in json.dumps(seen["images"])
    assert seen["is_same_experiment"]
    assert seen["refused"] == [409, 400]
    assert (seen["ended"], seen["archived"]) == ("FAILED", "ARCHIVED")

    found = launcher.find("one")
    assert found is not None
    assert found.state is RunState.UNKNOWN
    assert found.reason == "2 runs have its marks"


@pytest.mark.peer
def test_what_the_libraries_of_a_server_make_of_a_package_is_what_was_planned(
    tmp_path: Path, python: str
) -> None:
    if shutil.which("go") is None:
        pytest.skip("what plays the API server is built with Go, which is optional")
    packages = (write_package(tmp_path, "quick", "talks"), COMPILED / "many.yaml")
    for package in packages:
        with package.open("rb") as file:
            done = subprocess.run(
                [AS_SERVED, python],
                stdin=file,
                capture_output=True,
                timeout=300,
                check=False,
            )
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        served = json.loads(done.stdout)
        found = fingerprint(served["pipeline_spec"], served.get("platform_spec"))
        assert found == read_package(package.read_bytes(), "package").fingerprint
    assert served == json.loads((COMPILED / "many_as_served.json").read_text())


def told_by(python: str, address: str, package: Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-W", "ignore", "-c", SCRIPT, address, str(package)],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return found
