"""The roles that are documented allow what is documented, and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.kinds import JOB
from connectors.kubernetes.pods import ClusterPods
from connectors.kubernetes.problems import NotAllowed
from connectors.kubernetes.watcher import Watcher
from connectors.kubernetes.work import ClusterWork
from connectors.pipelines.kubernetes_jobs import KubernetesLauncher
from connectors.pipelines.protocols import LaunchRequest, RunState
from tests.conftest import REPOSITORY
from tests.contract.kubernetes_flavours import RUNTIMES, of_trainer, runtime, trained
from tests.contract.kubernetes_launching import KeptPlans
from tests.contract.kubernetes_places import (
    KINDS,
    KubernetesPlace,
    job,
    kubernetes_place,
)
from tests.contract.kubernetes_server.identities import Identity, Rule

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def manifest() -> Json:
    found = job("")
    del found["metadata"]
    return found


def documented(name: str, namespace: str) -> list[Json]:
    """The manifests of a role, for another namespace."""
    text = (REPOSITORY / "docs" / "kubernetes" / f"{name}.yaml").read_text()
    text = text.replace("namespace: training", f"namespace: {namespace}")
    return list(yaml.safe_load_all(text))


def rules_of(role: Json, namespace: str) -> tuple[Rule, ...]:
    """A role as the server of the tests has it."""
    return tuple(
        Rule(
            tuple(rule["verbs"]),
            tuple(
                f"{resource}.{group}" if group else resource
                for group in rule["apiGroups"]
                for resource in rule["resources"]
            ),
            (namespace,),
        )
        for rule in role["rules"]
    )


@dataclass(frozen=True)
class Limited:
    """A place, seen by a service account with a documented role."""

    place: KubernetesPlace
    client: KubernetesClient
    folder: Path


def _as_service_account(place: KubernetesPlace, name: str, folder: Path) -> Limited:
    account, role, binding, *of_cluster = documented(name, place.namespace)
    full_name = account["metadata"]["name"]
    place.ask("POST", f"{place.core}/serviceaccounts", account)
    if place.cluster is not None:
        user = f"system:serviceaccount:{place.namespace}:{full_name}"
        rules = rules_of(role, place.namespace)
        for one in of_cluster[:1]:
            rules += rules_of(one, "")
        place.cluster.identities.by_token["admin"] = Identity("admin")
        place.cluster.identities.by_token["first"] = Identity(user, rules)
        _be_admin(place, folder)
    else:
        root = f"{RBAC}/namespaces/{place.namespace}"
        assert place.ask("POST", f"{root}/roles", role).status == 201
        assert place.ask("POST", f"{root}/rolebindings", binding).status == 201
        for one in of_cluster:
            _bind_in_cluster(place, one)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    path = f"{place.core}/serviceaccounts/{full_name}/token"
    answer = place.ask("POST", path, asked | {"spec": {"expirationSeconds": 3600}})
    assert answer.status == 201, answer.body
    kubeconfig = yaml.safe_load(place.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": answer["status"]["token"]}
    path_of_limited = folder / "limited"
    path_of_limited.write_text(yaml.safe_dump(kubeconfig))
    client = KubernetesClient(from_kubeconfig(str(path_of_limited)))
    for _ in range(50):
        if place.cluster is not None or _is_bound(client, place):
            break
        time.sleep(0.1)
    return Limited(place, client, folder)


def _bind_in_cluster(place: KubernetesPlace, found: Json) -> None:
    """Under a name of this test's own, so that another does not take it away."""
    name = f"{found['metadata']['name']}-{place.namespace}"
    found["metadata"]["name"] = name
    if "roleRef" in found:
        found["roleRef"]["name"] = name
    plural = f"{found['kind'].lower()}s"
    assert place.ask("POST", f"{RBAC}/{plural}", found).status == 201


def _is_bound(client: KubernetesClient, place: KubernetesPlace) -> bool:
    """Whether the authoriser has heard of the new role."""
    try:
        client.get(place.batch)
    except NotAllowed:
        return False
    return True


def _be_admin(place: KubernetesPlace, folder: Path) -> None:
    found = yaml.safe_load(place.kubeconfig.read_text())
    found["users"][0]["user"] = {"token": "admin"}
    place.kubeconfig.write_text(yaml.safe_dump(found))
    place.close()
    place._pool = None


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KubernetesPlace]:
    with kubernetes_place(request.param, tmp_path) as found:
        yield found
        if found.cluster is not None:
            found.cluster.identities.by_token.clear()


