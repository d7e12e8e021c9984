"""The server of the tests and a real one keep the same conventions of the API."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.kubernetes_places import (
    EDIT,
    KINDS,
    MERGE,
    STRATEGIC,
    KubernetesPlace,
    job,
    kubernetes_place,
    merged,
)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KubernetesPlace]:
    with kubernetes_place(request.param, tmp_path) as found:
        yield found


def test_discovery_names_the_resources_and_their_verbs(place: KubernetesPlace) -> None:
    listed = place.ask("GET", "/apis/batch/v1")["resources"]
    jobs = next(one for one in listed if one["name"] == "jobs")
    assert (jobs["kind"], jobs["namespaced"]) == ("Job", True)
    assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(
        jobs["verbs"]
    )
    assert "jobs/status" in {one["name"] for one in listed}
    groups = {one["name"] for one in place.ask("GET", "/apis")["groups"]}
    assert {"batch", "apiextensions.k8s.io"} <= groups
    assert place.ask("GET", "/version")["gitVersion"].startswith("v1.")
    assert place.ask("GET", "/readyz").body == "ok"


def test_a_path_that_is_none_is_not_found(place: KubernetesPlace) -> None:
    for path in ("/apis/nowhere.example/v1/things", f"{place.core}/things"):
        answer = place.ask("GET", path)
        assert answer.status == 404


def test_what_is_created_gets_its_identity_from_the_server(
    place: KubernetesPlace,
) -> None:
    made = place.make("configmaps", "a", data={"k": "v"}, metadata={"uid": "mine"})
    assert made.status == 201
    metadata = made["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["namespace"] == place.namespace
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["creationTimestamp"].endswith("Z")
    assert place.ask("GET", f"{place.core}/configmaps/a")["data"] == {"k": "v"}


def test_a_name_is_taken_once(place: KubernetesPlace) -> None:
    place.make("configmaps", "a")
    again = place.make("configmaps", "a")
    assert (again.status, again["reason"]) == (409, "AlreadyExists")
    assert again["details"] == {"name": "a", "kind": "configmaps"}


def test_a_generated_name_begins_as_it_was_asked_to(place: KubernetesPlace) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"generateName": "run-"},
    }
    names = {
        place.ask("POST", f"{place.core}/configmaps", body)["metadata"]["name"]
        for _ in range(3)
    }
    assert len(names) == 3
    assert all(name.startswith("run-") and len(name) == 9 for name in names)


def test_no_namespace_no_object(place: KubernetesPlace) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    answer = place.ask("POST", "/api/v1/namespaces/nowhere/configmaps", body)
    assert (answer.status, answer["reason"]) == (404, "NotFound")
    assert answer["message"] == 'namespaces "nowhere" not found'


def test_another_namespace_or_kind_in_the_body_is_a_bad_request(
    place: KubernetesPlace,
) -> None:
    elsewhere = place.make("configmaps", "a", metadata={"namespace": "default"})
    assert (elsewhere.status, elsewhere["reason"]) == (400, "BadRequest")
    other = place.make("configmaps", "a", kind="Secret")
    assert (other.status, other["reason"]) == (400, "BadRequest")


def test_names_and_labels_that_are_none_are_invalid(place: KubernetesPlace) -> None:
    for name in ("Upper", "under_score", "-dash", "a" * 254):
        answer = place.make("configmaps", name)
        assert (answer.status, answer["reason"]) == (422, "Invalid"), name
        assert answer["details"]["causes"][0]["field"] == "metadata.name"
    labelled = place.make("configmaps", "a", metadata={"labels": {"k": "a b"}})
    assert labelled.status == 422
    assert labelled["details"]["causes"][0]["field"] == "metadata.labels"


def test_a_dry_run_answers_and_stores_nothing(place: KubernetesPlace) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    made = place.ask("POST", f"{place.core}/configmaps", body, dryRun="All")
    assert made.status == 201
    assert made["metadata"]["uid"]
    assert place.ask("GET", f"{place.core}/configmaps/a").status == 404
    place.make("configmaps", "a")
    gone = place.ask("DELETE", f"{place.core}/configmaps/a", dryRun="All")
    assert gone.status == 200
    patched = place.ask(
        "PATCH", f"{place.core}/configmaps/a", {"data": {"k": "v"}}, MERGE, dryRun="All"
    )
    assert patched["data"] == {"k": "v"}
    assert "data" not in place.ask("GET", f"{place.core}/configmaps/a").body


def test_an_update_of_an_old_version_is_a_conflict(place: KubernetesPlace) -> None:
    old = place.make("configmaps", "a", data={"n": "1"}).body
    path = f"{place.core}/configmaps/a"
    new = place.ask("PUT", path, merged(old, {"data": {"n": "2"}}))
    assert new.status == 200
    assert new["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"]
    late = place.ask("PUT", path, merged(old, {"data": {"n": "3"}}))
    assert (late.status, late["reason"]) == (409, "Conflict")
    patched = place.ask(
        "PATCH",
        path,
        {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}},
        MERGE,
    )
    assert patched.status == 409
    assert place.ask("GET", path)["data"] == {"n": "2"}


def test_a_change_of_another_uid_is_refused(place: KubernetesPlace) -> None:
    made = place.ask("POST", place.batch, job("a", suspend=True)).body
    body = {"metadata": {"uid": "another"}, "spec": {"suspend": False}}
    answer = place.ask("PATCH", f"{place.batch}/a", body, MERGE)
    assert (answer.status, answer["reason"]) == (422, "Invalid")
    put = place.ask("PUT", f"{place.batch}/a", merged(made, body))
    assert (put.status, put["reason"]) == (409, "Conflict")
    assert place.ask("GET", f"{place.batch}/a")["spec"]["suspend"] is True


def test_a_change_that_changes_nothing_makes_no_version(
    place: KubernetesPlace,
) -> None:
    made = place.make("configmaps", "a", data={"k": "v"})
    path = f"{place.core}/configmaps/a"
    again = place.ask("PATCH", path, {"data": {"k": "v"}}, MERGE)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_merge_patches_and_json_patches(place: KubernetesPlace) -> None:
    place.ask("POST", place.batch, job("a", suspend=True))
    path = f"{place.batch}/a"
    place.ask("PATCH", path, {"metadata": {"labels": {"x": "1", "y": "2"}}}, MERGE)
    found = place.ask("PATCH", path, {"metadata": {"labels": {"x": None}}}, MERGE)
    assert found["metadata"]["labels"]["y"] == "2"
    assert "x" not in found["metadata"]["labels"]
    operations: list[dict[str, object]] = [
        {"op": "test", "path": "/spec/suspend", "value": True},
        {"op": "replace", "path": "/spec/parallelism", "value": 2},
        {"op": "add", "path": "/metadata/annotations", "value": {"a.b/c": "d"}},
    ]
    edited = place.ask("PATCH", path, operations, EDIT)
    assert edited["spec"]["parallelism"] == 2
    operations[0]["value"] = False
    assert place.ask("PATCH", path, operations, EDIT).status == 422


def test_a_strategic_patch_merges_lists_by_their_keys(place: KubernetesPlace) -> None:
    path = f"/apis/batch/v1/namespaces/{place.namespace}/cronjobs"
    pod = job("c")["spec"]["template"]
    body = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "c"},
        "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": pod}}},
    }
    assert place.ask("POST", path, body).status == 201

    def patched(*env: dict[str, str], **more: object) -> list[tuple[str, str]]:
        part = {"containers": [{"name": "main", "env": list(env)} | more]}
        spec = {"jobTemplate": {"spec": {"template": {"spec": part}}}}
        answer = place.ask("PATCH", f"{path}/c", {"spec": spec}, STRATEGIC)
        told = answer["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        container = told["containers"][0]
        assert container["image"] == "busybox:1"
        return [(one["name"], one["value"]) for one in container["env"]]

    assert patched({"name": "A", "value": "1"}) == [("A", "1")]
    assert patched({"name": "B", "value": "1"}) == [("B", "1"), ("A", "1")]
    assert patched({"name": "A", "value": "2"}) == [("B", "1"), ("A", "2")]
    order = {"$setElementOrder/env": [{"name": "A"}, {"name": "C"}, {"name": "B"}]}
    assert patched({"name": "C", "value": "1"}, **order) == [
        ("A", "2"),
        ("C", "1"),
        ("B", "1"),
    ]
    assert patched({"name": "B", "$patch": "delete"}) == [("A", "2"), ("C", "1")]


def test_labels_and_fields_select(place: KubernetesPlace) -> None:
    for name, labels in (("a", {"t": "x"}), ("b", {"t": "y", "u": "1"}), ("c", {})):
        place.make("configmaps", name, metadata={"labels": labels})

    def names(**query: str) -> list[str]:
        items = place.ask("GET", f"{place.core}/configmaps", **query)["items"]
        found = [one["metadata"]["name"] for one in items]
        return [name for name in found if name != "kube-root-ca.crt"]

    assert names(labelSelector="t=x") == ["a"]
    assert names(labelSelector="t==y,u") == ["b"]
    assert names(labelSelector="t in (x, y)") == ["a", "b"]
    assert names(labelSelector="t notin (x)") == ["b", "c"]
    assert names(labelSelector="t!=x") == ["b", "c"]
    assert names(labelSelector="!t") == ["c"]
    assert names(fieldSelector="metadata.name=b") == ["b"]
    assert names(fieldSelector="metadata.name!=b") == ["a", "c"]
    path = f"{place.core}/configmaps"
    assert place.ask("GET", path, fieldSelector="data.k=v").status == 400
    assert place.ask("GET", path, labelSelector="t in x").status == 400


def test_pages_agree_with_each_other(place: KubernetesPlace) -> None:
    for number in range(5):
        place.make("secrets", f"s{number}")
    path = f"{place.core}/secrets"
    first = place.ask("GET", path, limit=2)
    assert [one["metadata"]["name"] for one in first["items"]] == ["s0", "s1"]
    assert first["metadata"]["remainingItemCount"] == 3
    place.make("secrets", "s2-later")
    place.ask("DELETE", f"{path}/s3")
    token = first["metadata"]["continue"]
    second = place.ask("GET", path, **{"limit": 2, "continue": token})
    assert [one["metadata"]["name"] for one in second["items"]] == ["s2", "s3"]
    versions = [one["metadata"]["resourceVersion"] for one in (first, second)]
    assert versions[0] == versions[1]
    last = place.ask("GET", path, **{"continue": second["metadata"]["continue"]})
    assert [one["metadata"]["name"] for one in last["items"]] == ["s4"]
    assert "continue" not in last["metadata"]
    assert place.ask("GET", path, **{"continue": "nonsense"}).status == 400


def test_a_page_that_is_no_longer_kept_is_gone(place: KubernetesPlace) -> None:
    cluster = place.own
    for number in range(3):
        place.make("secrets", f"s{number}")
    first = place.ask("GET", f"{place.core}/secrets", limit=1)
    cluster.store.forget()
    token = first["metadata"]["continue"]
    late = place.ask("GET", f"{place.core}/secrets", **{"continue": token})
    assert (late.status, late["reason"]) == (410, "Expired")


def test_a_delete_holds_to_its_preconditions(place: KubernetesPlace) -> None:
    made = place.make("configmaps", "a")
    path = f"{place.core}/configmaps/a"
    other = place.ask("DELETE", path, {"preconditions": {"uid": "another"}})
    assert (other.status, other["reason"]) == (409, "Conflict")
    uid = made["metadata"]["uid"]
    gone = place.ask("DELETE", path, {"preconditions": {"uid": uid}})
    assert (gone.status, gone["status"]) == (200, "Success")
    assert gone["details"]["uid"] == uid
    assert place.ask("DELETE", path).status == 404


def test_a_finalizer_keeps_what_is_deleted(place: KubernetesPlace) -> None:
    held = ["countersign.example/hold"]
    place.make("configmaps", "a", metadata={"finalizers": held})
    path = f"{place.core}/configmaps/a"
    assert place.ask("DELETE", path)["metadata"]["deletionTimestamp"]
    assert place.ask("GET", path)["metadata"]["finalizers"] == held
    place.ask("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
    assert place.ask("GET", path).status == 404


def test_all_of_a_selection_is_deleted_at_once(place: KubernetesPlace) -> None:
    for name, kind in (("a", "x"), ("b", "x"), ("c", "y")):
        place.make("secrets", name, metadata={"labels": {"kind": kind}})
    answer = place.ask("DELETE", f"{place.core}/secrets", labelSelector="kind=x")
    assert answer.status == 200
    left = place.ask("GET", f"{place.core}/secrets")["items"]
    assert [one["metadata"]["name"] for one in left] == ["c"]


def test_a_watch_tells_what_happened_since_a_version(place: KubernetesPlace) -> None:
    path = f"{place.core}/configmaps"
    version = place.ask("GET", path)["metadata"]["resourceVersion"]
    place.make("configmaps", "w")
    place.ask("PATCH", f"{path}/w", {"data": {"k": "v"}}, MERGE)
    place.ask("DELETE", f"{path}/w")
    events = place.watch(path, resourceVersion=version, fieldSelector="metadata.name=w")
    told = list(itertools.islice(events, 3))
    assert [one["type"] for one in told] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in told]
    assert versions == sorted(versions)
    assert told[2]["object"]["data"] == {"k": "v"}


def test_what_leaves_a_selection_is_deleted_for_its_watch(
    place: KubernetesPlace,
) -> None:
    path = f"{place.core}/configmaps"
    place.make("configmaps", "w", metadata={"labels": {"in": "yes"}})
    version = place.ask("GET", path)["metadata"]["resourceVersion"]
    events = place.watch(path, resourceVersion=version, labelSelector="in=yes")
    place.ask("PATCH", f"{path}/w", {"metadata": {"labels": {"in": "no"}}}, MERGE)
    place.ask("PATCH", f"{path}/w", {"metadata": {"labels": {"in": "yes"}}}, MERGE)
    told = list(itertools.islice(events, 2))
    assert [one["type"] for one in told] == ["DELETED", "ADDED"]


def test_a_watch_without_a_version_begins_with_what_there_is(
    place: KubernetesPlace,
) -> None:
    place.make("secrets", "a")
    told = next(iter(place.watch(f"{place.core}/secrets")))
    assert (told["type"], told["object"]["metadata"]["name"]) == ("ADDED", "a")
    assert told["object"]["kind"] == "Secret"


def test_a_watch_ends_when_its_time_is_over(place: KubernetesPlace) -> None:
    path = f"{place.core}/secrets"
    version = place.ask("GET", path)["metadata"]["resourceVersion"]
    told = list(place.watch(path, resourceVersion=version, timeoutSeconds=1))
    assert told == []


def test_a_watch_hears_of_what_happens_meanwhile(place: KubernetesPlace) -> None:
    path = f"{place.core}/secrets"
    version = place.ask("GET", path)["metadata"]["resourceVersion"]
    events = place.watch(path, resourceVersion=version, timeoutSeconds=10)
    heard: list[Any] = []
    listening = threading.Thread(target=lambda: heard.append(next(events)))
    listening.start()
    place.make("secrets", "late")
    listening.join(10)
    assert heard[0]["object"]["metadata"]["name"] == "late"
    events.close()  # type: ignore[attr-defined]


def test_initial_events_end_with_a_bookmark(place: KubernetesPlace) -> None:
    place.make("secrets", "a")
    events = place.watch(
        f"{place.core}/secrets",
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )
    first, mark = itertools.islice(events, 2)
    assert (first["type"], mark["type"]) == ("ADDED", "BOOKMARK")
    annotations = mark["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


def test_a_watch_from_a_version_no_longer_kept_is_gone(
    place: KubernetesPlace,
) -> None:
    events = place.watch(f"{place.core}/secrets", resourceVersion="1")
    told = next(events, None)
    if place.cluster is None and (
        told is None or told["type"] not in ("ERROR", "REFUSED")
    ):
        pytest.skip("this server still keeps its first version")
    assert told is not None
    error = told["object"]
    assert (error["kind"], error["code"]) == ("Status", 410)
    assert error["reason"] in ("Expired", "Gone")


def test_a_job_gets_its_defaults_selector_and_labels(place: KubernetesPlace) -> None:
    made = place.ask("POST", place.batch, job("a", suspend=True))
    assert made.status == 201
    spec, uid = made["spec"], made["metadata"]["uid"]
    assert (spec["parallelism"], spec["completions"], spec["backoffLimit"]) == (1, 1, 6)
    label = "batch.kubernetes.io/controller-uid"
    assert spec["selector"] == {"matchLabels": {label: uid}}
    assert spec["template"]["metadata"]["labels"] == {
        label: uid,
        "batch.kubernetes.io/job-name": "a",
        "controller-uid": uid,
        "job-name": "a",
    }
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"]
    assert made["metadata"]["generation"] == 1


def test_a_job_that_is_none_is_refused(place: KubernetesPlace) -> None:
    without = job("a")
    del without["spec"]["template"]["spec"]["restartPolicy"]
    answer = place.ask("POST", place.batch, without)
    assert (answer.status, answer["reason"]) == (422, "Invalid")
    assert answer["details"]["causes"][0]["field"] == "spec.template.spec.restartPolicy"
    wrong = place.ask("POST", place.batch, job("a", parallelism="two"))
    assert (wrong.status, wrong["reason"]) == (400, "BadRequest")


def test_an_unknown_field_is_warned_of_or_refused(place: KubernetesPlace) -> None:
    warned = place.ask("POST", place.batch, job("a", suspnd=True))
    assert warned.status == 201
    assert 'unknown field \\"spec.suspnd\\"' in warned.headers["Warning"]
    assert "suspnd" not in warned["spec"]
    strict = place.ask(
        "POST", place.batch, job("b", suspnd=True), fieldValidation="Strict"
    )
    assert (strict.status, strict["reason"]) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "spec.suspnd"' in strict["message"]


def test_the_template_of_a_job_that_runs_is_immutable(place: KubernetesPlace) -> None:
    place.ask("POST", place.batch, job("a"))
    part = {"spec": {"template": {"metadata": {"labels": {"x": "y"}}}}}
    answer = place.ask("PATCH", f"{place.batch}/a", part, MERGE)
    assert (answer.status, answer["reason"]) == (422, "Invalid")


def test_of_a_job_that_is_held_only_the_scheduling_can_be_changed(
    place: KubernetesPlace,
) -> None:
    place.ask("POST", place.batch, job("a", suspend=True))
    path = f"{place.batch}/a"
    pod = {"spec": {"template": {"spec": {"nodeSelector": {"gpu": "yes"}}}}}
    assert place.ask("PATCH", path, pod, MERGE).status == 200
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image"}]
    image[0]["value"] = "evil:1"
    answer = place.ask("PATCH", path, image, EDIT)
    assert (answer.status, answer["reason"]) == (422, "Invalid")


def test_an_update_notes_who_changed_which_field(place: KubernetesPlace) -> None:
    place.make("configmaps", "a", data={"k": "v"})
    found = place.ask(
        "PATCH",
        f"{place.core}/configmaps/a",
        {"data": {"n": "1"}},
        MERGE,
        fieldManager="editor",
    )
    entries = {one["manager"]: one for one in found["metadata"]["managedFields"]}
    assert entries["editor"]["operation"] == "Update"
    assert entries["editor"]["fieldsV1"]["f:data"] == {"f:n": {}}
