"""What is sent to a cluster is held, named by its launch, and compared by field."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import JOB, kind_of
from connectors.kubernetes.manifests import (
    LAUNCH_LABEL,
    difference,
    dropped,
    held,
    label_of_launch,
    name_of_launch,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "suspend"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def manifest(**metadata: object) -> Json:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"suspend": False, "template": {"spec": {"containers": []}}},
    }


def test_what_is_sent_is_held_whatever_the_manifest_says() -> None:
    sent = held(manifest(), "launch-1", "training")
    assert sent["spec"]["suspend"] is True


def test_the_suspend_of_an_operator_s_job_lies_deeper() -> None:
    found: Json = {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "spec": {}}
    sent = held(found, "launch-1", "training")
    assert sent["spec"] == {"runPolicy": {"suspend": True}}
    assert found["spec"] == {}


def test_name_uid_owners_and_finalizers_of_a_manifest_are_not_sent() -> None:
    said = {
        "name": "mine",
        "generateName": "mine-",
        "uid": "x",
        "finalizers": ["keep"],
        "ownerReferences": [{"uid": "y"}],
        "labels": {"team": "risk", LAUNCH_LABEL: "another"},
    }
    sent = held(manifest(**said), "launch-1", "training")
    assert set(sent["metadata"]) == {"name", "namespace", "labels", "annotations"}
    assert sent["metadata"]["name"] == name_of_launch("launch-1")
    assert sent["metadata"]["labels"] == {"team": "risk", LAUNCH_LABEL: "launch-1"}


def test_another_namespace_is_refused() -> None:
    with pytest.raises(ConnectorRefused, match="kube-system"):
        held(manifest(namespace="kube-system"), "launch-1", "training")


@given(launch=st.text(max_size=100))
def test_every_launch_has_a_name_and_a_label_that_a_cluster_takes(launch: str) -> None:
    from tests.contract.kubernetes_server.preparing import _problems_of_metadata

    metadata = {
        "name": name_of_launch(launch),
        "labels": {LAUNCH_LABEL: label_of_launch(launch)},
    }
    assert list(_problems_of_metadata(metadata)) == []
    assert len(metadata["name"]) <= 63


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"apiVersion": 1, "kind": "Job"},
        {"apiVersion": "batch/v1", "kind": ["Job"]},
        {"apiVersion": "batch/v1", "kind": "Job"},
        {"apiVersion": "batch/v1", "kind": "Job", "spec": []},
        {"apiVersion": "batch/v1", "kind": "Job", "spec": {}, "metadata": 5},
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {},
            "metadata": {"labels": 1},
        },
        {"apiVersion": "batch/v1beta1", "kind": "Job", "spec": {}},
        {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "spec": {"runPolicy": 1}},
    ],
)
def test_a_manifest_that_is_none_is_an_error_of_ours(found: Json) -> None:
    with pytest.raises(ConnectorError):
        held(found, "launch-1", "training")


def test_a_manifest_that_is_too_large_is_refused() -> None:
    with pytest.raises(ConnectorRefused, match="larger"):
        held(manifest(annotations={"a": "x" * 2_000_000}), "launch-1", "training")


@given(spec=st.dictionaries(st.sampled_from("ab"), JSON), other=JSON)
def test_only_what_is_the_same_in_every_field_is_the_same(
    spec: Json, other: object
) -> None:
    one = {**manifest(), "spec": {**spec, "suspend": True, "template": {}}}
    two = copy.deepcopy(one)
    two["spec"]["suspend"] = False
    assert difference(one, two, JOB) == ""
    two["spec"]["c"] = other
    assert (difference(one, two, JOB) == "") == (other is None)


@given(sent=st.dictionaries(st.sampled_from("ab"), JSON))
def test_nothing_is_dropped_of_what_comes_back_whole(sent: Json) -> None:
    assert dropped(sent, {**sent, "filled": {"in": 1}}) == ""


def test_a_field_that_does_not_come_back_is_named() -> None:
    sent = {"a": [{"b": {"c": True}}]}
    assert dropped(sent, {"a": [{"b": {}}]}) == "spec.a[0].b.c"


def test_the_known_kinds_are_known_by_group_and_version() -> None:
    assert kind_of(manifest()) is JOB