def test_the_launcher_may_do_all_that_is_done(
    place: KubernetesPlace, tmp_path: Path
) -> None:
    limited = _as_service_account(place, "launcher", tmp_path)

    def turn(seconds: float) -> None:
        if place.cluster is not None:
            place.controller.step()
        time.sleep(0.05)

    work = ClusterWork(limited.client, place.namespace, sleep=turn)
    work.create(manifest(), "launch-1")
    work.create(manifest(), "launch-1")
    released = work.release(manifest(), "launch-1")
    assert [one.launch for one in work.works(only_launched=True)] == ["launch-1"]
    picture = next(Watcher(limited.client, place.batch).pictures())
    assert set(picture.objects) == {released.name}
    pods = ClusterPods(limited.client)
    for _ in range(50):
        turn(0)
        if pods.of(released):
            break
    for pod in pods.of(released):
        assert list(pods.lines(released, pod, most_bytes=1000)) == []
    assert pods.warnings(released) == []
    work.cancel(JOB, "launch-1", grace_seconds=20)
    assert work.find(JOB, "launch-1") is None
    limited.client.close()


def test_the_launcher_may_look_at_what_a_train_job_leads_to(
    place: KubernetesPlace, tmp_path: Path
) -> None:
    for one in of_trainer():
        place.own.redefine(one)
    assert place.ask("POST", RUNTIMES, runtime("quick")).status == 201
    limited = _as_service_account(place, "launcher", tmp_path)
    launcher = KubernetesLauncher(
        limited.client,
        KeptPlans(),
        namespace=place.namespace,
        sleep=lambda seconds: place.controller.step(),
    )
    path = tmp_path / "job.json"
    path.write_text(json.dumps(trained("quick")))
    launcher.launch("one", launcher.plan(LaunchRequest(str(path))), held=False)
    assert launcher.cancel("one", grace_seconds=1).state is RunState.CANCELLED
    assert [run.launch for run in launcher.runs()] == ["one"]
    with pytest.raises(NotAllowed):
        limited.client.get(RUNTIMES)
    limited.client.close()


@pytest.mark.parametrize("allowed", ["trainjobs.trainer.kubeflow.org", ""])
def test_kinds_that_may_not_be_read_are_passed_over_unless_none_may(
    place: KubernetesPlace, tmp_path: Path, allowed: str
) -> None:
    for one in of_trainer():
        place.own.redefine(one)
    limited = _as_service_account(place, "launcher", tmp_path)
    identities = place.own.identities.by_token
    for token, known in list(identities.items()):
        if known.user.startswith("system:"):
            rule = Rule(("get", "list"), (allowed,))
            identities[token] = Identity(known.user, (rule,) if allowed else ())
    work = ClusterWork(limited.client, place.namespace)
    if allowed:
        assert work.find_any("launch-1") is None
        assert list(work.works(only_launched=True)) == []
    else:
        with pytest.raises(NotAllowed):
            work.find_any("launch-1")
        with pytest.raises(NotAllowed):
            list(work.works(only_launched=True))
    limited.client.close()


def test_the_launcher_may_do_nothing_else(
    place: KubernetesPlace, tmp_path: Path
) -> None:
    limited = _as_service_account(place, "launcher", tmp_path)
    client = limited.client
    with pytest.raises(NotAllowed):
        client.get(f"{place.core}/secrets")
    with pytest.raises(NotAllowed):
        client.get("/api/v1/namespaces/default/pods")
    with pytest.raises(NotAllowed):
        client.create(f"{place.core}/pods", {"kind": "Pod", "apiVersion": "v1"})
    client.close()


def test_the_watcher_may_look_and_change_nothing(
    place: KubernetesPlace, tmp_path: Path
) -> None:
    limited = _as_service_account(place, "watcher", tmp_path)
    work = ClusterWork(limited.client, place.namespace)
    assert list(work.works()) == []
    picture = next(Watcher(limited.client, place.batch).pictures())
    assert picture.objects == {}
    with pytest.raises(NotAllowed):
        work.create(manifest(), "launch-1")
    assert place.ask("GET", place.batch)["items"] == []
    limited.client.close()
