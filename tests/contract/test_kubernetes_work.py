"""Jobs on a cluster are created held, released once, and cancelled until gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Bounds, Json, KubernetesClient
from connectors.kubernetes.kinds import JOB, available, served
from connectors.kubernetes.manifests import (
    LAUNCH_LABEL,
    WITHDRAWN_ANNOTATION,
    name_of_launch,
)
from connectors.kubernetes.pods import ClusterPods
from connectors.kubernetes.work import QUEUE_LABEL, ClusterWork
from connectors.kubernetes.works import Work
from connectors.pipelines.protocols import RunState
from tests.contract.kubernetes_places import (
    EDIT,
    KINDS,
    MERGE,
    KubernetesPlace,
    job,
    kubernetes_place,
    merged,
)

PATIENT = Bounds(first_pause_seconds=0.001)


def manifest(**spec: object) -> Json:
    """A job as somebody writes it: without a name."""
    found = job("", **spec)
    del found["metadata"]
    return found


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KubernetesPlace]:
    with kubernetes_place(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def client(place: KubernetesPlace) -> Iterator[KubernetesClient]:
    made = KubernetesClient(from_kubeconfig(str(place.kubeconfig)), bounds=PATIENT)
    yield made
    made.close()


@pytest.fixture
def work(place: KubernetesPlace, client: KubernetesClient) -> ClusterWork:
    return ClusterWork(client, place.namespace, sleep=lambda seconds: time.sleep(0.05))


def path_of(place: KubernetesPlace, launch: str) -> str:
    return f"{place.batch}/{name_of_launch(launch)}"


def settled(
    place: KubernetesPlace, work: ClusterWork, fits: Callable[[Work], bool]
) -> Work:
    """The job once the cluster's controllers have seen to it."""
    for _ in range(100):
        if place.cluster is not None:
            place.controller.step()
        found = work.find(JOB, "launch-1")
        assert found is not None
        if fits(found):
            return found
        time.sleep(0.1)
    return pytest.skip("this cluster has no controller of jobs")


def test_a_job_is_created_held_and_named_by_its_launch(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    made = work.create(manifest(), "launch-1")
    assert made.standing.state is RunState.SUSPENDED
    assert made.standing.is_held
    assert (made.name, made.launch) == (name_of_launch("launch-1"), "launch-1")
    there = place.ask("GET", path_of(place, "launch-1"))
    assert there["spec"]["suspend"] is True
    assert there["metadata"]["labels"][LAUNCH_LABEL] == "launch-1"
    assert there["metadata"]["uid"] == made.uid


def test_a_plan_shows_what_the_cluster_would_make_and_makes_nothing(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    planned = work.planned(manifest(), "launch-1")
    assert planned["spec"]["suspend"] is True
    assert planned["spec"]["backoffLimit"] == 6
    assert place.ask("GET", place.batch)["items"] == []


def test_the_same_launch_again_finds_the_same_job(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    first = work.create(manifest(), "launch-1")
    second = work.create(manifest(), "launch-1")
    assert second.uid == first.uid
    assert len(place.ask("GET", place.batch)["items"]) == 1


def test_the_same_launch_with_other_content_is_refused(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    work.create(manifest(), "launch-1")
    with pytest.raises(ConnectorRefused, match=r"another one there: .* differs"):
        work.create(manifest(backoffLimit=0), "launch-1")
    assert place.ask("GET", path_of(place, "launch-1"))["spec"]["backoffLimit"] == 6


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"serviceAccountName": "admin"}, "serviceAccount"),
        ({"hostNetwork": True}, "hostNetwork"),
        ({"initContainers": [{"name": "x", "image": "evil:1"}]}, "initContainers"),
    ],
)
def test_what_somebody_else_made_under_the_name_is_not_taken_for_ours(
    place: KubernetesPlace, work: ClusterWork, extra: Json, field: str
) -> None:
    """Also when it carries our label and digest, and says everything that we say."""
    work.create(manifest(), "launch-1")
    path = path_of(place, "launch-1")
    ours = place.ask("GET", path).body
    place.ask("DELETE", path, {"propagationPolicy": "Background"})
    theirs = merged(manifest(suspend=True), {"metadata": ours["metadata"]})
    for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        theirs["metadata"].pop(key)
    theirs["spec"]["template"]["spec"] |= extra
    assert place.ask("POST", place.batch, theirs).status == 201
    with pytest.raises(ConnectorRefused, match=field):
        work.create(manifest(), "launch-1")
    with pytest.raises(ConnectorRefused, match=field):
        work.release(manifest(), "launch-1")
    assert place.ask("GET", path)["spec"]["suspend"] is True


