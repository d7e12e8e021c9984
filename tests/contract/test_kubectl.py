"""The real kubectl works against the server of the tests, and against a real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.contract.kubernetes_places import (
    KINDS,
    KubernetesPlace,
    job,
    kubernetes_place,
    merged,
)

pytestmark = [pytest.mark.peer, pytest.mark.slow]
_ENDS_AFTER_SECONDS = 60


@dataclass(frozen=True)
class Kubectl:
    """kubectl in one namespace of one place."""

    place: KubernetesPlace
    folder: Path

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        done = self._run(arguments)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    def until_told(self, name: str) -> None:
        """Wait until it has conditions: `kubectl wait` fails where it has none."""
        for _ in range(100):
            if self("get", name, "-o", "jsonpath={.status.conditions}"):
                return
            time.sleep(0.1)

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=_ENDS_AFTER_SECONDS,
            check=False,
        )

    def command(self, *arguments: str) -> list[str]:
        """The words of a call."""
        return [
            "kubectl",
            f"--kubeconfig={self.place.kubeconfig}",
            f"--cache-dir={self.folder / 'cache'}",
            f"--namespace={self.place.namespace}",
            *arguments,
        ]

    def file(self, found: object) -> str:
        """A manifest."""
        path = self.folder / "manifest.yaml"
        path.write_text(yaml.safe_dump(found))
        return str(path)


@pytest.fixture(params=KINDS)
def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kubectl]:
    if shutil.which("kubectl") is None:
        if os.environ.get("COUNTERSIGN_REQUIRE_PEERS") == "1":
            pytest.fail("peer: kubectl is not installed")
        pytest.skip("peer: kubectl is not installed")
    with kubernetes_place(request.param, tmp_path) as place:
        yield Kubectl(place, tmp_path)


def settings(name: str) -> dict[str, object]:
    """A config map. Only manifests: kubectl's own makers speak protobuf."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"k": "v"},
    }


def published(name: str) -> Path:
    """A published definition; skipped where there is none."""
    folder = os.environ.get("COUNTERSIGN_TEST_SPECS", "")
    path = Path(folder) / "kubeflow-trainer" / f"{name}.crd.yaml"
    if not folder or not path.exists():
        pytest.skip("peer: COUNTERSIGN_TEST_SPECS names no published definitions")
    return path


def test_a_job_is_created_listed_shown_and_deleted(kubectl: Kubectl) -> None:
    made = kubectl("create", "-f", kubectl.file(job("hello", suspend=True)))
    assert made == "job.batch/hello created\n"
    header, row = kubectl("get", "jobs").splitlines()
    assert header.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert row.split()[0] == "hello"
    assert "0/1" in row
    shown = yaml.safe_load(kubectl("get", "job", "hello", "-o", "yaml"))
    assert shown["spec"]["suspend"] is True
    assert kubectl("get", "jobs", "-o", "name") == "job.batch/hello\n"
    assert "hello" in kubectl("get", "all")
    assert "deleted" in kubectl("delete", "job", "hello")
    gone = kubectl("get", "job", "hello", fails=True)
    assert gone == 'Error from server (NotFound): jobs.batch "hello" not found\n'


def test_the_same_name_again_is_refused_in_the_usual_words(kubectl: Kubectl) -> None:
    file = kubectl.file(job("hello"))
    kubectl("create", "-f", file)
    said = kubectl("create", "-f", file, fails=True)
    assert "(AlreadyExists)" in said
    assert 'jobs.batch "hello" already exists' in said


def test_an_unknown_field_is_refused_before_anything_is_made(kubectl: Kubectl) -> None:
    said = kubectl("create", "-f", kubectl.file(job("a", suspnd=True)), fails=True)
    assert 'unknown field "spec.suspnd"' in said
    assert kubectl("get", "jobs", "-o", "name") == ""


def test_applying_creates_changes_and_leaves_alone(kubectl: Kubectl) -> None:
    found = merged(job("a", suspend=True), {"metadata": {"labels": {"v": "one"}}})
    file = kubectl.file(found)
    assert kubectl("apply", "-f", file) == "job.batch/a created\n"
    assert kubectl("apply", "-f", file) == "job.batch/a unchanged\n"
    found["metadata"]["labels"] = {"v": "two"}
    assert kubectl("apply", "-f", kubectl.file(found)) == "job.batch/a configured\n"
    labels = json.loads(kubectl("get", "job", "a", "-o", "json"))["metadata"]["labels"]
    assert labels == {"v": "two"}
    assert kubectl("diff", "-f", kubectl.file(found)) == ""


def test_applying_on_the_server_meets_the_conflict_of_another_manager(
    kubectl: Kubectl,
) -> None:
    found = settings("a")
    ours = ("apply", "--server-side", "--field-manager=ours", "-f")
    theirs = ("apply", "--server-side", "--field-manager=theirs", "-f")
    assert "serverside-applied" in kubectl(*ours, kubectl.file(found))
    found["data"] = {"k": "w"}
    said = kubectl(*theirs, kubectl.file(found), fails=True)
    assert 'conflict with "ours"' in said
    assert ".data.k" in said
    kubectl(*theirs, kubectl.file(found), "--force-conflicts")
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.k}") == "w"


