"""CronJobs: what the API promises of them, and schedules that are kept by them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused
from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Bounds, KubernetesClient
from connectors.kubernetes.manifests import name_of_launch
from connectors.pipelines.kubernetes_schedules import KubernetesSchedules
from connectors.pipelines.protocols import LaunchRequest, PipelineRun, RunState, Times
from tests.contract.kubernetes_launching import KeptPlans, manifest_of_steps
from tests.contract.kubernetes_places import (
    KINDS,
    MERGE,
    KubernetesPlace,
    job,
    kubernetes_place,
)
from tests.contract.kubernetes_server.objects import Object

EVERY_MINUTE = Times("* * * * *", "Europe/Berlin", deadline_seconds=300)
A_MINUTE_AND_MORE = 90.0


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KubernetesPlace]:
    with kubernetes_place(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def keeper(place: KubernetesPlace) -> Iterator[KubernetesSchedules]:
    client = KubernetesClient(
        from_kubeconfig(str(place.kubeconfig)), bounds=Bounds(first_pause_seconds=0.001)
    )

    def turn(seconds: float) -> None:
        if place.cluster is not None:
            place.controller.step()
        else:
            time.sleep(0.2)

    yield KubernetesSchedules(
        client, KeptPlans(), namespace=place.namespace, sleep=turn
    )
    client.close()


def cron_job(name: str, **spec: object) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": "0 3 * * *",
            "suspend": True,
            "jobTemplate": {"spec": job("")["spec"]},
        }
        | spec,
    }


def request(folder: Path, times: Times = EVERY_MINUTE) -> LaunchRequest:
    path = folder / "job.json"
    path.write_text(json.dumps(manifest_of_steps("quick")))
    return LaunchRequest(str(path), pipeline="tried", times=times)


def until_fired(place: KubernetesPlace, keeper: KubernetesSchedules) -> PipelineRun:
    """The first run of a schedule; where the controller keeps real time, waited for."""
    deadline = time.monotonic() + A_MINUTE_AND_MORE
    while True:
        if place.cluster is not None:
            place.cron.tick(datetime.now(UTC) + timedelta(minutes=2))
            place.controller.step()
        found = list(keeper.fired("one"))
        if found:
            return found[0]
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_cron_job_gets_these_defaults(place: KubernetesPlace) -> None:
    made = place.ask("POST", place.cron_jobs, cron_job("one"))
    assert made.status == 201
    spec = made["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", True)
    kept = spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]
    assert kept == (3, 1)
    inner = spec["jobTemplate"]["spec"]
    assert inner["template"]["spec"]["dnsPolicy"] == "ClusterFirst"
    assert "completions" not in inner
    assert "timeZone" not in spec


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"schedule": "0 3 * *"}, "spec.schedule"),
        ({"schedule": ""}, "spec.schedule"),
        ({"schedule": "0 3 * * 7"}, "spec.schedule"),
        ({"schedule": "61 3 * * *"}, "spec.schedule"),
        ({"timeZone": "Mars/Olympus"}, "spec.timeZone"),
        ({"timeZone": "Local"}, "spec.timeZone"),
        ({"concurrencyPolicy": "Never"}, "spec.concurrencyPolicy"),
        ({"startingDeadlineSeconds": -1}, "spec.startingDeadlineSeconds"),
        ({"successfulJobsHistoryLimit": -1}, "spec.successfulJobsHistoryLimit"),
    ],
    ids=str,
)
def test_a_cron_job_that_could_not_run_is_invalid(
    place: KubernetesPlace, change: Object, field: str
) -> None:
    answer = place.ask("POST", place.cron_jobs, cron_job("one", **change))
    assert answer.status == 422
    causes = answer["details"]["causes"]
    assert field in {one["field"] for one in causes}


def test_the_name_of_a_cron_job_leaves_room_for_those_of_its_jobs(
    place: KubernetesPlace,
) -> None:
    assert place.ask("POST", place.cron_jobs, cron_job("n" * 53)).status == 422
    assert place.ask("POST", place.cron_jobs, cron_job("n" * 52)).status == 201
    assert len(name_of_launch("whatever")) < 52


def test_a_schedule_is_planned_without_a_trace(
    place: KubernetesPlace, keeper: KubernetesSchedules, tmp_path: Path
) -> None:
    plan = keeper.plan(request(tmp_path))
    assert plan == keeper.plan(request(tmp_path))
    assert place.ask("GET", place.cron_jobs)["items"] == []
    assert place.ask("GET", place.batch)["items"] == []


def test_a_schedule_is_held_released_and_starts_what_its_plan_says(
    place: KubernetesPlace, keeper: KubernetesSchedules, tmp_path: Path
) -> None:
    plan = keeper.plan(request(tmp_path))
    held = keeper.launch("one", plan, held=True)
    assert (held.state, held.plan_digest) == (RunState.SUSPENDED, plan.digest)
    assert keeper.launch("one", plan, held=True).state is RunState.SUSPENDED
    assert keeper.release("one").state is RunState.RUNNING
    assert keeper.release("one").state is RunState.RUNNING
    run = until_fired(place, keeper)
    assert (run.state, run.reason) in (
        (RunState.PENDING, ""),
        (RunState.RUNNING, ""),
    ), run
    assert (run.schedule, run.plan_digest) == ("one", plan.digest)
    assert run.launch.startswith("one~")
    assert run.launch.endswith("Z")
    standing = keeper.standing("one")
    assert standing.last is not None
    assert standing.next is not None
    cancelled = keeper.cancel("one", grace_seconds=20)
    assert cancelled.state is RunState.CANCELLED
    [ended] = keeper.fired("one")
    assert ended.state is RunState.CANCELLED
    assert place.ask("GET", f"{place.core}/pods")["items"] == []


def test_a_job_made_for_a_schedule_by_somebody_else_is_unknown(
    place: KubernetesPlace, keeper: KubernetesSchedules, tmp_path: Path
) -> None:
    keeper.launch("one", keeper.plan(request(tmp_path)), held=True)
    name = name_of_launch("one")
    owner = place.ask("GET", f"{place.cron_jobs}/{name}").body
    template = owner["spec"]["jobTemplate"]
    forged = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            **template["metadata"],
            "name": f"{name}-29000000",
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "CronJob",
                    "name": name,
                    "uid": owner["metadata"]["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": json.loads(
            json.dumps(template["spec"]).replace("trainer@sha256:ab", "miner@sha256:cd")
        )
        | {"suspend": True},
    }
    assert place.ask("POST", place.batch, forged).status == 201
    [run] = keeper.fired("one")
    assert run.state is RunState.UNKNOWN
    assert "image" in run.reason


def test_a_change_of_a_schedule_is_seen_and_it_is_not_released(
    place: KubernetesPlace, keeper: KubernetesSchedules, tmp_path: Path
) -> None:
    keeper.launch("one", keeper.plan(request(tmp_path)), held=True)
    path = f"{place.cron_jobs}/{name_of_launch('one')}"
    change = {"spec": {"schedule": "30 * * * *"}}
    assert place.ask("PATCH", path, change, MERGE).status == 200
    found = keeper.find("one")
    assert found is not None
    assert found.state is RunState.UNKNOWN
    assert "schedule" in found.reason
    assert keeper.release("one").state is RunState.UNKNOWN
    assert place.ask("GET", path)["spec"]["suspend"] is True


def test_a_schedule_of_another_plan_or_of_somebody_else_is_refused(
    place: KubernetesPlace, keeper: KubernetesSchedules, tmp_path: Path
) -> None:
    keeper.launch("one", keeper.plan(request(tmp_path)), held=True)
    other = keeper.plan(request(tmp_path, Times("0 4 * * *")))
    with pytest.raises(ConnectorRefused, match="is another one there"):
        keeper.launch("one", other, held=True)
    place.ask("POST", place.cron_jobs, cron_job(name_of_launch("two")))
    with pytest.raises(ConnectorRefused, match="was not made by the launch"):
        keeper.find("two")
    assert keeper.find("three") is None
