"""Launching on a cluster: held, released by another person, run, ended and recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.kubernetes.manifests import name_of_launch
from connectors.pipelines.protocols import LaunchRequest, RunState
from console.reports.launches import check_launches
from console.reports.whole_log import WholeLog
from console.services.founding import activate_policy
from console.services.pipelines.asked import Asked
from console.services.pipelines.cancelling import Cancelled, cancel_launch
from console.services.pipelines.launch_log import known_launch
from console.services.pipelines.launchers import launcher_of_all, open_launcher
from console.services.pipelines.launching import launch
from console.services.pipelines.recording import record_run
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.repeating import Schedule, crontab_line, once_more
from console.services.pipelines.sending import Launched
from console.services.pipelines.viewing import list_launches
from console.services.problems import Misuse, Refusal, Undecided
from console.services.signing import act_as_service
from policies.predicates import Decision, OutcomeKind
from policies.predicates.operations import CancelResult
from policies.trust_root import ServiceKind
from store.queries.sql import fetch
from tests.contract.kubernetes_launching import IMAGE, manifest_of_steps
from tests.contract.kubernetes_places import MERGE, KubernetesPlace, kubernetes_place
from tests.contract.kubernetes_server.faults import Fault
from tests.contract.kubernetes_server.objects import Object
from tests.pipelines import POLICY
from tests.worlds import World

LOCKED = POLICY.replace("provenance", "runtime_locked").replace(
    'require = ["{require}"]', 'by = ["image"]'
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesPlace]:
    with kubernetes_place("in-repo", tmp_path) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        yield found


def put_policy(world: World, *, is_released: bool = True) -> None:
    text = LOCKED.format(version=1, role="guard")
    if not is_released:
        text = text.partition("[[approvals]]")[0]
    activate_policy(world.store, world.people["dana"], text.encode())


def launch_there(
    world: World, place: KubernetesPlace, launch_id: str = "one", **more: str
) -> Launched:
    path = world.folder / "job.json"
    if not path.exists():
        path.write_text(json.dumps(manifest_of_steps("quick")))
    request = LaunchRequest(
        str(path), pipeline="tried", parameters={"mark": more.get("mark", "/dev/null")}
    )
    launcher = open_launcher(world.store, "kubernetes", namespace=place.namespace)
    return launch(
        world.store,
        world.people["dana"],
        launcher,
        Asked(request, "default", launch_id),
    )


def job_of(place: KubernetesPlace, launch_id: str = "one") -> Object:
    found = place.ask("GET", f"{place.batch}/{name_of_launch(launch_id)}").body
    assert isinstance(found, dict)
    return found


def jobs(place: KubernetesPlace) -> list[Object]:
    found = place.ask("GET", place.batch)["items"]
    assert isinstance(found, list)
    return found


def run_to_the_end(place: KubernetesPlace, exit_code: int = 0) -> None:
    place.controller.step()
    for job in place.own.store.all(("batch", "jobs")):
        for pod in place.controller.pods_of(job):
            place.controller.write(pod, "hello")
            place.controller.finish(pod, exit_code)
    place.controller.step()


def test_without_a_policy_nothing_goes_to_a_cluster(
    world: World, place: KubernetesPlace
) -> None:
    with pytest.raises(Refusal, match="a policy for this launch"):
        launch_there(world, place)
    assert jobs(place) == []


def test_it_is_held_released_by_another_run_and_recorded(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world)
    world.hire("vera", "guard")
    done = launch_there(world, place, mark="/dev/stdout")
    assert done.run.state is RunState.SUSPENDED
    place.controller.step()
    assert place.ask("GET", f"{place.core}/pods")["items"] == []
    everywhere = launcher_of_all(world.store)
    with pytest.raises(Refusal):
        release(world.store, world.people["dana"], everywhere, "one", None)
    decided = Decided(Decision.APPROVE, "fit to run")
    with pytest.raises(Refusal, match="who launches"):
        release(world.store, world.people["dana"], everywhere, "one", decided)
    release(world.store, world.people["vera"], everywhere, "one", decided)
    assert job_of(place)["spec"]["suspend"] is True
    release(world.store, world.people["dana"], everywhere, "one", None)
    run_to_the_end(place)
    [line] = list_launches(world.store, everywhere)
    assert (line.run.state, line.run.backend) == (RunState.SUCCEEDED, "kubernetes")
    assert [told.text for told in everywhere.log_lines("one")] == ["hello"]
    service = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    record_run(world.store, service, everywhere, "one")
    world.store.projection.catch_up()
    with world.store.projection.reading() as connection:
        tags = {
            row["name"]: row["text"]
            for row in fetch(connection, "SELECT name, text FROM tag")
        }
        params = fetch(connection, "SELECT name, text FROM param")
    assert tags["countersign.launch.images"] == IMAGE
    assert tags["countersign.launch.place"] == done.plan.place
    assert [(row["name"], row["text"]) for row in params] == [("mark", "/dev/stdout")]
    record = known_launch(world.store, "one", world.store.state())
    assert [entry.held for _, entry in record.intents] == [True, False]
    assert record.outcomes[-1][1].outcome is OutcomeKind.DONE


@pytest.mark.parametrize("losing", ["create", "patch"])
@pytest.mark.parametrize("is_cut_off", [False, True])
def test_an_answer_that_is_lost_starts_nothing_twice(
    world: World, place: KubernetesPlace, losing: str, is_cut_off: bool
) -> None:
    """Once, so that patience helps; or with the whole cluster, so that somebody has to
    try again."""
    put_policy(world, is_released=False)
    seen = [0]
    last = 3 if losing == "create" else 1  # the first two are dry runs
    faults = place.own.faults
    usual = faults.next

    def lose(verb: str) -> Fault | None:
        if is_cut_off and seen[0] >= last:
            return Fault.RESET
        seen[0] += verb == losing
        is_lost = verb == losing and seen[0] == last
        return Fault.LOSE_ANSWER if is_lost else usual(verb)

    faults.next = lose  # type: ignore[method-assign]
    if not is_cut_off:
        launch_there(world, place)
    else:
        with pytest.raises(Undecided):
            launch_there(world, place)
        faults.next = usual  # type: ignore[method-assign]
        uid = job_of(place)["metadata"]["uid"]
        launch_there(world, place)
        assert job_of(place)["metadata"]["uid"] == uid
    assert seen[0] >= last
    [job] = jobs(place)
    assert job["spec"]["suspend"] is False
    assert job["metadata"]["generation"] == 2
    run_to_the_end(place)
    launch_there(world, place)
    place.controller.step()
    assert len(place.ask("GET", f"{place.core}/pods")["items"]) == 1
    record = known_launch(world.store, "one", world.store.state())
    assert (len(record.intents), len(record.outcomes)) == (1, 1)


def test_what_was_changed_on_the_cluster_is_not_released(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world)
    world.hire("vera", "guard")
    launch_there(world, place)
    path = f"{place.batch}/{name_of_launch('one')}"
    place.ask("PATCH", path, {"spec": {"activeDeadlineSeconds": 5}}, MERGE)
    decided = Decided(Decision.APPROVE, "fit to run")
    everywhere = launcher_of_all(world.store)
    release(world.store, world.people["vera"], everywhere, "one", decided)
    with pytest.raises(ConnectorRefused, match="activeDeadlineSeconds"):
        release(world.store, world.people["dana"], everywhere, "one", None)
    assert job_of(place)["spec"]["suspend"] is True


def take_away(place: KubernetesPlace, launch_id: str = "one") -> None:
    """Delete the job of a launch, as anybody might."""
    path = f"{place.batch}/{name_of_launch(launch_id)}"
    place.ask("DELETE", path, {"propagationPolicy": "Background"})
    place.controller.step()


def exchange_for_another(place: KubernetesPlace, launch_id: str = "one") -> None:
    """Put a job of another image under the name and marks of a launch."""
    forged = job_of(place, launch_id)
    take_away(place, launch_id)
    marks = {key: forged["metadata"][key] for key in ("name", "labels", "annotations")}
    other = manifest_of_steps("quick", image=IMAGE.replace("ab", "cd"))
    made = place.ask("POST", place.batch, other | {"metadata": marks})
    assert made.status == 201


def test_another_job_under_its_name_and_marks_is_not_taken_for_it(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    launch_there(world, place)
    exchange_for_another(place)
    run_to_the_end(place)
    everywhere = launcher_of_all(world.store)
    [line] = list_launches(world.store, everywhere)
    assert line.run.state is RunState.UNKNOWN
    assert "its plan does not name" in line.run.reason
    service = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    with pytest.raises(Undecided):
        record_run(world.store, service, everywhere, "one")


def test_what_was_cancelled_never_starts_again(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world)
    launch_there(world, place)
    everywhere = launcher_of_all(world.store)
    cancelled = everywhere.cancel("one", grace_seconds=1)
    assert cancelled.state is RunState.CANCELLED
    assert launch_there(world, place).run.state is RunState.CANCELLED
    with pytest.raises(Refusal, match="cancelled"):
        release(world.store, world.people["dana"], everywhere, "one", None)
    service = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    record_run(world.store, service, everywhere, "one")


def cancel(world: World, launch_id: str = "one") -> Cancelled:
    return cancel_launch(
        world.store,
        launcher_of_all(world.store),
        launch_id,
        lambda: world.people["dana"],
        grace_seconds=1,
    )


def test_a_cancelled_job_is_logged_once_and_stays_cancelled_when_it_is_deleted(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world)
    launch_there(world, place)
    done = cancel(world)
    assert (done.result, done.is_new) == (CancelResult.CANCELLED, True)
    assert done.read_back.startswith("kubernetes one cancelled")
    assert cancel(world).entry == done.entry
    assert launch_there(world, place).run.state is RunState.CANCELLED
    take_away(place)
    with pytest.raises(Refusal, match="it was cancelled"):
        launch_there(world, place)
    everywhere = launcher_of_all(world.store)
    with pytest.raises(Refusal, match="cancelled"):
        release(world.store, world.people["dana"], everywhere, "one", None)
    assert jobs(place) == []
    assert check_launches(WholeLog(world.store)) == []


def test_a_job_that_somebody_deleted_is_logged_as_gone(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    launch_there(world, place)
    take_away(place)
    done = cancel(world)
    assert (done.result, done.run, done.is_new) == (CancelResult.GONE, None, True)
    assert cancel(world).entry == done.entry


def test_a_cluster_that_is_down_is_not_known_and_later_cancelled(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    launch_there(world, place)
    place.own.faults.is_down = True
    done = cancel(world)
    place.own.faults.is_down = False
    assert (done.result, done.run) == (CancelResult.UNKNOWN, None)
    assert job_of(place)["spec"]["suspend"] is False
    assert cancel(world).result is CancelResult.CANCELLED
    assert job_of(place)["spec"]["suspend"] is True


def test_a_pod_that_cannot_start_says_why_with_its_step(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    launch_there(world, place)
    place.controller.step()
    [job] = place.own.store.all(("batch", "jobs"))
    [pod] = place.controller.pods_of(job)
    place.controller.cannot_pull(pod)
    [line] = list_launches(world.store, launcher_of_all(world.store))
    assert "ImagePullBackOff on step quick" in line.run.reason


def test_a_cluster_that_does_not_answer_hides_no_other_launch(
    world: World, place: KubernetesPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_policy(world, is_released=False)
    launch_there(world, place)
    monkeypatch.setenv("KUBECONFIG", str(world.folder / "nothing"))
    [line] = list_launches(world.store, launcher_of_all(world.store))
    assert line.run.state is RunState.UNKNOWN
    assert "kubeconfig" in line.run.reason


def test_it_is_launched_again_and_scheduled_on_the_same_cluster(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    first = launch_there(world, place)
    run_to_the_end(place)
    launcher = launcher_of_all(world.store).of("one")
    asked = once_more(world.store, launcher, "one")
    again = launch(world.store, world.people["dana"], launcher, asked)
    assert again.plan.digest == first.plan.digest
    assert len(jobs(place)) == 2
    line = crontab_line(world.store, "one", Schedule("0 3 * * *", "nightly", "", ""))
    assert f"--backend kubernetes --namespace {place.namespace}" in line
    (world.folder / "job.json").write_text(json.dumps(manifest_of_steps("fails")))
    with pytest.raises(Refusal, match="no longer what ran"):
        once_more(world.store, launcher, "one")


def test_this_machine_has_no_namespaces(world: World) -> None:
    with pytest.raises(Misuse):
        open_launcher(world.store, namespace="training")


HOSTILE: dict[str, tuple[Callable[[Object], Any], str]] = {
    "a tag": (lambda m: _container(m).update(image="busybox:1"), "digest"),
    "no image": (lambda m: _container(m).pop("image"), "digest"),
    "an image as a list": (lambda m: _container(m).update(image=["a"]), "text"),
    "a volume by a tag": (
        lambda m: _pod(m).update(
            volumes=[{"name": "v", "image": {"reference": "data:1"}}]
        ),
        "digest",
    ),
    "forgotten": (lambda m: m["spec"].update(ttlSecondsAfterFinished=0), "forget"),
    "our marks": (
        lambda m: m["metadata"].update(annotations={"countersign.dev/withdrawn": "x"}),
        "put on by launching",
    ),
    "another kind": (lambda m: m.update(kind="Pod"), "cannot be launched"),
    "an operator's": (
        lambda m: m.update(kind="PyTorchJob", apiVersion="kubeflow.org/v1"),
        "describe is not launched",
    ),
    "no pod": (lambda m: m["spec"].update(template=[]), "expected form"),
    "secret parameter": (
        lambda m: _container(m).update(env=[{"name": "mark", "valueFrom": {}}]),
        "valueFrom",
    ),
    "undeclared": (lambda m: _container(m).pop("env"), "no container declares"),
    "another namespace": (lambda m: m["metadata"].update(namespace="x"), "namespace"),
    "Kueue": (
        lambda m: m["metadata"].update(labels={"kueue.x-k8s.io/queue-name": "q"}),
        "Kueue",
    ),
}


def _pod(manifest: Object) -> Any:
    return manifest["spec"]["template"]["spec"]


def _container(manifest: Object) -> Any:
    return _pod(manifest)["containers"][0]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_does_not_bind_what_runs_is_refused(
    world: World, place: KubernetesPlace, name: str
) -> None:
    put_policy(world, is_released=False)
    change, why = HOSTILE[name]
    manifest = manifest_of_steps("quick")
    change(manifest)
    (world.folder / "job.json").write_text(json.dumps(manifest))
    with pytest.raises(ConnectorError, match=why):
        launch_there(world, place)
    assert jobs(place) == []
