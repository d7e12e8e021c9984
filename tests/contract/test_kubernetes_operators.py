"""Jobs of the training operators, held to the definitions that they publish."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConnectorRefused
from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.kinds import KINDS as WORK_KINDS
from connectors.kubernetes.kinds import TRAIN_JOB, WorkKind, kind_of
from connectors.kubernetes.manifests import held, name_of_launch
from connectors.kubernetes.train_jobs import Training, train_job
from connectors.kubernetes.work import ClusterWork
from connectors.pipelines.protocols import RunState
from tests.contract.kubernetes_places import (
    KINDS,
    MERGE,
    KubernetesPlace,
    defined,
    kubernetes_place,
)
from tests.contract.kubernetes_server.schemas import problems, prune

pytestmark = pytest.mark.slow

POD = {"spec": {"containers": [{"name": "main", "image": "train:1"}]}}
WHOLE = Training(
    runtime="torch-distributed",
    image="registry.example/train@sha256:" + "ab" * 32,
    command=("python", "-m", "train"),
    arguments=("--epochs", "3"),
    environment={"SEED": "7"},
    nodes=2,
    resources={"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"},
    dataset="s3://lake/loans",
    model="hf://base/model",
    deadline_seconds=3600,
)


def replicas(kind: str, specs: str, *names: str) -> Json:
    sets = {name: {"replicas": 2, "template": POD} for name in names}
    return {"apiVersion": "kubeflow.org/v1", "kind": kind, "spec": {specs: sets}}


MANIFESTS = {
    "trainjobs": train_job(WHOLE),
    "v1-pytorchjobs": replicas("PyTorchJob", "pytorchReplicaSpecs", "Master", "Worker"),
    "v1-tfjobs": replicas("TFJob", "tfReplicaSpecs", "Chief", "Worker"),
    "v1-mpijobs": replicas("MPIJob", "mpiReplicaSpecs", "Launcher", "Worker"),
}


def published(name: str) -> Json:
    """A published definition; skipped where there is none."""
    folder = os.environ.get("COUNTERSIGN_TEST_SPECS", "")
    path = Path(folder) / "kubeflow-trainer" / f"{name}.crd.yaml"
    if not folder or not path.exists():
        pytest.skip("peer: COUNTERSIGN_TEST_SPECS names no published definitions")
    return _read(path)


@cache
def _read(path: Path) -> Json:
    found = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    assert isinstance(found, dict)
    return found


def schema_of(definition: Json) -> Json:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert isinstance(schema, dict)
    return schema


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KubernetesPlace]:
    with kubernetes_place(request.param, tmp_path) as found:
        yield found


@contextmanager
def working(place: KubernetesPlace, definition: Json) -> Iterator[ClusterWork]:
    client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)))
    with defined(place, definition):
        yield ClusterWork(client, place.namespace, sleep=lambda seconds: _turn(place))
    client.close()


def _turn(place: KubernetesPlace) -> None:
    if place.cluster is not None:
        place.controller.step()
    time.sleep(0.05)


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_valid_by_the_published_definition(name: str) -> None:
    schema = schema_of(published(name))
    sent = held(MANIFESTS[name], "launch-1", "training")
    del sent["metadata"]
    assert list(problems(sent, schema)) == []
    assert prune(copy.deepcopy(sent), schema) == []


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_job_of_an_operator_is_held_released_told_and_cancelled(
    place: KubernetesPlace, name: str
) -> None:
    manifest = MANIFESTS[name]
    kind = kind_of(manifest)
    with working(place, published(name)) as work:
        made = work.create(manifest, "launch-1")
        assert made.standing.state is RunState.SUSPENDED
        assert work.create(manifest, "launch-1").uid == made.uid
        assert not work.release(manifest, "launch-1").standing.is_held
        path = _path(place, kind)
        for conditions, state in _told(kind):
            body: Json = {"status": {"conditions": conditions}}
            if kind is not TRAIN_JOB:
                body["status"]["replicaStatuses"] = {}
            answer = place.ask("PATCH", f"{path}/status", body, MERGE)
            assert answer.status == 200, answer.body
            found = work.find(kind, "launch-1")
            assert found is not None
            assert found.standing.state is state
        # A cluster's collector of garbage takes half a minute to notice a new kind.
        work.cancel(kind, "launch-1", grace_seconds=120)
        assert work.find(kind, "launch-1") is None


def _path(place: KubernetesPlace, kind: WorkKind) -> str:
    root = f"/apis/{kind.group}/{kind.versions[0]}/namespaces/{place.namespace}"
    return f"{root}/{kind.plural}/{name_of_launch('launch-1')}"


def _told(kind: WorkKind) -> Iterator[tuple[list[Json], RunState]]:
    def condition(name: str, status: str = "True") -> Json:
        return {
            "type": name,
            "status": status,
            "reason": "Because",
            "message": "so",
            "lastTransitionTime": "2026-11-26T00:00:00Z",
        }

    if kind is TRAIN_JOB:
        yield [condition("Suspended", "False")], RunState.PENDING
        yield [condition("Failed")], RunState.FAILED
        yield [condition("Complete")], RunState.SUCCEEDED
        return
    yield [condition("Created")], RunState.PENDING
    yield [condition("Created"), condition("Running")], RunState.RUNNING
    yield [condition("Running", "False"), condition("Failed")], RunState.FAILED
    yield [condition("Succeeded")], RunState.SUCCEEDED


def without(definition: Json, *path: str) -> Json:
    """The definition of an older release, which lacks a field."""
    older = copy.deepcopy(definition)
    place = schema_of(older)
    for step in path[:-1]:
        place = place["properties"][step]
    del place["properties"][path[-1]]
    return older


def test_a_field_that_an_older_definition_lacks_is_refused_and_nothing_is_made(
    place: KubernetesPlace,
) -> None:
    older = without(published("trainjobs"), "spec", "activeDeadlineSeconds")
    with working(place, older) as work:
        with pytest.raises(ConnectorRefused, match="activeDeadlineSeconds"):
            work.create(train_job(WHOLE), "launch-1")
        assert work.find(TRAIN_JOB, "launch-1") is None
        plain = train_job(Training(runtime="torch-distributed", image="train:1"))
        assert work.create(plain, "launch-1").standing.is_held


def test_an_operator_that_cannot_hold_a_job_gets_none(place: KubernetesPlace) -> None:
    older = without(published("v1-pytorchjobs"), "spec", "runPolicy", "suspend")
    manifest = MANIFESTS["v1-pytorchjobs"]
    with working(place, older) as work:
        with pytest.raises(ConnectorRefused, match=r"runPolicy\.suspend"):
            work.create(manifest, "launch-1")
        assert work.find(kind_of(manifest), "launch-1") is None


def test_a_cluster_that_drops_unknown_fields_in_silence_gets_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As clusters did before they could be asked to be strict."""
    from tests.contract.kubernetes_server import preparing

    monkeypatch.setattr(preparing, "_report", lambda dropped, request: None)
    older = without(published("v1-pytorchjobs"), "spec", "runPolicy", "suspend")
    manifest = MANIFESTS["v1-pytorchjobs"]
    with kubernetes_place("in-repo", tmp_path) as place, working(place, older) as work:
        with pytest.raises(ConnectorRefused, match=r"drops spec\.runPolicy\.suspend"):
            work.create(manifest, "launch-1")
        assert place.own.store.all(("kubeflow.org", "pytorchjobs")) == []


