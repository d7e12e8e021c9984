"""The pods that a TrainJob leads to, with a runtime in every form."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.runtimes import Runtime, overriding_images, sets_of

LABELS = {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}}


def runtime(*jobs: Any, **spec: Any) -> Runtime:
    whole = {"template": {"spec": {"replicatedJobs": list(jobs)}}} | spec
    return Runtime("ClusterTrainingRuntime", "x", "u", 1, "", whole)


def job(name: str, *containers: str, metadata: Any = LABELS) -> Json:
    made = [{"name": one, "image": f"{one}:own"} for one in containers]
    pod = {"template": {"spec": {"containers": made}}}
    return {"name": name, "template": {"metadata": metadata, "spec": pod}}


def train_job(**trainer: Any) -> Json:
    return {"spec": {"runtimeRef": {"name": "x"}, "trainer": trainer}}


def images(found: Runtime, **trainer: Any) -> dict[str, list[str]]:
    return {
        one.name: [container["image"] for container in one.containers]
        for one in sets_of(train_job(**trainer), found)
    }


def test_the_trainer_replaces_the_containers_that_take_it_and_no_others() -> None:
    found = runtime(job("first", "dataset-initializer"), job("node", "node", "helper"))
    assert images(found, image="mine") == {
        "first": ["dataset-initializer:own"],
        "node": ["mine", "helper:own"],
    }
    assert images(found) == {
        "first": ["dataset-initializer:own"],
        "node": ["node:own", "helper:own"],
    }


def test_a_launcher_takes_it_only_where_it_is_a_node_too() -> None:
    jobs = job("launcher", "launcher"), job("node", "node")
    assert images(runtime(*jobs), image="mine")["launcher"] == ["launcher:own"]
    mpi = {"mpi": {"runLauncherAsNode": True}}
    found = runtime(*jobs, mlPolicy=mpi)
    assert images(found, image="mine")["launcher"] == ["mine"]


@pytest.mark.parametrize("metadata", [None, {}, {"labels": {}}])
def test_a_job_without_labels_is_left_as_it_is(metadata: Any) -> None:
    """As its operator leaves it: it looks for its own label first."""
    found = runtime(job("node", "node", metadata=metadata))
    assert images(found, image="mine") == {"node": ["node:own"]}


def test_the_runtime_itself_stays_as_it_was_read() -> None:
    found = runtime(job("node", "node"))
    images(found, image="mine", command=["x"])
    assert found.spec == runtime(job("node", "node")).spec


@pytest.mark.parametrize("field", ["podSpecOverrides", "podTemplateOverrides"])
def test_images_of_overrides_are_found_wherever_they_are(field: str) -> None:
    manifest = train_job()
    manifest["spec"][field] = [
        {"spec": {"initContainers": [{"name": "a", "image": "one:1"}]}},
        {"spec": {"volumes": [{"name": "v", "image": {"reference": "two:2"}}]}},
        {"spec": {"volumes": [{"name": "w", "rbd": {"image": "a disk"}}]}},
    ]
    assert overriding_images(manifest) == ["one:1", "two:2"]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"template": None},
        {"template": {"spec": {"replicatedJobs": {"a": 1}}}},
        {"template": {"spec": {"replicatedJobs": [{"name": "node"}]}}},
        {"template": {"spec": {"replicatedJobs": [1]}}},
        {"template": {"spec": {"replicatedJobs": []}}, "mlPolicy": "x"},
    ],
)
def test_a_runtime_in_no_known_form_is_malformed(spec: Any) -> None:
    found = Runtime("ClusterTrainingRuntime", "x", "u", 1, "", spec)
    with pytest.raises(MalformedInput):
        sets_of(train_job(), found)