def test_patching_in_three_ways(kubectl: Kubectl) -> None:
    kubectl("create", "-f", kubectl.file(job("a", suspend=True)))
    patch = '{"metadata":{"labels":{"x":"1"}}}'
    kubectl("patch", "job", "a", "--type=merge", "-p", patch)
    kubectl("patch", "job", "a", "-p", '{"spec":{"parallelism":2}}')
    operation = '[{"op":"replace","path":"/spec/suspend","value":false}]'
    kubectl("patch", "job", "a", "--type=json", "-p", operation)
    kubectl("label", "job", "a", "y=2")
    kubectl("annotate", "job", "a", "note=hello")
    found = json.loads(kubectl("get", "job", "a", "-o", "json"))
    assert {"x": "1", "y": "2"}.items() <= found["metadata"]["labels"].items()
    assert found["spec"]["parallelism"] == 2
    assert found["spec"]["suspend"] is False


def test_replacing_what_was_changed_meanwhile_is_refused(kubectl: Kubectl) -> None:
    kubectl("create", "-f", kubectl.file(settings("a")))
    old = yaml.safe_load(kubectl("get", "cm", "a", "-o", "yaml"))
    kubectl("label", "cm", "a", "x=1")
    said = kubectl("replace", "-f", kubectl.file(old), fails=True)
    assert "the object has been modified" in said


def test_watching_shows_what_happens(kubectl: Kubectl) -> None:
    kubectl("create", "-f", kubectl.file(settings("a")))
    command = kubectl.command("get", "cm", "-w", "--output-watch-events", "-l", "w!=no")
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline().split()[:2] == ["EVENT", "NAME"]
        told = [watching.stdout.readline().split()[:2]]
        if told[0][1] == "kube-root-ca.crt":
            told = [watching.stdout.readline().split()[:2]]
        kubectl("create", "-f", kubectl.file(settings("b")))
        told.append(watching.stdout.readline().split()[:2])
        kubectl("delete", "cm", "b")
        told.append(watching.stdout.readline().split()[:2])
    finally:
        watching.terminate()
        watching.communicate(timeout=10)
    assert told == [["ADDED", "a"], ["ADDED", "b"], ["DELETED", "b"]]


def test_waiting_ends_when_a_condition_holds(kubectl: Kubectl) -> None:
    kubectl("create", "-f", kubectl.file(job("a", suspend=True)))
    condition = {
        "type": "Suspended",
        "status": "True",
        "lastTransitionTime": "2026-11-26T00:00:00Z",
    }
    waiting = subprocess.Popen(
        kubectl.command("wait", "--for=condition=Suspended", "job/a", "--timeout=30s"),
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.5)
    patch = json.dumps({"status": {"conditions": [condition]}})
    kubectl("patch", "job", "a", "--subresource=status", "--type=merge", "-p", patch)
    said, _ = waiting.communicate(timeout=40)
    assert said == "job.batch/a condition met\n"


def test_the_resources_are_listed_and_explained(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources", "--api-group=batch", "-o", "name")
    assert listed.split() == ["cronjobs.batch", "jobs.batch"]
    said = kubectl("explain", "job.spec.suspend")
    assert "FIELD: suspend <boolean>" in said


def test_lines_of_a_pod_are_shown(kubectl: Kubectl) -> None:
    controller = kubectl.place.controller
    kubectl("create", "-f", kubectl.file(job("a")))
    controller.step()
    owner = kubectl.place.ask("GET", f"{kubectl.place.batch}/a").body
    pod = controller.pods_of(owner)[0]
    controller.run(pod)
    controller.write(pod, "epoch 1", "epoch 2")
    assert kubectl("logs", "job/a") == "epoch 1\nepoch 2\n"
    assert kubectl("logs", pod["metadata"]["name"], "--tail=1") == "epoch 2\n"
    controller.finish(pod)
    controller.step()
    assert "1/1" in kubectl("get", "job", "a")
    assert kubectl("wait", "--for=condition=Complete", "job/a", "--timeout=5s")


def test_a_pod_whose_image_is_not_to_be_had_says_so(kubectl: Kubectl) -> None:
    controller = kubectl.place.controller
    kubectl("create", "-f", kubectl.file(job("a")))
    controller.step()
    owner = kubectl.place.ask("GET", f"{kubectl.place.batch}/a").body
    controller.cannot_pull(controller.pods_of(owner)[0])
    assert "ImagePullBackOff" in kubectl("get", "pods")
    events = kubectl("get", "events", "--field-selector=reason=BackOff")
    assert 'Back-off pulling image "busybox:1"' in events
    assert "Back-off pulling image" in kubectl("describe", "pods")


def test_a_published_definition_makes_a_resource(kubectl: Kubectl) -> None:
    path = published("trainjobs")
    kubectl("create", "-f", str(path))
    name = "crd/trainjobs.trainer.kubeflow.org"
    try:
        kubectl.until_told(name)
        kubectl("wait", "--for=condition=Established", name, "--timeout=30s")
        found = {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": "train"},
            "spec": {"runtimeRef": {"name": "torch-distributed"}, "suspend": True},
        }
        assert "created" in kubectl("apply", "-f", kubectl.file(found))
        assert "unchanged" in kubectl("apply", "-f", kubectl.file(found))
        header, row = kubectl("get", "trainjobs").splitlines()
        assert header.split() == ["NAME", "STATE", "AGE"]
        assert row.split()[0] == "train"
        shown = json.loads(kubectl("get", "trainjob", "train", "-o", "json"))
        assert shown["spec"]["runtimeRef"]["kind"] == "ClusterTrainingRuntime"
        assert "suspend <boolean>" in kubectl("explain", "trainjob.spec.suspend")
        patch = '{"spec":{"suspend":false}}'
        kubectl("patch", "trainjob", "train", "--type=merge", "-p", patch)
        kubectl("delete", "trainjob", "train")
        assert kubectl("get", "trainjobs", "-o", "name") == ""
    finally:
        kubectl("delete", name)