TEXTS = st.text(min_size=1, max_size=8)
TRAININGS = st.builds(
    Training,
    runtime=st.just("torch-distributed"),
    image=st.sampled_from(["", "train:1"]),
    command=st.lists(TEXTS, max_size=2).map(tuple),
    arguments=st.lists(TEXTS, max_size=2).map(tuple),
    environment=st.dictionaries(st.sampled_from(["A", "B"]), TEXTS, max_size=2),
    nodes=st.integers(0, 3),
    resources=st.dictionaries(st.sampled_from(["cpu"]), st.just("2"), max_size=1),
    dataset=st.sampled_from(["", "s3://lake/x"]),
    model=st.sampled_from(["", "hf://x/y"]),
    is_namespaced_runtime=st.booleans(),
    deadline_seconds=st.sampled_from([0, 60]),
)


@settings(max_examples=60)
@given(training=TRAININGS)
def test_every_train_job_is_valid_and_uses_only_fields_of_every_release(
    training: Training,
) -> None:
    """Of what may be written, only the deadline is younger than the first release."""
    schema = schema_of(published("trainjobs"))
    sent = held(train_job(training), "launch-1", "training")
    del sent["metadata"]
    assert list(problems(sent, schema)) == []
    assert prune(copy.deepcopy(sent), schema) == []
    ages = {"runtimeRef", "trainer", "initializer", "suspend"}
    asked = {"activeDeadlineSeconds"} if training.deadline_seconds else set()
    assert set(sent["spec"]) <= ages | asked


def test_what_cannot_be_held_is_refused_with_what_can(place: KubernetesPlace) -> None:
    client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)))
    work = ClusterWork(client, place.namespace)
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}
    with pytest.raises(ConnectorRefused) as raised:
        work.create(deployment, "launch-1")
    assert all(one.kind in raised.value.hint for one in WORK_KINDS)
    client.close()


def test_a_kind_that_the_cluster_lacks_is_refused(place: KubernetesPlace) -> None:
    client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)))
    work = ClusterWork(client, place.namespace)
    with pytest.raises(ConnectorRefused, match=r"has no Workflow of argoproj\.io"):
        work.create(
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {}},
            "launch-1",
        )
    client.close()
