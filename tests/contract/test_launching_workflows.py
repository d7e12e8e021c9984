"""Workflows of Argo say everything that runs themselves, or are not launched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.kubernetes.client import Json
from connectors.kubernetes.manifests import WITHDRAWN_ANNOTATION
from connectors.pipelines.protocols import Limits, RunState
from tests.contract.kubernetes_bench import Bench, bench
from tests.contract.kubernetes_flavours import of_argo, workflow
from tests.contract.kubernetes_launching import IMAGE

WORKFLOWS = ("argoproj.io", "workflows")
OTHER = IMAGE.replace("ab", "cd")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path, of_argo()) as made:
        yield made


def path(there: Bench) -> str:
    return there.path("argoproj.io", "v1alpha1", "workflows")


def of_step(there: Bench, step: str) -> Any:
    """The pod of a step."""
    found = there.object(*WORKFLOWS)["status"]["nodes"].values()
    (key,) = [one["id"] for one in found if one["displayName"] == step]
    pods = there.place.own.store.all(("", "pods"))
    said = "workflows.argoproj.io/node-id"
    return next(pod for pod in pods if pod["metadata"]["annotations"][said] == key)


def test_a_plan_says_every_container_of_every_template_and_its_image(
    there: Bench,
) -> None:
    manifest = workflow("quick", "fails")
    script = {"image": OTHER, "command": ["python"], "source": "print(1)"}
    second = {"name": "b", "image": OTHER}
    several = {"containers": [{"name": "a", "image": IMAGE}, second]}
    manifest["spec"]["templates"] += [
        {"name": "scripted", "script": script},
        {"name": "several", "containerSet": several},
        {
            "name": "helped",
            "container": {"image": IMAGE, "args": ["x"]},
            "initContainers": [{"name": "first", "image": IMAGE}],
            "sidecars": [{"name": "beside", "image": OTHER}],
        },
        {
            "name": "inlined",
            "dag": {
                "tasks": [{"name": "in", "inline": {"container": {"image": OTHER}}}]
            },
        },
    ]
    plan = there.plan(
        manifest,
        parameters={"mark": "/dev/zero"},
        settings={"SERVER": "http://one"},
        limits=Limits(wall_seconds=60),
    )
    assert [step.name for step in plan.steps] == [
        "quick",
        "fails",
        "scripted",
        "several/a",
        "several/b",
        "helped/first",
        "helped/main",
        "helped/beside",
        "inlined.in",
    ]
    assert plan.images == (IMAGE, OTHER)
    assert plan.parameters == (("mark", "/dev/zero"),)
    assert plan.steps[2].command == ("python", "print(1)")
    there.launcher.launch("one", plan, held=True)
    spec = there.object(*WORKFLOWS)["spec"]
    assert spec["activeDeadlineSeconds"] == 60
    assert spec["arguments"]["parameters"] == [{"name": "mark", "value": "/dev/zero"}]
    setting = {"name": "SERVER", "value": "http://one"}
    assert setting in spec["templates"][1]["container"]["env"]
    assert setting in spec["templates"][3]["script"]["env"]


def test_tasks_of_a_graph_are_its_steps(there: Bench) -> None:
    manifest = workflow("quick", "fails")
    manifest["spec"]["templates"][0] = {
        "name": "whole",
        "dag": {
            "tasks": [
                {"name": "first", "template": "quick"},
                {"name": "then", "template": "fails", "dependencies": ["first"]},
                {"name": "last", "template": "quick", "dependencies": ["then"]},
            ]
        },
    }
    there.launch(manifest)
    there.controller.step()
    there.controller.cannot_pull(of_step(there, "first"))
    assert "ImagePullBackOff on step first" in there.run().reason
    there.controller.finish(of_step(there, "first"))
    for _ in range(2):
        there.controller.step()
    there.controller.finish(of_step(there, "then"), 3)
    there.controller.step()
    run = there.run()
    assert run.state is RunState.FAILED
    assert [(step.name, step.state, step.exit_status) for step in run.steps] == [
        ("first", RunState.SUCCEEDED, 0),
        ("then", RunState.FAILED, 3),
        ("last", RunState.PENDING, None),
    ]
    assert "Error on step then" in run.reason


def test_a_workflow_of_one_pod_is_one_step(there: Bench) -> None:
    manifest = workflow("quick")
    manifest["spec"]["entrypoint"] = "quick"
    there.launch(manifest)
    there.controller.step()
    (pod,) = there.place.own.store.all(("", "pods"))
    there.controller.cannot_pull(pod)
    assert "ImagePullBackOff on step quick" in there.run().reason
    there.controller.finish(pod)
    there.controller.step()
    run = there.run()
    assert run.state is RunState.SUCCEEDED
    assert [(step.name, step.exit_status) for step in run.steps] == [("quick", 0)]


def test_cancelled_means_terminated_and_no_pod(there: Bench) -> None:
    there.launch(workflow("waits", "quick"))
    there.controller.step()
    there.controller.run(of_step(there, "waits"))
    there.controller.step()
    run = there.launcher.cancel("one", grace_seconds=5)
    assert run.state is RunState.CANCELLED
    assert [step.state for step in run.steps] == [RunState.CANCELLED, RunState.PENDING]
    assert there.unended() == []
    found = there.object(*WORKFLOWS)
    assert (found["spec"]["shutdown"], found["spec"]["suspend"]) == ("Terminate", False)
    assert there.launch(workflow("waits", "quick")) == run
    there.controller.step()
    assert there.unended() == []


def test_what_is_cancelled_while_held_ends_when_somebody_resumes_it(
    there: Bench,
) -> None:
    there.launch(workflow("quick"), held=True)
    there.controller.step()
    run = there.launcher.cancel("one", grace_seconds=1)
    assert run.state is RunState.CANCELLED
    found = there.object(*WORKFLOWS)
    assert (found["spec"]["shutdown"], found["spec"]["suspend"]) == ("Terminate", True)
    there.patch(path(there), {"spec": {"suspend": False}})
    there.controller.step()
    assert there.unended() == []
    assert there.run() == run


def test_what_somebody_suspends_while_it_runs_is_ended_all_the_same(
    there: Bench,
) -> None:
    """Its controller would not end what is suspended."""
    there.launch(workflow("waits"))
    there.controller.step()
    there.controller.run(of_step(there, "waits"))
    there.patch(path(there), {"spec": {"suspend": True}})
    there.controller.step()
    assert there.run().state is RunState.RUNNING
    assert there.launcher.cancel("one", grace_seconds=5).state is RunState.CANCELLED
    assert there.unended() == []


def test_how_it_stood_is_noted_once(there: Bench) -> None:
    there.launch(workflow("waits"))
    there.controller.step()
    there.controller.run(of_step(there, "waits"))
    there.controller.step()
    note = '{"at": "2026-11-26T10:00:00+00:00", "started": null, "steps": []}'
    marks = {"annotations": {WITHDRAWN_ANNOTATION: note}}
    there.patch(path(there), {"metadata": marks})
    there.launcher.cancel("one", grace_seconds=5)
    made = there.object(*WORKFLOWS)["metadata"]["annotations"]
    assert made[WITHDRAWN_ANNOTATION] == note


def test_what_was_changed_while_it_was_held_is_not_released(there: Bench) -> None:
    there.launch(workflow("quick"), held=True)
    templates = copy.deepcopy(there.object(*WORKFLOWS)["spec"]["templates"])
    templates[1]["container"]["command"] = ["evil"]
    there.patch(path(there), {"spec": {"templates": templates}})
    with pytest.raises(ConnectorRefused, match=r"container\.command differs"):
        there.launcher.release("one")
    assert there.object(*WORKFLOWS)["spec"]["suspend"] is True


def late(there: Bench) -> None:
    """As if its controller had seen it first two minutes ago."""
    there.controller.step()
    found = there.object(*WORKFLOWS)
    began = datetime.now(UTC) - timedelta(minutes=2)
    found["status"]["startedAt"] = began.strftime("%Y-%m-%dT%H:%M:%SZ")
    there.place.own.store.put(WORKFLOWS, found)


@pytest.mark.parametrize(("seconds", "is_spent"), [(60, True), (600, False)])
def test_what_was_held_beyond_its_deadline_is_not_released_to_fail_at_once(
    there: Bench, seconds: int, is_spent: bool
) -> None:
    plan = there.plan(workflow("quick"), limits=Limits(wall_seconds=seconds))
    there.launcher.launch("one", plan, held=True)
    late(there)
    if is_spent:
        with pytest.raises(ConnectorRefused, match="deadline of 60 s has passed"):
            there.launcher.release("one")
        assert there.object(*WORKFLOWS)["spec"]["suspend"] is True
        # Who resumes it all the same gets what was said.
        there.patch(path(there), {"spec": {"suspend": False}})
        there.controller.step()
        assert there.run().state is RunState.FAILED
        assert "exceeded its deadline" in there.run().reason
    else:
        assert there.launcher.release("one").state is RunState.RUNNING
    assert len(there.unended()) == 0


def test_a_workflow_that_was_written_back_is_the_same_and_a_change_of_it_is_not(
    there: Bench,
) -> None:
    manifest = workflow("quick")
    container = manifest["spec"]["templates"][1]["container"]
    container["resources"] = {"limits": {"cpu": "1000m", "memory": "0.5Gi"}}
    manifest["spec"]["arguments"]["parameters"][0]["value"] = 5
    there.launch(manifest, held=True)
    there.controller.step()
    found = there.object(*WORKFLOWS)["spec"]
    written = found["templates"][1]
    assert (written["inputs"], written["container"]["resources"]) == (
        {},
        {"limits": {"cpu": "1", "memory": "512Mi"}},
    )
    assert there.launch(manifest, held=True).state is RunState.SUSPENDED
    changed = copy.deepcopy(found["templates"])
    changed[1]["container"]["resources"]["limits"]["cpu"] = "2"
    there.patch(path(there), {"spec": {"templates": changed}})
    with pytest.raises(ConnectorRefused, match=r"limits\.cpu differs"):
        there.launcher.release("one")
    there.patch(path(there), {"spec": {"templates": found["templates"]}})
    assert there.launcher.release("one").state is not RunState.SUSPENDED


def test_templates_that_its_controller_took_from_elsewhere_are_unknown(
    there: Bench,
) -> None:
    there.launch(workflow("quick"))
    there.controller.step()
    found = there.object(*WORKFLOWS)
    other = {"name": "quick", "container": {"image": OTHER}}
    found["status"]["storedTemplates"] = {"namespaced/other/quick": other}
    there.place.own.store.put(WORKFLOWS, found)
    run = there.run()
    assert run.state is RunState.UNKNOWN
    assert OTHER in run.reason


def test_steps_that_are_not_in_the_status_are_said_to_be_elsewhere(
    there: Bench,
) -> None:
    there.launch(workflow("quick"))
    there.controller.step()
    found = there.object(*WORKFLOWS)
    found["status"] |= {"nodes": {}, "offloadNodeStatusVersion": "fnv:1"}
    found["status"] |= {"phase": "Succeeded", "finishedAt": "2026-11-26T23:00:00Z"}
    there.place.own.store.put(WORKFLOWS, found)
    run = there.run()
    assert run.state is RunState.SUCCEEDED
    assert "offloaded" in run.reason
    assert run.started is not None


def test_what_runs_while_its_steps_are_elsewhere_is_ended_too(there: Bench) -> None:
    there.launch(workflow("waits"))
    there.controller.step()
    there.controller.run(of_step(there, "waits"))
    found = there.object(*WORKFLOWS)
    found["status"] |= {"nodes": {}, "offloadNodeStatusVersion": "fnv:1"}
    found["spec"]["suspend"] = True
    there.place.own.store.put(WORKFLOWS, found)
    assert there.run().state is RunState.RUNNING
    assert there.launcher.cancel("one", grace_seconds=5).state is RunState.CANCELLED
    assert there.unended() == []


def test_a_cluster_without_argo_says_so(tmp_path: Path) -> None:
    with (
        bench(tmp_path, []) as there,
        pytest.raises(ConnectorRefused, match="this cluster has no Workflow"),
    ):
        there.plan(workflow("quick"))


def _quick(spec: Any) -> Any:
    return spec["templates"][1]


def _step(spec: Any) -> Any:
    return spec["templates"][0]["steps"][0][0]


HOSTILE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a tag": (lambda s: _quick(s)["container"].update(image="x:1"), "digest"),
    "no image": (lambda s: _quick(s)["container"].pop("image"), "digest"),
    "an image by a parameter": (
        lambda s: _quick(s)["container"].update(image="{{inputs.parameters.image}}"),
        "not launched",
    ),
    "a name by a parameter": (
        lambda s: _quick(s)["container"].update(image="{{x}}@" + IMAGE.split("@")[1]),
        "not launched",
    ),
    "a sidecar by tag": (
        lambda s: _quick(s).update(sidecars=[{"name": "x", "image": "x:1"}]),
        "digest",
    ),
    "an init container by tag": (
        lambda s: _quick(s).update(initContainers=[{"name": "x", "image": "x:1"}]),
        "digest",
    ),
    "a volume by tag": (
        lambda s: s.update(volumes=[{"name": "v", "image": {"reference": "x:1"}}]),
        "digest",
    ),
    "an inline template by tag": (
        lambda s: _step(s).update(inline={"container": {"image": "x:1"}}),
        "digest",
    ),
    "another object's template": (
        lambda s: _step(s).update(templateRef={"name": "x", "template": "y"}),
        "templateRef",
    ),
    "a hook's template": (
        lambda s: s.update(hooks={"running": {"templateRef": {"name": "x"}}}),
        "templateRef",
    ),
    "another object's whole": (
        lambda s: s.update(workflowTemplateRef={"name": "x"}),
        "workflowTemplateRef",
    ),
    "a patch": (lambda s: s.update(podSpecPatch="{}"), "podSpecPatch"),
    "a patch of a template": (
        lambda s: _quick(s).update(podSpecPatch="{}"),
        "podSpecPatch",
    ),
    "a patch of its artifacts": (
        lambda s: s.update(artifactGC={"podSpecPatch": "{}"}),
        "podSpecPatch",
    ),
    "http": (lambda s: s["templates"].append({"name": "h", "http": {}}), "http"),
    "plugin": (lambda s: s["templates"].append({"name": "h", "plugin": {}}), "plugin"),
    "resource": (
        lambda s: s["templates"].append({"name": "h", "resource": {}}),
        "resource",
    ),
    "defaults": (lambda s: s.update(templateDefaults={}), "templateDefaults"),
    "metadata of its own": (lambda s: s.update(workflowMetadata={}), "workflowMeta"),
    "an end": (lambda s: s.update(shutdown="Stop"), "shutdown"),
    "a field to come": (lambda s: s.update(invented=1), "invented"),
    "forgotten": (
        lambda s: s.update(ttlStrategy={"secondsAfterCompletion": 1}),
        "forg",
    ),
    "no template to begin with": (lambda s: s.update(entrypoint="x"), "no template"),
    "templates that are none": (lambda s: s.update(templates=["x"]), "expected form"),
    "no pods at all": (
        lambda s: s.update(templates=[{"name": "whole", "suspend": {}}]),
        "does not describe",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_does_not_bind_what_runs_is_refused(
    there: Bench, name: str
) -> None:
    alter, why = HOSTILE[name]
    manifest = copy.deepcopy(workflow("quick"))
    alter(manifest["spec"])
    with pytest.raises(ConnectorError, match=why):
        there.launch(manifest)
    assert there.place.own.store.all(WORKFLOWS) == []


@pytest.mark.parametrize(
    ("parameter", "why"),
    [({"name": "other"}, "declares no parameter"), ({"valueFrom": {}}, "valueFrom")],
)
def test_a_parameter_that_is_not_its_own_is_refused(
    there: Bench, parameter: Json, why: str
) -> None:
    manifest = workflow("quick")
    had = {"name": "mark"} | parameter
    manifest["spec"]["arguments"]["parameters"] = [had]
    with pytest.raises(ConnectorError, match=why):
        there.plan(manifest, parameters={"mark": "1"})