def test_a_manifest_with_a_field_that_is_none_is_refused_and_makes_nothing(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    with pytest.raises(ConnectorRefused, match=r"unknown field \"spec.paralelism\""):
        work.create(manifest(paralelism=3), "launch-1")
    assert place.ask("GET", place.batch)["items"] == []


def test_a_job_that_a_queue_would_release_is_refused_and_makes_nothing(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    queued = manifest() | {"metadata": {"labels": {QUEUE_LABEL: "training"}}}
    with pytest.raises(ConnectorRefused, match="Kueue would release"):
        work.create(queued, "launch-1")
    assert place.ask("GET", place.batch)["items"] == []


def test_nothing_runs_before_it_is_released(
    place: KubernetesPlace, work: ClusterWork, client: KubernetesClient
) -> None:
    work.create(manifest(suspend=False), "launch-1")
    held = settled(place, work, lambda one: one.standing.is_held)
    for _ in range(3):
        work.create(manifest(suspend=False), "launch-1")
    assert held.standing.state is RunState.SUSPENDED
    assert ClusterPods(client).of(held) == []


def test_a_released_job_runs_and_is_not_released_twice(
    place: KubernetesPlace, work: ClusterWork, client: KubernetesClient
) -> None:
    made = work.create(manifest(), "launch-1")
    released = work.release(manifest(), "launch-1")
    assert released.uid == made.uid
    assert not released.standing.is_held
    again = work.release(manifest(), "launch-1")
    assert again.uid == made.uid
    running = settled(place, work, lambda one: one.standing.state is RunState.RUNNING)
    assert running.standing.started is not None
    (pod,) = ClusterPods(client).of(running)
    assert (pod.phase, pod.containers) == ("Pending", ("main",))


def test_a_job_that_was_changed_after_it_was_launched_is_not_released(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    work.create(manifest(), "launch-1")
    path = path_of(place, "launch-1")
    place.ask("PATCH", path, {"spec": {"parallelism": 50}}, MERGE)
    with pytest.raises(ConnectorRefused, match=r"spec\.parallelism differs"):
        work.release(manifest(), "launch-1")
    assert place.ask("GET", path)["spec"]["suspend"] is True


def test_a_job_that_changes_in_between_is_looked_at_again(
    place: KubernetesPlace, client: KubernetesClient
) -> None:
    """What is released is what was looked at, never what it became meanwhile."""

    class Interfered(ClusterWork):
        def _checked(self, expected: Json, served: object, launch: str) -> object:  # type: ignore[override]
            found = super()._checked(expected, served, launch)  # type: ignore[arg-type]
            changes = {"metadata": {"annotations": {"n": str(time.monotonic_ns())}}}
            if self.interferences:
                change = self.interferences.pop()
                place.ask("PATCH", path_of(place, launch), change or changes, MERGE)
            return found

        interferences: list[Json]

    work = Interfered(client, place.namespace)
    work.interferences = []
    work.create(manifest(), "launch-1")
    work.interferences = [{}]
    assert not work.release(manifest(), "launch-1").standing.is_held
    work.create(manifest(), "launch-2")
    work.interferences = [{"spec": {"parallelism": 50}}]
    with pytest.raises(ConnectorRefused, match="parallelism"):
        work.release(manifest(), "launch-2")
    assert place.ask("GET", path_of(place, "launch-2"))["spec"]["suspend"] is True
    work.create(manifest(), "launch-3")
    work.interferences = [{} for _ in range(20)]
    with pytest.raises(ConnectorUnavailable, match="changes faster"):
        work.release(manifest(), "launch-3")
    assert place.ask("GET", path_of(place, "launch-3"))["spec"]["suspend"] is True


def test_a_cancelled_job_is_gone_with_its_pods(
    place: KubernetesPlace, client: KubernetesClient, work: ClusterWork
) -> None:
    work.create(manifest(), "launch-1")
    work.release(manifest(), "launch-1")
    running = settled(place, work, lambda one: one.standing.state is RunState.RUNNING)
    assert ClusterPods(client).of(running)
    cancelling = ClusterWork(
        client,
        place.namespace,
        sleep=lambda seconds: _let_controllers_work(place),
    )
    cancelling.cancel(JOB, "launch-1", grace_seconds=20)
    assert work.find(JOB, "launch-1") is None
    assert ClusterPods(client).of(running) == []
    work.cancel(JOB, "launch-1", grace_seconds=0)


def _let_controllers_work(place: KubernetesPlace) -> None:
    if place.cluster is not None:
        place.controller.step()
    else:
        time.sleep(0.1)


def test_a_job_that_does_not_go_is_not_called_cancelled(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    work.create(manifest(), "launch-1")
    path = path_of(place, "launch-1")
    held = {"metadata": {"finalizers": ["countersign.example/hold"]}}
    place.ask("PATCH", path, held, MERGE)
    with pytest.raises(ConnectorUnavailable, match=r"held by .*example/hold"):
        work.cancel(JOB, "launch-1", grace_seconds=0.2)
    found = work.find(JOB, "launch-1")
    assert found is not None
    assert found.standing.is_ending
    with pytest.raises(ConnectorRefused, match="has ended"):
        work.release(manifest(), "launch-1")
    place.ask("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)


def test_what_others_made_is_not_cancelled(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    name = name_of_launch("launch-1")
    place.ask("POST", place.batch, job(name, suspend=True))
    with pytest.raises(ConnectorRefused, match="was not made by the launch"):
        work.cancel(JOB, "launch-1", grace_seconds=1)
    with pytest.raises(ConnectorRefused, match="was not made by the launch"):
        work.create(manifest(), "launch-1")
    assert place.ask("GET", f"{place.batch}/{name}").status == 200


def test_jobs_of_others_are_listed_too(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    place.ask("POST", place.batch, job("theirs", suspend=True))
    work.create(manifest(), "launch-1")
    assert {one.name for one in work.works()} >= {"theirs", name_of_launch("launch-1")}
    assert [one.launch for one in work.works(only_launched=True)] == ["launch-1"]


def test_the_kinds_that_a_cluster_serves_are_discovered(
    client: KubernetesClient,
) -> None:
    assert served(client, JOB).api_version == "batch/v1"
    assert JOB in {one.kind for one in available(client)}


def test_a_job_that_succeeds_says_so_and_one_that_fails_says_why(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    controller = place.controller
    for launch, code in (("good", 0), ("bad", 3)):
        work.create(manifest(backoffLimit=0), launch)
        work.release(manifest(backoffLimit=0), launch)
        controller.step()
        owner = place.ask("GET", path_of(place, launch)).body
        controller.finish(controller.pods_of(owner)[0], code)
        controller.step()
    good, bad = work.find(JOB, "good"), work.find(JOB, "bad")
    assert good is not None
    assert bad is not None
    assert good.standing.state is RunState.SUCCEEDED
    assert good.standing.ended is not None
    assert bad.standing.state is RunState.FAILED
    assert bad.standing.reason == "BackoffLimitExceeded"


def test_what_is_withdrawn_is_held_for_good(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    made = work.create(manifest(), "launch-1")
    withdrawn = work.withdraw(made, "launch-1", "it stood still", grace_seconds=30)
    assert withdrawn.is_withdrawn
    again = work.withdraw(made, "launch-1", "told later", grace_seconds=30)
    assert again.marks == withdrawn.marks
    with pytest.raises(ConnectorRefused, match="withdrawn"):
        work.release(manifest(), "launch-1")
    there = place.ask("GET", path_of(place, "launch-1"))
    assert there["spec"]["suspend"] is True


def test_a_mark_alone_does_not_make_it_withdrawn(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    work.create(manifest(), "launch-1")
    work.release(manifest(), "launch-1")
    marks = {"annotations": {WITHDRAWN_ANNOTATION: "x"}}
    place.ask("PATCH", path_of(place, "launch-1"), {"metadata": marks}, MERGE)
    found = work.find(JOB, "launch-1")
    assert found is not None
    assert not found.is_withdrawn


def test_an_image_that_cannot_be_had_is_told_of_the_step(
    place: KubernetesPlace, work: ClusterWork, client: KubernetesClient
) -> None:
    controller = place.controller
    work.create(manifest(), "launch-1")
    work.release(manifest(), "launch-1")
    controller.step()
    owner = place.ask("GET", path_of(place, "launch-1")).body
    controller.cannot_pull(controller.pods_of(owner)[0])
    found = work.find(JOB, "launch-1")
    assert found is not None
    (pod,) = ClusterPods(client).of(found)
    assert [str(one) for one in pod.troubles] == ["ImagePullBackOff on step main"]
    warned = ClusterPods(client).warnings(found)
    assert [one.reason for one in warned] == ["Failed", "BackOff"]
    assert "busybox:1" in warned[-1].message


def test_what_a_pod_prints_is_read_line_by_line_and_no_further_than_allowed(
    place: KubernetesPlace, work: ClusterWork, client: KubernetesClient
) -> None:
    controller = place.controller
    work.create(manifest(), "launch-1")
    work.release(manifest(), "launch-1")
    controller.step()
    found = work.find(JOB, "launch-1")
    assert found is not None
    pods = ClusterPods(client)
    (pod,) = pods.of(found)
    assert list(pods.lines(found, pod, most_bytes=1000)) == []
    owner = place.ask("GET", path_of(place, "launch-1")).body
    controller.run(controller.pods_of(owner)[0])
    controller.write(controller.pods_of(owner)[0], "one", "two \x1b[2J", "x" * 200)
    lines = list(pods.lines(found, pod, most_bytes=1000))
    assert lines == [b"one", b"two \x1b[2J", b"x" * 200]
    assert list(pods.lines(found, pod, most_bytes=6)) == [b"one", b"tw"]


def test_what_a_pod_prints_is_followed_until_it_ends_or_falls_silent(
    place: KubernetesPlace, work: ClusterWork, client: KubernetesClient
) -> None:
    controller = place.controller
    work.create(manifest(), "launch-1")
    work.release(manifest(), "launch-1")
    controller.step()
    found = work.find(JOB, "launch-1")
    assert found is not None
    pods = ClusterPods(client)
    (pod,) = pods.of(found)
    owner = controller.pods_of(place.ask("GET", path_of(place, "launch-1")).body)[0]
    controller.run(owner)
    controller.write(owner, "epoch 1")
    lines = pods.lines(found, pod, most_bytes=1000, follow=True)
    assert next(lines) == b"epoch 1"
    controller.write(owner, "epoch 2")
    assert next(lines) == b"epoch 2"
    controller.finish(owner)
    assert list(lines) == []
    controller.run(owner)
    silent = pods.lines(found, pod, most_bytes=1000, follow=True, idle_seconds=0.2)
    assert list(silent) == [b"epoch 1", b"epoch 2"]
    stopped = pods.lines(found, pod, most_bytes=1000, follow=True, stop=lambda: True)
    assert list(stopped) == [b"epoch 1", b"epoch 2"]


def test_where_it_runs_is_not_changed_while_it_is_held(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    work.create(manifest(), "launch-1")
    path = path_of(place, "launch-1")
    image = {"op": "replace", "path": "/spec/template/spec/nodeSelector"}
    place.ask("PATCH", path, [image | {"op": "add", "value": {"a": "b"}}], EDIT)
    with pytest.raises(ConnectorRefused, match="nodeSelector"):
        work.release(manifest(), "launch-1")
