"""CronWorkflows: what is taken of one that somebody wrote, and in which words each
version of Argo is asked for one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.kinds import CRON_WORKFLOW, served
from connectors.pipelines.kubernetes_cron import times_of
from connectors.pipelines.kubernetes_schedules import KubernetesSchedules
from connectors.pipelines.plan_contradictions import contradiction
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, RunState, Times
from tests.contract.kubernetes_definitions import definition
from tests.contract.kubernetes_flavours import workflow
from tests.contract.kubernetes_launching import KeptPlans
from tests.contract.kubernetes_places import kubernetes_place
from tests.contract.kubernetes_server.argo_cron import ArgoCron
from tests.contract.schedule_cases import NIGHTLY, OTHER_IMAGE, ClusterCase

WRITTEN = Times("0 3 * * *", "Europe/Berlin", "Allow", 0)


@pytest.fixture
def case(tmp_path: Path) -> Iterator[ClusterCase]:
    found = ClusterCase(tmp_path, "cron-workflow")
    yield found
    found.close()


def closed(case: ClusterCase, *fields: str) -> None:
    """A cluster whose definition of CronWorkflows has these fields for their times,
    and no others, as those have that Argo calls full."""
    found = definition("argoproj.io", "v1alpha1", "CronWorkflow")
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    number = {"type": "integer"}
    times: Json = {
        "schedule": {"type": "string"},
        "schedules": {"type": "array", "items": {"type": "string"}},
    }
    properties: Json = {name: times[name] for name in fields} | {
        "concurrencyPolicy": {"type": "string"},
        "failedJobsHistoryLimit": number,
        "startingDeadlineSeconds": number,
        "successfulJobsHistoryLimit": number,
        "suspend": {"type": "boolean"},
        "timezone": {"type": "string"},
        "workflowMetadata": anything,
        "workflowSpec": anything,
    }
    needed = ["workflowSpec", *(fields if len(fields) == 1 else ())]
    spec = {"type": "object", "required": needed, "properties": properties}
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"] = spec
    case.place.own.redefine(found)


def written(case: ClusterCase, tmp_path: Path, **spec: object) -> LaunchRequest:
    """A file with a CronWorkflow that somebody wrote."""
    inner = workflow("quick")["spec"]
    manifest: Json = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "mine", "labels": {"team": "risk"}},
        "spec": {
            "schedule": "0 3 * * *",
            "timezone": "Europe/Berlin",
            "workflowSpec": inner,
        }
        | spec,
    }
    manifest["spec"] = {k: v for k, v in manifest["spec"].items() if v is not None}
    path = tmp_path / "cron.json"
    path.write_text(json.dumps(manifest))
    return LaunchRequest(str(path), parameters={"mark": "x"})


def sent(plan: LaunchPlan) -> Json:
    found = json.loads("\n".join(plan.manifest))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("fields", "used"),
    [
        (("schedule",), "schedule"),
        (("schedule", "schedules"), "schedule"),
        (("schedules",), "schedules"),
    ],
    ids=("until-3.5", "from-3.6", "from-4.0"),
)
def test_times_stand_in_the_field_that_the_cluster_has(
    case: ClusterCase, fields: tuple[str, ...], used: str
) -> None:
    closed(case, *fields)
    keeper = case.keeper
    plan = keeper.plan(case.request())
    spec = sent(plan)["spec"]
    assert {"schedule", "schedules"} & spec.keys() == {used}
    assert times_of(plan) == NIGHTLY
    keeper.launch("one", plan, held=True)
    keeper.release("one")
    case.come()
    assert len(list(keeper.fired("one"))) == 1


def test_what_a_cluster_takes_in_neither_words_is_refused_for_its_own_reason(
    case: ClusterCase,
) -> None:
    closed(case)
    with pytest.raises(ConnectorRefused, match=r"spec\.schedule\b"):
        case.keeper.plan(case.request())


def test_one_that_somebody_wrote_keeps_its_times_and_is_held(
    case: ClusterCase, tmp_path: Path
) -> None:
    asked = written(case, tmp_path, schedule=None, schedules=["0 3 * * *"])
    plan = case.keeper.plan(asked)
    assert times_of(plan) == WRITTEN
    found = sent(plan)
    assert found["spec"]["schedules"] == ["0 3 * * *"]
    assert found["metadata"]["labels"] == {"team": "risk"}
    assert found["spec"]["successfulJobsHistoryLimit"] == 100
    assert plan.pipeline == "mine"
    assert case.keeper.plan(replace(asked, times=WRITTEN)) == plan
    with pytest.raises(ConnectorRefused, match="says its times itself"):
        case.keeper.plan(replace(asked, times=NIGHTLY))
    run = case.keeper.launch("one", plan, held=True)
    assert run.state is RunState.SUSPENDED
    assert case.one["spec"]["suspend"] is True


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"when": "{{= cronworkflow.failed < 3 }}"}, "with when"),
        ({"stopStrategy": {"expression": "cronworkflow.failed >= 3"}}, "stopStrategy"),
        ({"failedSubmissionsBackoffLimit": 3}, "failedSubmissionsBackoffLimit"),
        ({"schedules": ["0 4 * * *"]}, "2 schedules"),
        ({"schedule": None, "schedules": ["0 3 * * *", "0 4 * * *"]}, "2 schedules"),
        ({"schedule": None, "schedules": []}, "0 schedules"),
        ({"timezone": None}, "timezone"),
        ({"timezone": "Mars/Olympus"}, "time zone"),
        ({"startingDeadlineSeconds": 0}, "startingDeadlineSeconds of 0"),
        ({"startingDeadlineSeconds": "600"}, "CronWorkflow"),
        ({"startingDeadlineSeconds": True}, "CronWorkflow"),
        ({"concurrencyPolicy": "Never"}, "none of Forbid"),
        ({"successfulJobsHistoryLimit": 0}, "nothing is left"),
        ({"workflowMetadata": {"finalizers": ["x/y"]}}, "finalizers"),
        (
            {
                "workflowMetadata": {
                    "labels": {"workflows.argoproj.io/cron-workflow": "x"}
                }
            },
            "cron-workflow",
        ),
        ({"workflowMetadata": {"labels": {"countersign.dev/launch": "x"}}}, "mark"),
        (
            {"workflowSpec": {"workflowTemplateRef": {"name": "x"}}},
            "templateRef|not said",
        ),
        ({"workflowSpec": workflow("quick")["spec"] | {"ttlStrategy": {}}}, "forget"),
        ({"workflowSpec": None}, "cron.json"),
        ({"schedule": "CRON_TZ=Asia/Tokyo 0 3 * * *"}, "no times"),
    ],
    ids=str,
)
def test_what_no_plan_can_express_is_refused_by_name(
    case: ClusterCase, tmp_path: Path, change: dict[str, object], why: str
) -> None:
    with pytest.raises(ConnectorError, match=why):
        case.keeper.plan(written(case, tmp_path, **change))
    assert case.kept() == 0


def test_a_plan_that_says_more_than_its_times_or_other_images_contradicts_itself(
    case: ClusterCase,
) -> None:
    plan = case.keeper.plan(case.request())
    assert contradiction(plan) == ""
    changes: list[Json] = [
        *({"when": "false"}, {"stopStrategy": {}}),
        {"schedules": ["1 1 1 1 1"]},
    ]
    for change in changes:
        found = sent(plan)
        found["spec"] |= change
        forged = replace(plan, manifest=tuple(json.dumps(found, indent=1).split("\n")))
        assert "cannot be told" in contradiction(forged)
        with pytest.raises(ConnectorRefused):
            case.keeper.launch("one", forged, held=True)
    text = "\n".join(plan.manifest)
    other = text.replace(plan.images[0], OTHER_IMAGE)
    forged = replace(plan, manifest=tuple(other.split("\n")))
    assert "which it does not name" in contradiction(forged)
    assert case.kept() == 0


def test_what_was_missed_while_no_controller_was_there_starts_late_or_not_at_all(
    case: ClusterCase,
) -> None:
    for deadline, runs in ((0, 2), (600, 1)):
        keeper, name = case.keeper, f"late-{deadline}"
        times = replace(NIGHTLY, deadline_seconds=deadline)
        plan = keeper.plan(case.request(times))
        keeper.launch(name, plan, held=True)
        keeper.release(name)
        case.come()
        case.end()
        assert isinstance(case.cron, ArgoCron)
        case.now = case.now.replace(hour=12) + timedelta(days=1)
        case.cron.sleep(case.now)
        case.cron.tick(case.now)
        assert len(list(keeper.fired(name))) == runs
        keeper.cancel(name, grace_seconds=5)


def test_what_its_controller_does_not_take_is_told(case: ClusterCase) -> None:
    keeper = case.keeper
    keeper.launch("one", keeper.plan(case.request()), held=True)
    keeper.release("one")
    store = case.place.own.store
    found = case.one
    said = {"type": "SpecError", "status": "True", "message": "cron is malformed"}
    found["status"] = {"conditions": [said], "active": None}
    store.put(("argoproj.io", "cronworkflows"), found)
    run = keeper.find("one")
    assert run is not None
    assert "SpecError: cron is malformed" in run.reason


def test_what_its_controllers_write_otherwise_is_no_difference(
    case: ClusterCase, tmp_path: Path
) -> None:
    asked = case.request()
    manifest = json.loads(Path(asked.project).read_text())
    container = manifest["spec"]["templates"][1]["container"]
    container["resources"] = {
        "limits": {"cpu": 2, "memory": "1024Mi"},
        "requests": {"cpu": "0.5"},
    }
    number = {"name": "rounds", "value": 10}
    manifest["spec"]["arguments"]["parameters"] += [
        number,
        {"name": "x", "value": True},
    ]
    Path(asked.project).write_text(json.dumps(manifest))
    keeper = case.keeper
    keeper.launch("one", keeper.plan(asked), held=True)
    keeper.release("one")
    case.come()
    case.end()
    [run] = keeper.fired("one")
    assert (run.state, run.reason) == (RunState.SUCCEEDED, "")
    found = case.one
    inner = found["spec"]["workflowSpec"]["templates"][1]["container"]
    inner["resources"]["limits"]["cpu"] = "2001m"
    assert isinstance(case.cron, ArgoCron)
    case.cron.start(found, "by-hand", None)
    more = [one for one in keeper.fired("one") if one.launch != run.launch]
    assert "limits.cpu" in more[0].reason


def test_a_field_that_means_something_while_it_is_empty_is_compared(
    case: ClusterCase,
) -> None:
    keeper = case.keeper
    keeper.launch("one", keeper.plan(case.request()), held=True)
    keeper.release("one")
    found = case.one
    for template in found["spec"]["workflowSpec"]["templates"]:
        template["retryStrategy"] = {}
    assert isinstance(case.cron, ArgoCron)
    case.cron.start(found, "by-hand", None)
    [run] = keeper.fired("one")
    assert run.state is RunState.UNKNOWN
    assert "retryStrategy" in run.reason


@pytest.mark.peer
def test_a_real_controller_starts_what_is_planned_and_it_is_ended(
    tmp_path: Path,
) -> None:
    """Within a minute and a half, where a cluster with Argo is named."""
    with kubernetes_place("real", tmp_path) as place:
        client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)))
        try:
            served(client, CRON_WORKFLOW)
        except ConnectorRefused:
            pytest.skip("the cluster that is named has no Argo")
        keeper = KubernetesSchedules(
            client, KeptPlans(), keeper=CRON_WORKFLOW, namespace=place.namespace
        )
        path = tmp_path / "workflow.json"
        path.write_text(json.dumps(workflow("quick")))
        times = Times("* * * * *", "Europe/Berlin", deadline_seconds=300)
        asked = LaunchRequest(str(path), parameters={"mark": "x"}, times=times)
        keeper.launch("one", keeper.plan(asked), held=True)
        assert keeper.release("one").state is RunState.RUNNING
        until = time.monotonic() + 90
        while not (found := list(keeper.fired("one"))):
            assert time.monotonic() < until
            time.sleep(0.5)
        assert found[0].state in (RunState.PENDING, RunState.RUNNING), found
        assert found[0].launch.endswith("Z")
        assert keeper.standing("one").last is not None
        assert keeper.cancel("one", grace_seconds=20).state is RunState.CANCELLED
        assert [one.state for one in keeper.fired("one")] == [RunState.CANCELLED]
        client.close()
