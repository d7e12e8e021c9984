"""TrainJobs run what their runtime says: planned, looked at again, and compared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.kubernetes.client import Json
from connectors.kubernetes.manifests import name_of_launch
from connectors.pipelines.protocols import RunState
from tests.contract.kubernetes_bench import Bench, bench
from tests.contract.kubernetes_flavours import (
    RUNTIMES,
    of_trainer,
    runtime,
    trained,
)
from tests.contract.kubernetes_launching import IMAGE
from tests.contract.kubernetes_places import MERGE
from tests.contract.kubernetes_server.objects import Object

OTHER = IMAGE.replace("ab", "cd")
TRAIN_JOBS = ("trainer.kubeflow.org", "trainjobs")
JOB_SETS = ("jobset.x-k8s.io", "v1alpha2", "jobsets")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path, of_trainer()) as made:
        put(made, runtime("quick"))
        yield made


def put(there: Bench, found: Json) -> None:
    answer = there.place.ask("POST", RUNTIMES, found)
    assert answer.status == 201, answer.body


def change(there: Bench, image: str) -> None:
    """The runtime, as somebody else would change it."""
    spec = runtime("quick", image=image)["spec"]
    there.patch(f"{RUNTIMES}/contract-quick", {"spec": spec})


def is_held(there: Bench) -> bool:
    return bool(there.object(*TRAIN_JOBS)["spec"]["suspend"])


def test_a_plan_says_which_runtime_it_leads_to_and_to_which_images(
    there: Bench,
) -> None:
    plan = there.plan(trained("quick"), parameters={"mark": "/dev/zero"})
    made = there.place.ask("GET", f"{RUNTIMES}/contract-quick")["metadata"]
    (found,) = plan.resolved
    assert (found.kind, found.name) == ("ClusterTrainingRuntime", "contract-quick")
    assert (found.uid, found.generation) == (made["uid"], made["generation"])
    assert len(found.sha256) == 64
    assert plan.images == (IMAGE,)
    (step,) = plan.steps
    assert (step.name, step.parameters) == ("quick", (("mark", "/dev/zero"),))
    assert step.command[:2] == ("sh", "-c")


def test_an_image_of_the_manifest_stands_for_that_of_the_runtime(
    there: Bench,
) -> None:
    change(there, "train:latest")
    with pytest.raises(ConnectorRefused, match="train:latest"):
        there.plan(trained("quick"))
    manifest = trained("quick")
    manifest["spec"]["trainer"]["image"] = OTHER
    assert there.plan(manifest).images == (OTHER,)
    there.launch(manifest)
    there.controller.step()
    (pod,) = there.pods().values()
    assert pod["spec"]["containers"][0]["image"] == OTHER
    assert there.run().state is RunState.PENDING


def test_a_runtime_that_changed_since_it_was_planned_is_not_launched(
    there: Bench,
) -> None:
    plan = there.plan(trained("quick"))
    change(there, OTHER)
    with pytest.raises(ConnectorRefused, match="no longer what was planned"):
        there.launcher.launch("one", plan, held=True)
    assert there.place.own.store.all(TRAIN_JOBS) == []


def test_a_runtime_that_changed_while_it_was_held_is_not_released(
    there: Bench,
) -> None:
    there.launch(trained("quick"), held=True)
    there.controller.step()
    change(there, OTHER)
    there.controller.step()
    run = there.run()
    assert run.state is RunState.SUSPENDED
    assert "no longer what was planned" in run.reason
    with pytest.raises(ConnectorRefused, match="no longer what was planned"):
        there.launcher.release("one")
    assert is_held(there)
    assert there.launcher.cancel("one", grace_seconds=1).state is RunState.CANCELLED


def test_another_runtime_of_the_same_name_and_words_is_not_the_one_planned(
    there: Bench,
) -> None:
    there.launch(trained("quick"), held=True)
    there.place.ask("DELETE", f"{RUNTIMES}/contract-quick")
    with pytest.raises(ConnectorRefused, match="this cluster has no"):
        there.launcher.release("one")
    put(there, runtime("quick"))
    with pytest.raises(ConnectorRefused, match="no longer what was planned"):
        there.launcher.release("one")
    assert is_held(there)


def test_a_runtime_that_changes_after_the_last_look_is_found_out_and_ended(
    there: Bench,
) -> None:
    """The operator reads it once more when it takes up that the job was let go."""
    there.meanwhile.append(lambda: change(there, OTHER))
    run = there.launch(trained("quick"))
    assert run.state is RunState.UNKNOWN
    assert OTHER in run.reason
    assert is_held(there)
    assert there.pods() == {}
    change(there, IMAGE)
    there.controller.step()
    again = there.run()
    assert (again.state, again.reason) == (RunState.UNKNOWN, run.reason)
    assert there.launcher.release("one").state is RunState.UNKNOWN
    assert is_held(there)


def test_a_command_that_changes_after_the_last_look_is_found_out_and_ended(
    there: Bench,
) -> None:
    """Also when it is changed back before anybody looks again: the images are those
    that were planned all the time."""
    found = runtime("quick")["spec"]
    other = copy.deepcopy(found)
    (job,) = other["template"]["spec"]["replicatedJobs"]
    job["template"]["spec"]["template"]["spec"]["containers"][0]["command"] = ["evil"]

    def change_and_take_up_and_change_back() -> None:
        there.patch(f"{RUNTIMES}/contract-quick", {"spec": other})
        there.controller.step()
        there.patch(f"{RUNTIMES}/contract-quick", {"spec": found})

    there.meanwhile.append(change_and_take_up_and_change_back)
    run = there.launch(trained("quick"))
    assert run.state is RunState.UNKNOWN
    assert "no longer what was planned: generation 3" in run.reason
    assert is_held(there)
    assert there.pods() == {}
    assert there.run().state is RunState.UNKNOWN


def ended(there: Bench, change_job_set: Callable[[Object], object]) -> None:
    """A launch that has succeeded, after somebody changed its JobSet."""
    there.launch(trained("quick"))
    there.controller.step()
    found = there.object("jobset.x-k8s.io", "jobsets")
    change_job_set(found)
    there.place.own.store.put(("jobset.x-k8s.io", "jobsets"), found)
    for pod in there.pods().values():
        there.controller.finish(pod)
    there.controller.step()
    there.controller.step()


def test_what_came_of_it_is_compared_for_as_long_as_it_is_there(there: Bench) -> None:
    ended(there, lambda found: None)
    assert there.run().state is RunState.SUCCEEDED
    there.place.ask("DELETE", there.path(*JOB_SETS))
    run = there.run()
    assert run.state is RunState.UNKNOWN
    assert "JobSet is gone" in run.reason


def test_a_job_set_with_another_image_is_not_taken_for_the_plan(there: Bench) -> None:
    def other_image(found: Object) -> None:
        (job,) = found["spec"]["replicatedJobs"]
        job["template"]["spec"]["template"]["spec"]["containers"][0]["image"] = OTHER

    ended(there, other_image)
    assert there.run().state is RunState.UNKNOWN


def test_a_job_set_of_somebody_else_is_not_taken_for_its_own(there: Bench) -> None:
    def other_owner(found: Object) -> None:
        found["metadata"]["ownerReferences"][0]["uid"] = "another"

    there.launch(trained("quick"))
    there.controller.step()
    found = there.object("jobset.x-k8s.io", "jobsets")
    other_owner(found)
    there.place.own.store.put(("jobset.x-k8s.io", "jobsets"), found)
    run = there.run()
    assert (run.state, run.reason) == (
        RunState.UNKNOWN,
        "the JobSet under its name is not of it",
    )


@pytest.mark.parametrize(
    ("container", "state"), [("node", RunState.UNKNOWN), ("mesh", RunState.PENDING)]
)
def test_a_pod_runs_what_was_planned_beside_what_the_cluster_adds_to_every_pod(
    there: Bench, container: str, state: RunState
) -> None:
    there.launch(trained("quick"))
    there.controller.step()
    (pod,) = there.pods().values()
    containers = pod["spec"]["containers"]
    if container == "node":
        containers[0]["image"] = OTHER
    else:
        containers.append({"name": container, "image": "mesh:1"})
    there.place.own.store.put(("", "pods"), pod)
    assert there.run().state is state


def test_nodes_are_the_replicas_of_a_step_and_the_trainer_says_how_far_it_is(
    there: Bench,
) -> None:
    manifest = trained("quick")
    manifest["spec"]["trainer"]["numNodes"] = 2
    there.launch(manifest)
    there.controller.step()
    pods = there.pods()
    assert sorted(pods) == ["quick-0-0", "quick-0-1"]
    there.controller.run(pods["quick-0-0"])
    there.controller.step()
    there.controller.step()
    told = {"progressPercentage": 40, "estimatedRemainingSeconds": 120}
    told["lastUpdatedTime"] = "2026-11-26T10:00:00Z"  # type: ignore[assignment]  # as sent
    path = there.path("trainer.kubeflow.org", "v1alpha1", "trainjobs")
    body = {"status": {"trainerStatus": told}}
    assert there.place.ask("PATCH", f"{path}/status", body, MERGE).status == 200
    run = there.run()
    assert run.state is RunState.RUNNING
    assert run.reason == "40 % by its trainer, about 120 s left"
    (step,) = run.steps
    assert [(inner.name, inner.state) for inner in step.steps] == [
        ("quick-0", RunState.RUNNING),
        ("quick-1", RunState.PENDING),
    ]
    there.controller.cannot_pull(pods["quick-0-1"])
    assert "ImagePullBackOff on step quick-1" in there.run().reason


def test_a_runtime_of_the_namespace_leads_as_one_of_the_cluster(there: Bench) -> None:
    found = runtime("quick", image=OTHER)
    found["kind"] = "TrainingRuntime"
    root = "/apis/trainer.kubeflow.org/v1alpha1/namespaces"
    path = f"{root}/{there.place.namespace}/trainingruntimes"
    assert there.place.ask("POST", path, found).status == 201
    manifest = trained("quick")
    manifest["spec"]["runtimeRef"]["kind"] = "TrainingRuntime"
    plan = there.plan(manifest)
    assert plan.images == (OTHER,)
    assert plan.resolved[0].kind == "TrainingRuntime"
    there.launcher.launch("one", plan, held=False)
    there.controller.step()
    assert there.run().state is RunState.PENDING


def test_a_cluster_without_trainer_or_runtime_says_so(tmp_path: Path) -> None:
    lacks = {(): "TrainJob", tuple(range(4)): "ClusterTrainingRuntime contract-quick"}
    for numbers, missing in lacks.items():
        definitions = [of_trainer()[number] for number in numbers]
        with (
            bench(tmp_path, definitions) as there,
            pytest.raises(ConnectorRefused, match=f"this cluster has no {missing}"),
        ):
            there.plan(trained("quick"))


HOSTILE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "another group": (
        lambda s: s["runtimeRef"].update(apiGroup="evil.example"),
        "none that is known",
    ),
    "another kind": (lambda s: s["runtimeRef"].update(kind="Secret"), "none that is"),
    "a name that is a path": (
        lambda s: s["runtimeRef"].update(name="../../../api/v1/secrets"),
        "this cluster has no",
    ),
    "no name": (lambda s: s["runtimeRef"].update(name=""), "none that is known"),
    "no runtime": (lambda s: s.pop("runtimeRef"), "expected form"),
    "an image by tag": (lambda s: s["trainer"].update(image="train:1"), "digest"),
    "a trainer that is none": (lambda s: s.update(trainer=["x"]), "expected form"),
    "a patch with an image": (
        lambda s: s.update(
            podTemplateOverrides=[{"spec": {"containers": [{"image": "evil:1"}]}}]
        ),
        "digest",
    ),
    "a patch with a volume": (
        lambda s: s.update(
            runtimePatches=[
                {"a": [{"volumes": [{"image": {"reference": "evil:1"}}]}]},
            ]
        ),
        "digest",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_does_not_bind_what_runs_is_refused(
    there: Bench, name: str
) -> None:
    alter, why = HOSTILE[name]
    manifest = copy.deepcopy(trained("quick"))
    alter(manifest["spec"])
    with pytest.raises(ConnectorError, match=why):
        there.launch(manifest)
    assert there.place.own.store.all(TRAIN_JOBS) == []


def test_a_parameter_that_the_trainer_does_not_declare_is_refused(
    there: Bench,
) -> None:
    with pytest.raises(ConnectorError, match="no container declares"):
        there.plan(trained("quick"), parameters={"other": "1"})


HOSTILE_RUNTIMES: dict[str, Callable[[Any], Any]] = {
    "no jobs": lambda s: s["template"]["spec"].pop("replicatedJobs"),
    "jobs as text": lambda s: s["template"]["spec"].update(replicatedJobs="x"),
    "a job without a pod": lambda s: s["template"]["spec"]["replicatedJobs"][0].pop(
        "template"
    ),
}


@pytest.mark.parametrize("name", HOSTILE_RUNTIMES)
def test_a_runtime_in_no_known_form_is_malformed(there: Bench, name: str) -> None:
    """An operator of another release may define it otherwise."""
    key = ("trainer.kubeflow.org", "clustertrainingruntimes")
    found = there.place.own.store.get(key, ("", "contract-quick"))
    assert found is not None
    HOSTILE_RUNTIMES[name](found["spec"])
    there.place.own.store.put(key, found)
    with pytest.raises(ConnectorError):
        there.plan(trained("quick"))


def test_the_job_is_named_by_its_launch(there: Bench) -> None:
    there.launch(trained("quick"), held=True)
    assert there.object(*TRAIN_JOBS)["metadata"]["name"] == name_of_launch("one")
