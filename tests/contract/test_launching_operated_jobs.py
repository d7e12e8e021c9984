"""Jobs of the training operator: replicas, what it takes away, and what it lacks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.kubernetes.client import Json
from connectors.pipelines.protocols import Limits, RunState
from tests.contract.kubernetes_bench import Bench, bench
from tests.contract.kubernetes_definitions import definition
from tests.contract.kubernetes_flavours import MPI, PYTORCH, TENSORFLOW, operated
from tests.contract.kubernetes_launching import IMAGE, manifest_of_steps

KINDS = (PYTORCH, TENSORFLOW, MPI)
PATH = ("kubeflow.org", "v1", "pytorchjobs")


def definitions() -> list[Json]:
    return [
        definition("kubeflow.org", "v1", one.kind, f"v1-{one.kind.lower()}s")
        for one in KINDS
    ]


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path, definitions()) as made:
        yield made


def job(*does: str, workers: int = 2) -> Json:
    return operated(PYTORCH, *does, workers=workers)


def test_a_plan_says_every_container_of_every_replica_and_its_image(
    there: Bench,
) -> None:
    plan = there.plan(job("quick", "fails"), parameters={"mark": "/dev/zero"})
    assert [(step.name, step.parameters) for step in plan.steps] == [
        ("master/quick", (("mark", "/dev/zero"),)),
        ("master/pytorch", (("mark", "/dev/zero"),)),
        ("worker", ()),
    ]
    assert plan.images == (IMAGE,)


def test_replicas_are_the_steps_of_a_step(there: Bench) -> None:
    there.launch(job("quick"))
    there.controller.step()
    pods = there.pods()
    assert sorted(pods) == ["master-0", "worker-0", "worker-1"]
    there.controller.run(pods["master-0"])
    there.controller.run(pods["worker-0"])
    there.controller.step()
    run = there.run()
    assert run.state is RunState.RUNNING
    master, worker = run.steps
    assert (master.name, master.state) == ("master", RunState.RUNNING)
    assert (worker.name, worker.state) == ("worker", RunState.RUNNING)
    assert [(inner.name, inner.state) for inner in worker.steps] == [
        ("worker-0", RunState.RUNNING),
        ("worker-1", RunState.PENDING),
    ]
    there.controller.finish(pods["worker-0"])
    there.controller.finish(pods["worker-1"])
    there.controller.finish(pods["master-0"])
    there.controller.step()
    run = there.run()
    assert run.state is RunState.SUCCEEDED
    assert {inner.name for inner in run.steps[1].steps} == {"worker-0", "worker-1"}
    assert {step.state for step in run.steps} == {RunState.SUCCEEDED}


def test_what_keeps_a_replica_from_running_is_told_with_it(there: Bench) -> None:
    there.launch(job("quick"))
    there.controller.step()
    there.controller.cannot_pull(there.pods()["worker-1"])
    assert "ImagePullBackOff on step worker-1" in there.run().reason


def test_what_the_cluster_warns_of_is_told_while_a_job_waits(there: Bench) -> None:
    there.launch(job("quick"))
    there.controller.step()
    assert there.run().reason == ""
    pod = there.pods()["worker-1"]
    there.controller.tell(pod, "FailedMount", 'secret "token" not found')
    assert there.run().reason == (
        'FailedMount on step worker-1: secret "token" not found'
    )


@pytest.mark.parametrize("policy", ["None", "Running", "All"])
def test_steps_are_known_whatever_the_operator_takes_away_at_the_end(
    there: Bench, policy: str
) -> None:
    manifest = job("quick")
    manifest["spec"]["runPolicy"] = {"cleanPodPolicy": policy}
    there.launch(manifest)
    there.controller.step()
    pods = there.pods()
    for pod in pods.values():
        there.controller.run(pod)
    there.controller.finish(pods["master-0"])
    there.controller.step()
    there.controller.step()
    run = there.run()
    assert run.state is RunState.SUCCEEDED
    assert run.steps[0].state is RunState.SUCCEEDED
    if policy == "None":
        assert run.reason == "2 of its pods still run"
        assert run.steps[1].state is RunState.RUNNING
    else:
        assert run.steps[1].state is RunState.SUCCEEDED
        assert run.reason == ""


def test_a_replica_that_has_not_begun_when_its_job_succeeds_is_told(
    there: Bench,
) -> None:
    """Its operator leaves it, and it will still run."""
    there.launch(job("quick"))
    there.controller.step()
    pods = there.pods()
    there.controller.finish(pods["worker-0"])
    there.controller.finish(pods["master-0"])
    there.controller.step()
    run = there.run()
    assert (run.state, run.reason) == (RunState.SUCCEEDED, "1 of its pods still run")
    assert run.steps[1].state is RunState.PENDING


@pytest.mark.parametrize("policy", ["None", "Running", "All"])
def test_cancelled_leaves_no_pod_whatever_is_to_be_kept(
    there: Bench, policy: str
) -> None:
    manifest = job("quick")
    manifest["spec"]["runPolicy"] = {"cleanPodPolicy": policy}
    there.launch(manifest)
    there.controller.step()
    there.controller.run(there.pods()["master-0"])
    there.controller.step()
    assert there.launcher.cancel("one", grace_seconds=5).state is RunState.CANCELLED
    assert there.pods() == {}
    assert there.launcher.release("one").state is RunState.CANCELLED
    assert there.object("kubeflow.org", "pytorchjobs")["spec"]["runPolicy"]["suspend"]


def test_the_time_limit_is_in_the_policy_of_its_run(there: Bench) -> None:
    plan = there.plan(job("quick"), limits=Limits(wall_seconds=60))
    there.launcher.launch("one", plan, held=True)
    found = there.object("kubeflow.org", "pytorchjobs")
    assert found["spec"]["runPolicy"]["activeDeadlineSeconds"] == 60


def test_one_id_starts_no_second_job_of_another_kind(there: Bench) -> None:
    there.launch(job("quick"))
    for other in (operated(TENSORFLOW, "quick"), manifest_of_steps("quick")):
        with pytest.raises(ConnectorRefused, match="another one there: a PyTorchJob"):
            there.launch(other)
    there.controller.step()
    assert sorted(there.pods()) == ["master-0", "worker-0", "worker-1"]


def test_what_was_changed_while_it_was_held_is_not_released(there: Bench) -> None:
    there.launch(job("quick"), held=True)
    changed = copy.deepcopy(there.object("kubeflow.org", "pytorchjobs")["spec"])
    changed["pytorchReplicaSpecs"]["Worker"]["replicas"] = 9
    there.patch(there.path(*PATH), {"spec": changed})
    with pytest.raises(ConnectorRefused, match=r"Worker\.replicas differs"):
        there.launcher.release("one")
    assert there.object("kubeflow.org", "pytorchjobs")["spec"]["runPolicy"]["suspend"]


def test_other_images_under_its_name_are_unknown(there: Bench) -> None:
    there.launch(job("quick"))
    changed = copy.deepcopy(there.object("kubeflow.org", "pytorchjobs")["spec"])
    pod = changed["pytorchReplicaSpecs"]["Master"]["template"]["spec"]
    pod["containers"][0]["image"] = IMAGE.replace("ab", "cd")
    there.patch(there.path(*PATH), {"spec": changed})
    run = there.run()
    assert run.state is RunState.UNKNOWN
    assert "its plan does not name" in run.reason


def test_an_operator_that_cannot_hold_it_is_named_and_gets_nothing(
    tmp_path: Path,
) -> None:
    older = copy.deepcopy(definitions()[0])
    version = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = version["properties"]["spec"]
    if "properties" not in spec:
        spec.pop("x-kubernetes-preserve-unknown-fields")
        spec["properties"] = {
            "pytorchReplicaSpecs": {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
            }
        }
    else:
        del spec["properties"]["runPolicy"]["properties"]["suspend"]
    with bench(tmp_path, [older]) as there:
        with pytest.raises(
            ConnectorRefused, match=r"cannot be held: .*runPolicy\.suspend"
        ):
            there.plan(job("quick"))
        assert there.place.own.store.all(("kubeflow.org", "pytorchjobs")) == []


def test_a_cluster_without_the_operator_says_so(tmp_path: Path) -> None:
    with bench(tmp_path, []) as there:
        with pytest.raises(ConnectorRefused, match="this cluster has no PyTorchJob"):
            there.plan(job("quick"))
        there.launch(manifest_of_steps("quick"))
        assert there.run().state is RunState.PENDING


HOSTILE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a tag": (lambda s: _container(s).update(image="busybox:1"), "digest"),
    "no image": (lambda s: _container(s).pop("image"), "digest"),
    "a worker's tag": (
        lambda s: s["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][
            0
        ].update(image="x"),
        "digest",
    ),
    "forgotten": (
        lambda s: s.update(runPolicy={"ttlSecondsAfterFinished": 1}),
        "forget",
    ),
    "a policy that is none": (lambda s: s.update(runPolicy=[1]), "expected form"),
    "no replicas": (lambda s: s.update(pytorchReplicaSpecs={}), "does not describe"),
    "replicas as a list": (
        lambda s: s.update(pytorchReplicaSpecs=["Master"]),
        "expected form",
    ),
    "a replica that is none": (
        lambda s: s.update(pytorchReplicaSpecs={"Master": "x"}),
        "expected form",
    ),
}


def _container(spec: Any) -> Any:
    return spec["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_does_not_bind_what_runs_is_refused(
    there: Bench, name: str
) -> None:
    change, why = HOSTILE[name]
    manifest = job("quick")
    change(manifest["spec"])
    with pytest.raises(ConnectorError, match=why):
        there.launch(manifest)
    assert there.place.own.store.all(("kubeflow.org", "pytorchjobs")) == []
